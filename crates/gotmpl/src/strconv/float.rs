//! Floats to text and back.

use crate::strconv::{NumError, NumErrorKind, underscores_ok};

/// Go's `FormatFloat`: format is one of `b e E f g G x X`, precision -1 the shortest that reads back
/// as the same number of `bits` (32 or 64) bits.
pub fn format_float(f: f64, format: u8, precision: i32, bits: u32) -> String {
    let mut out = String::new();
    append_float(&mut out, f, format, precision, bits);
    out
}

/// The decimal digits of a number: `0.DIGITS * 10^point`, without trailing zeros; none for zero.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

/// The most digits after which the exact decimal expansion of a float has only zeros.
const EXACT: usize = 1100;

/// As [`format_float`], appending to `out`.
pub fn append_float(out: &mut String, f: f64, format: u8, precision: i32, bits: u32) {
    if f.is_nan() {
        out.push_str("NaN");
        return;
    }
    if f.is_infinite() {
        out.push_str(if f > 0.0 { "+Inf" } else { "-Inf" });
        return;
    }
    let negative = f.is_sign_negative();
    match format {
        b'b' => return append_binary(out, f, bits),
        b'x' | b'X' => return append_hex(out, f, format, precision, bits),
        _ => {}
    }
    if negative {
        out.push('-');
    }
    let f = f.abs();
    let wanted = usize::try_from(precision).ok();
    match format {
        b'e' | b'E' => {
            let d = match wanted {
                None => shortest(f, bits),
                Some(p) => rounded(f, p),
            };
            let precision = wanted.unwrap_or(d.digits.len().saturating_sub(1));
            append_e(out, &d, precision, format);
        }
        b'f' => match wanted {
            None => {
                let d = shortest(f, bits);
                let precision = (d.digits.len() as i32 - d.point).max(0) as usize;
                append_f(out, &d, precision);
            }
            Some(p) => {
                use std::fmt::Write as _;
                let _ = write!(out, "{f:.*}", p.min(EXACT));
                out.extend(std::iter::repeat_n('0', p.saturating_sub(EXACT)));
            }
        },
        b'g' | b'G' => append_g(out, f, format, wanted, bits),
        _ => {
            out.push('%');
            out.push(format as char);
        }
    }
}

fn append_g(out: &mut String, f: f64, format: u8, wanted: Option<usize>, bits: u32) {
    let (d, precision, mut threshold) = match wanted {
        None => {
            let d = shortest(f, bits);
            let n = d.digits.len();
            (d, n, 6)
        }
        Some(p) => {
            let p = p.max(1);
            (rounded(f, p - 1), p, p as i32)
        }
    };
    let count = d.digits.len();
    if wanted.is_some() && precision > count && count as i32 >= d.point {
        threshold = count as i32;
    }
    let exponent = d.point - 1;
    if exponent < -4 || exponent >= threshold {
        append_e(out, &d, precision.min(count).saturating_sub(1), format - 2);
        return;
    }
    let precision = if precision as i32 > d.point {
        count
    } else {
        precision
    };
    append_f(out, &d, (precision as i32 - d.point).max(0) as usize);
}

fn shortest(f: f64, bits: u32) -> Digits {
    if bits == 32 {
        split(&format!("{:e}", f as f32))
    } else {
        split(&format!("{f:e}"))
    }
}

fn rounded(f: f64, after_point: usize) -> Digits {
    split(&format!("{f:.*e}", after_point.min(EXACT)))
}

/// Takes apart Rust's `1.234e5`.
fn split(text: &str) -> Digits {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = if digits.is_empty() {
        0
    } else {
        exponent.parse::<i32>().unwrap_or(0) + 1
    };
    Digits { digits, point }
}

fn push_digits(out: &mut String, d: &Digits, range: std::ops::Range<usize>) {
    out.extend(range.map(|i| d.digits.get(i).map_or('0', |c| *c as char)));
}

fn append_e(out: &mut String, d: &Digits, precision: usize, format: u8) {
    push_digits(out, d, 0..1);
    if precision > 0 {
        out.push('.');
        push_digits(out, d, 1..1 + precision);
    }
    out.push(format as char);
    let exponent = if d.digits.is_empty() { 0 } else { d.point - 1 };
    push_exponent(out, exponent);
}

