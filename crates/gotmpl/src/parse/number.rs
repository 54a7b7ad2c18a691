//! Numeric literals: Go's untyped constants, kept under every type that can hold them.

use crate::strconv;
use crate::value::Complex;

/// A numeric constant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    /// A complex number, whatever else can hold it: what it is where no type is asked for.
    pub(crate) complex: Option<Complex>,
    /// Whether the literal's own syntax makes it a float where no type is asked for.
    pub(crate) is_float_syntax: bool,
}

impl Number {
    /// A character constant, quotes included.
    pub(super) fn character(text: &str) -> Result<Number, String> {
        let body = text.as_bytes().get(1..).unwrap_or_default();
        match strconv::unquote_char(body, b'\'') {
            None => Err("invalid syntax".into()),
            Some((c, _, b"'")) => Ok(Number {
                int: Some(i64::from(c)),
                uint: Some(u64::from(c)),
                float: Some(f64::from(c)),
                ..Number::default()
            }),
            Some(_) => Err(format!("malformed character constant: {text}")),
        }
    }

    /// A real and an imaginary part, as Go's `fmt.Sscan` reads them.
    pub(super) fn pair(text: &str) -> Result<Number, String> {
        const BAD: &str = "syntax error scanning complex number";
        let real = float_token(text);
        let rest = text.get(real.len()..).unwrap_or_default();
        let sign = rest.get(..1).filter(|c| matches!(*c, "+" | "-")).ok_or(BAD)?;
        let imaginary = float_token(rest.get(sign.len()..).unwrap_or_default());
        let end = sign.len() + imaginary.len();
        if !rest.get(end..).is_some_and(|rest| rest.starts_with('i')) {
            return Err(BAD.into());
        }
        let part = |text: &str| strconv::parse_float(text.as_bytes(), 64).map_err(|e| e.to_string());
        Ok(Number::complex(Complex {
            real: part(real)?,
            imaginary: part(rest.get(..end).unwrap_or_default())?,
        }))
    }

    fn complex(complex: Complex) -> Number {
        let mut n = Number {
            complex: Some(complex),
            ..Number::default()
        };
        if complex.imaginary == 0.0 {
            n.set_float(complex.real);
        }
        n
    }

    /// The float, and the integers that it stands for.
    fn set_float(&mut self, f: f64) {
        self.float = Some(f);
        if f < 9_223_372_036_854_775_808.0 && f as i64 as f64 == f {
            self.int = Some(f as i64);
        }
        if f < 18_446_744_073_709_551_616.0 && f as u64 as f64 == f {
            self.uint = Some(f as u64);
        }
    }

    /// An integer, a float or an imaginary number.
    pub(super) fn parse(text: &str) -> Result<Number, String> {
        if let Some(digits) = text.strip_suffix('i')
            && let Ok(imaginary) = strconv::parse_float(digits.as_bytes(), 64)
        {
            return Ok(Number::complex(Complex { real: 0.0, imaginary }));
        }
        let mut n = Number::default();
        let bytes = text.as_bytes();
        n.uint = strconv::parse_uint(bytes, 0, 64).ok();
        n.int = strconv::parse_int(bytes, 0, 64).ok();
        if n.int == Some(0) {
            n.uint = Some(0);
        }
        let float_mark = text.contains(['.', 'e', 'E', 'p', 'P']);
        if let Some(i) = n.int {
            n.float = Some(i as f64);
        } else if let Some(u) = n.uint {
            n.float = Some(u as f64);
        } else if let Ok(f) = strconv::parse_float(bytes, 64) {
            if !float_mark {
                return Err(format!("integer overflow: {}", strconv::quote(bytes)));
            }
            n.set_float(f);
        } else {
            return Err(format!("illegal number syntax: {}", strconv::quote(bytes)));
        }
        n.is_float_syntax = float_mark && !is_hex_int(text);
        Ok(n)
    }
}

/// What of the text's start Go's scanner takes for a float: a sign, digits, a point, an exponent.
fn float_token(text: &str) -> &str {
    let bytes = text.as_bytes();
    let at = |at: usize| bytes.get(at).map(u8::to_ascii_lowercase);
    let mut end = usize::from(matches!(at(0), Some(b'+' | b'-')));
    let hex = at(end) == Some(b'0') && at(end + 1) == Some(b'x');
    let exponent = if hex { b'p' } else { b'e' };
    end += if hex { 2 } else { 0 };
    let digits = |mut from: usize, hex: bool| {
        while at(from).is_some_and(|b| b == b'_' || b.is_ascii_digit() || hex && b.is_ascii_hexdigit()) {
            from += 1;
        }
        from
    };
    end = digits(end, hex);
    if at(end) == Some(b'.') {
        end = digits(end + 1, hex);
    }
    if at(end) == Some(exponent) {
        end += 1 + usize::from(matches!(at(end + 1), Some(b'+' | b'-')));
        end = digits(end, false);
    }
    text.get(..end).unwrap_or_default()
}

fn is_hex_int(text: &str) -> bool {
    text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P'])
}
