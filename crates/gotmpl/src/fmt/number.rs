//! Integers, floats and characters.

use crate::fmt::printer::Printer;
use crate::strconv;
use crate::unicode::is_print;
use crate::value::Complex;

impl Printer<'_> {
    /// An integer by verb; `false` for a verb that integers do not have.
    pub(super) fn integer(&mut self, bits: u64, signed: bool, verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v && !signed => self.hex_with_prefix(bits),
            'v' | 'd' => self.based(bits, 10, signed, verb),
            'b' => self.based(bits, 2, signed, verb),
            'o' | 'O' => self.based(bits, 8, signed, verb),
            'x' | 'X' => self.based(bits, 16, signed, verb),
            'c' => {
                let c = rune(bits);
                self.pad(c.encode_utf8(&mut [0; 4]));
            }
            'q' => {
                let c = rune(bits);
                let text = if self.flags.plus {
                    strconv::quote_rune_to_ascii(c)
                } else {
                    strconv::quote_rune(c)
                };
                self.pad(&text);
            }
            'U' => self.unicode(bits),
            _ => return false,
        }
        true
    }

    /// `0x` and hexadecimal digits.
    pub(super) fn hex_with_prefix(&mut self, n: u64) {
        let sharp = std::mem::replace(&mut self.flags.sharp, true);
        self.based(n, 16, false, 'v');
        self.flags.sharp = sharp;
    }

    fn based(&mut self, bits: u64, base: u32, signed: bool, verb: char) {
        let flags = self.flags;
        let negative = signed && (bits as i64) < 0;
        let n = if negative { bits.wrapping_neg() } else { bits };
        if base == 10
            && !negative
            && flags.width.is_none()
            && flags.precision.is_none()
            && !flags.plus
            && !flags.space
        {
            let mut digits = [0u8; 20];
            self.out.push_str(decimal(n, &mut digits));
            return;
        }
        let mut wanted = 0;
        match flags.precision {
            Some(0) if n == 0 => {
                let zero = std::mem::replace(&mut self.flags.zero, false);
                self.fill(flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
            Some(p) => wanted = p,
            None => {
                if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
                    wanted = width - usize::from((negative || flags.plus || flags.space) && width > 0);
                }
            }
        }
        let upper = verb == 'X';
        let mut text = String::new();
        if negative {
            text.push('-');
        } else if flags.plus {
            text.push('+');
        } else if flags.space {
            text.push(' ');
        }
        if verb == 'O' {
            text.push_str("0o");
        }
        let digits = digits_of(n, base, upper);
        let zeros = wanted.saturating_sub(digits.len());
        if flags.sharp {
            match base {
                2 => text.push_str("0b"),
                8 if zeros == 0 && !digits.starts_with('0') => text.push('0'),
                16 => text.push_str(if upper { "0X" } else { "0x" }),
                _ => {}
            }
        }
        text.extend(std::iter::repeat_n('0', zeros));
        text.push_str(&digits);
        self.pad_with_spaces(&text);
    }

    fn unicode(&mut self, n: u64) {
        let mut digits = digits_of(n, 16, true);
        let wanted = self.flags.precision.unwrap_or(0).max(4);
        if digits.len() < wanted {
            digits.insert_str(0, &"0".repeat(wanted - digits.len()));
        }
        let mut text = format!("U+{digits}");
        if self.flags.sharp
            && let Some(c) = u32::try_from(n)
                .ok()
                .and_then(char::from_u32)
                .filter(|c| is_print(*c))
        {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_with_spaces(&text);
    }

    /// A float by verb; `false` for a verb that floats do not have.
    pub(super) fn float(&mut self, f: f64, bits: u32, verb: char) -> bool {
        match verb {
            'v' => self.float_as(f, bits, b'g', -1),
            'b' | 'g' | 'G' | 'x' | 'X' => self.float_as(f, bits, verb as u8, -1),
            'f' | 'e' | 'E' => self.float_as(f, bits, verb as u8, 6),
            'F' => self.float_as(f, bits, b'f', 6),
            _ => return false,
        }
        true
    }

    /// A complex number by verb, in parentheses and with both signs; `false` for a verb that it does not have.
    pub(super) fn complex(&mut self, c: Complex, verb: char) -> bool {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return false;
        }
        self.push("(");
        self.float(c.real, 64, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(c.imaginary, 64, verb);
        self.flags.plus = plus;
        self.push("i)");
        true
    }

    fn float_as(&mut self, f: f64, bits: u32, format: u8, default_precision: i32) {
        let flags = self.flags;
        let precision = flags.precision.map_or(default_precision, |p| p as i32);
        let number = strconv::format_float(f, format, precision, bits);
        let (mut sign, digits) = match number.strip_prefix(['+', '-']) {
            Some(rest) => (if number.starts_with('-') { '-' } else { '+' }, rest),
            None => ('+', number.as_str()),
        };
        if flags.space && sign == '+' && !flags.plus {
            sign = ' ';
        }
        if digits.starts_with(['I', 'N']) {
            let bare = digits.starts_with('N') && !flags.space && !flags.plus;
            let shown = !bare && (flags.plus || sign != '+');
            let text = if shown || digits.starts_with('I') {
                format!("{sign}{digits}")
            } else {
                digits.to_string()
            };
            self.pad_with_spaces(&text);
            return;
        }
        let mut digits = digits.to_string();
        if flags.sharp && format != b'b' {
            digits = with_point(&digits, format, precision);
        }
        if flags.plus || sign != '+' {
            let length = digits.len() + 1;
            if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width)
                && width > length
            {
                self.push(sign.encode_utf8(&mut [0; 4]));
                self.fill(width - length);
                self.push(&digits);
                return;
            }
            self.pad(&format!("{sign}{digits}"));
            return;
        }
        self.pad(&digits);
    }
}

/// The digits with a decimal point and the trailing zeros that the `#` flag keeps.
fn with_point(number: &str, format: u8, precision: i32) -> String {
    let mut wanted = match format {
        b'g' | b'G' | b'x' => {
            if precision == -1 {
                6
            } else {
                precision
            }
        }
        _ => 0,
    };
    let hex = matches!(format, b'x' | b'X');
    let tail_at = number
        .find(|c| matches!(c, 'p' | 'P') || !hex && matches!(c, 'e' | 'E'))
        .unwrap_or(number.len());
    let (head, tail) = number.split_at(tail_at);
    let mut nonzero = false;
    let mut point = false;
    for c in head.chars() {
        if c == '.' {
            point = true;
            continue;
        }
        nonzero |= c != '0';
        if nonzero {
            wanted -= 1;
        }
    }
    let mut out = head.to_string();
    if !point {
        if head == "0" {
            wanted -= 1;
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', usize::try_from(wanted).unwrap_or(0)));
    out.push_str(tail);
    out
}

fn rune(n: u64) -> char {
    u32::try_from(n)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or('\u{fffd}')
}

/// Decimal digits without an allocation.
pub(super) fn decimal(mut n: u64, buffer: &mut [u8; 20]) -> &str {
    let mut start = buffer.len();
    for slot in buffer.iter_mut().rev() {
        *slot = b'0' + (n % 10) as u8;
        start -= 1;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    buffer
        .get(start..)
        .and_then(|b| std::str::from_utf8(b).ok())
        .unwrap_or("")
}

fn digits_of(mut n: u64, base: u32, upper: bool) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((n % u64::from(base)) as u32, base).unwrap_or('0');
        digits.push(if upper { digit.to_ascii_uppercase() } else { digit });
        n /= u64::from(base);
        if n == 0 {
            return digits.iter().rev().collect();
        }
    }
}