fn push_exponent(out: &mut String, exponent: i32) {
    use std::fmt::Write as _;
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "{sign}{:02}", exponent.unsigned_abs());
}

fn append_f(out: &mut String, d: &Digits, precision: usize) {
    match usize::try_from(d.point) {
        Ok(n) if n > 0 => push_digits(out, d, 0..n),
        _ => out.push('0'),
    }
    if precision > 0 {
        out.push('.');
        for i in 0..precision as i32 {
            let c = usize::try_from(d.point + i).ok().and_then(|i| d.digits.get(i));
            out.push(c.map_or('0', |c| *c as char));
        }
    }
}

/// Mantissa with the implicit bit, exponent of its unit bit, and mantissa bits.
fn decompose(f: f64, bits: u32) -> (u64, i32, u32) {
    let (raw, mantissa_bits, exponent_bits, bias) = if bits == 32 {
        (u64::from((f as f32).to_bits()), 23, 8, -127)
    } else {
        (f.to_bits(), 52, 11, -1023)
    };
    let exponent = ((raw >> mantissa_bits) & ((1 << exponent_bits) - 1)) as i32;
    let mantissa = raw & ((1 << mantissa_bits) - 1);
    if exponent == 0 {
        (mantissa, 1 + bias, mantissa_bits)
    } else {
        (mantissa | 1 << mantissa_bits, exponent + bias, mantissa_bits)
    }
}

fn append_binary(out: &mut String, f: f64, bits: u32) {
    use std::fmt::Write as _;
    let (mantissa, exponent, mantissa_bits) = decompose(f, bits);
    let exponent = exponent - mantissa_bits as i32;
    let sign = if f.is_sign_negative() { "-" } else { "" };
    let _ = write!(out, "{sign}{mantissa}p{exponent:+}");
}

fn append_hex(out: &mut String, f: f64, format: u8, precision: i32, bits: u32) {
    let (mut mantissa, mut exponent, mantissa_bits) = decompose(f, bits);
    if mantissa == 0 {
        exponent = 0;
    }
    mantissa <<= 60 - mantissa_bits;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if (0..15).contains(&precision) {
        let shift = precision as u32 * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    if f.is_sign_negative() {
        out.push('-');
    }
    out.push('0');
    out.push(format as char);
    out.push(if mantissa >> 60 & 1 == 1 { '1' } else { '0' });
    mantissa <<= 4;
    let push_digit = |out: &mut String, m: u64| {
        let c = char::from_digit((m >> 60 & 15) as u32, 16).unwrap_or('0');
        out.push(if format == b'X' { c.to_ascii_uppercase() } else { c });
    };
    if precision < 0 && mantissa != 0 {
        out.push('.');
        while mantissa != 0 {
            push_digit(out, mantissa);
            mantissa <<= 4;
        }
    } else if precision > 0 {
        out.push('.');
        for _ in 0..precision {
            push_digit(out, mantissa);
            mantissa <<= 4;
        }
    }
    out.push(if format == b'x' { 'p' } else { 'P' });
    push_exponent(out, exponent);
}

/// Go's `ParseFloat` for 32 or 64 bits: decimal and hexadecimal literals, underscores as in Go, `inf`,
/// `infinity` and `nan` in any case.
pub fn parse_float(s: &[u8], bits: u32) -> Result<f64, NumError> {
    parse(s, bits).map_err(|kind| NumError {
        func: "ParseFloat",
        text: s.to_vec(),
        kind,
    })
}

fn parse(s: &[u8], bits: u32) -> Result<f64, NumErrorKind> {
    let text = std::str::from_utf8(s).map_err(|_| NumErrorKind::Syntax)?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Ok(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    if text.contains('_') && !underscores_ok(s) {
        return Err(NumErrorKind::Syntax);
    }
    let plain: String = unsigned.chars().filter(|c| *c != '_').collect();
    let hex = unsigned.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x"));
    let magnitude = if hex {
        parse_hex(plain.get(2..).unwrap_or(""), bits)?
    } else {
        if !plain
            .bytes()
            .all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E' | b'+' | b'-'))
        {
            return Err(NumErrorKind::Syntax);
        }
        if bits == 32 {
            plain
                .parse::<f32>()
                .map(f64::from)
                .map_err(|_| NumErrorKind::Syntax)?
        } else {
            plain.parse::<f64>().map_err(|_| NumErrorKind::Syntax)?
        }
    };
    if magnitude.is_infinite() {
        return Err(NumErrorKind::Range);
    }
    Ok(if negative { -magnitude } else { magnitude })
}

/// The part of a hexadecimal literal after `0x`. The exponent is required.
fn parse_hex(s: &str, bits: u32) -> Result<f64, NumErrorKind> {
    let (mantissa_text, exponent_text) = s.split_once(['p', 'P']).ok_or(NumErrorKind::Syntax)?;
    let exponent_digits = exponent_text.strip_prefix(['+', '-']).unwrap_or(exponent_text);
    if exponent_digits.is_empty() || !exponent_digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(NumErrorKind::Syntax);
    }
    let exponent = exponent_digits.bytes().fold(0i64, |e, c| {
        if e < 10_000 {
            e * 10 + i64::from(c - b'0')
        } else {
            e
        }
    });
    let mut exponent = if exponent_text.starts_with('-') {
        -exponent
    } else {
        exponent
    };
    let (whole, fraction) = mantissa_text.split_once('.').unwrap_or((mantissa_text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NumErrorKind::Syntax);
    }
    exponent -= 4 * fraction.len() as i64;
    let mut mantissa = 0u64;
    let mut sticky = false;
    for c in whole.chars().chain(fraction.chars()) {
        let digit = u64::from(c.to_digit(16).ok_or(NumErrorKind::Syntax)?);
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
        } else {
            sticky |= digit != 0;
            exponent += 4;
        }
    }
    Ok(scale(mantissa, sticky, exponent, bits))
}

/// `mantissa * 2^exponent` rounded half to even to the float size.
fn scale(mantissa: u64, sticky: bool, exponent: i64, bits: u32) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let (mantissa_bits, min_exponent, max_exponent) = if bits == 32 {
        (24, -149, 127)
    } else {
        (53, -1074, 1023)
    };
    let length = 64 - i64::from(mantissa.leading_zeros());
    let unit = (exponent + length - mantissa_bits).max(min_exponent);
    let shift = unit - exponent;
    let rounded = if shift <= 0 {
        mantissa << (-shift).min(63)
    } else if shift > 64 {
        0
    } else {
        let wide = u128::from(mantissa);
        let low = wide & ((1u128 << shift) - 1);
        let half = 1u128 << (shift - 1);
        let kept = (wide >> shift) as u64;
        let up = low > half || low == half && (sticky || kept & 1 == 1);
        kept + u64::from(up)
    };
    let top = 64 - i64::from(rounded.leading_zeros()) + unit - 1;
    if rounded != 0 && top > max_exponent {
        return f64::INFINITY;
    }
    // Two factors, as 2^-1074 times a power of two in one step would lose bits.
    let half = unit / 2;
    rounded as f64 * 2f64.powi(half as i32) * 2f64.powi((unit - half) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_g_switches_to_exponents_at_a_million() {
        for (f, want) in [
            (0.0, "0"),
            (1e6, "1e+06"),
            (123456.0, "123456"),
            (123456789.0, "1.23456789e+08"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-2.5, "-2.5"),
            (100000.0, "100000"),
            (1e21, "1e+21"),
        ] {
            assert_eq!(format_float(f, b'g', -1, 64), want);
        }
    }

    #[test]
    fn hex_floats_read_back() {
        for f in [1.0, 0.1, 1.5e300, 5e-324, f64::MAX, 3.0] {
            let text = format_float(f, b'x', -1, 64);
            assert_eq!(parse_float(text.as_bytes(), 64), Ok(f), "{text}");
        }
        assert!(parse_float(b"0x1p1024", 64).is_err());
        assert!(parse_float(b"0x1", 64).is_err());
    }
}
