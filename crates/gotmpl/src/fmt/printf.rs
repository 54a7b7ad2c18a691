//! Format strings.

use crate::error::Error;
use crate::exec::output::Output;
use crate::fmt::printer::{Flags, Printer};
use crate::value::Value;

/// Go's `fmt.Sprintf`, appending to `out`. Mistakes in the format show in the text, as in Go.
///
/// Errors: values nested too deep.
pub fn sprintf(out: &mut Output, format: &[u8], args: &[Value]) -> Result<(), Error> {
    let printer = Printer::new(out);
    Formatter {
        printer,
        format,
        args,
        pos: 0,
        arg: 0,
        reordered: false,
        good_arg: true,
    }
    .run()
}

struct Formatter<'o, 'a> {
    printer: Printer<'o>,
    format: &'a [u8],
    args: &'a [Value],
    pos: usize,
    arg: usize,
    /// Whether the format has used `[n]`.
    reordered: bool,
    /// Whether the current verb's `[n]` is in range.
    good_arg: bool,
}

/// Widths and precisions beyond this are not taken as numbers.
const TOO_LARGE: i64 = 1_000_000;

impl Formatter<'_, '_> {
    fn run(mut self) -> Result<(), Error> {
        while self.pos < self.format.len() {
            self.good_arg = true;
            let rest = self.format.get(self.pos..).unwrap_or_default();
            let literal = rest.iter().position(|b| *b == b'%').unwrap_or(rest.len());
            if literal > 0 {
                self.printer
                    .out
                    .push_bytes(rest.get(..literal).unwrap_or_default());
            }
            self.pos += literal;
            if self.pos >= self.format.len() {
                break;
            }
            self.pos += 1;
            if !self.verb()? {
                break;
            }
        }
        self.extra()
    }

    fn current(&self) -> Option<u8> {
        self.format.get(self.pos).copied()
    }

    /// One verb with its flags; `false` at the end of the format.
    fn verb(&mut self) -> Result<bool, Error> {
        self.printer.flags = Flags::default();
        if self.flags()? {
            return Ok(true);
        }
        let mut after_index = self.arg_number();
        self.width(&mut after_index);
        self.precision(&mut after_index);
        if !after_index {
            self.arg_number();
        }
        let rest = self.format.get(self.pos..).unwrap_or_default();
        let Some(chunk) = rest.utf8_chunks().next() else {
            self.printer.push("%!(NOVERB)");
            return Ok(false);
        };
        let verb = match chunk.valid().chars().next() {
            Some(c) => {
                self.pos += c.len_utf8();
                c
            }
            None => {
                self.pos += 1;
                '\u{fffd}'
            }
        };
        if verb == '%' {
            self.printer.push("%");
        } else if !self.good_arg {
            self.complain(verb, "(BADINDEX)");
        } else if let Some(arg) = self.args.get(self.arg) {
            self.print(arg, verb)?;
            self.arg += 1;
        } else {
            self.complain(verb, "(MISSING)");
        }
        Ok(true)
    }

    /// Reads the flags; prints at once when a plain verb follows, as most do.
    fn flags(&mut self) -> Result<bool, Error> {
        while let Some(c) = self.current() {
            let flags = &mut self.printer.flags;
            match c {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                b'a'..=b'z' => {
                    let Some(arg) = self.args.get(self.arg) else {
                        return Ok(false);
                    };
                    self.print(arg, c as char)?;
                    self.arg += 1;
                    self.pos += 1;
                    return Ok(true);
                }
                _ => return Ok(false),
            }
            self.pos += 1;
        }
        Ok(false)
    }

    fn print(&mut self, arg: &Value, verb: char) -> Result<(), Error> {
        let flags = &mut self.printer.flags;
        match verb {
            'v' => {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
                self.printer.arg(arg, verb)
            }
            'w' => {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
                self.printer.bad_verb(verb, arg)
            }
            _ => self.printer.arg(arg, verb),
        }
    }

    fn complain(&mut self, verb: char, what: &str) {
        self.printer.push("%!");
        self.printer.push(verb.encode_utf8(&mut [0; 4]));
        self.printer.push(what);
    }

    fn width(&mut self, after_index: &mut bool) {
        if self.current() == Some(b'*') {
            self.pos += 1;
            let width = self.int_from_arg();
            self.printer.flags.width = width.map(|w| w.unsigned_abs() as usize);
            if width.is_none() {
                self.printer.push("%!(BADWIDTH)");
            }
            if width.is_some_and(|w| w < 0) {
                self.printer.flags.minus = true;
                self.printer.flags.zero = false;
            }
            *after_index = false;
        } else {
            self.printer.flags.width = self.number();
            if *after_index && self.printer.flags.width.is_some() {
                self.good_arg = false;
            }
        }
    }

    fn precision(&mut self, after_index: &mut bool) {
        if self.current() != Some(b'.') || self.pos + 1 >= self.format.len() {
            return;
        }
        self.pos += 1;
        if *after_index {
            self.good_arg = false;
        }
        *after_index = self.arg_number();
        if self.current() == Some(b'*') {
            self.pos += 1;
            let given = self.int_from_arg();
            self.printer.flags.precision = given.and_then(|p| usize::try_from(p).ok());
            if self.printer.flags.precision.is_none() {
                self.printer.push("%!(BADPREC)");
            }
            *after_index = false;
        } else {
            self.printer.flags.precision = Some(self.number().unwrap_or(0));
        }
    }

    /// A decimal number of the format. One that is too large swallows the rest of the format.
    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(c) = self.current().filter(u8::is_ascii_digit) {
            let n = number.unwrap_or(0);
            if n as i64 > TOO_LARGE {
                self.pos = self.format.len();
                return None;
            }
            number = Some(n * 10 + usize::from(c - b'0'));
            self.pos += 1;
        }
        number
    }

    fn int_from_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.arg)?;
        self.arg += 1;
        let n = match arg.underlying().as_ref() {
            Value::Int(n, _) => *n,
            Value::Uint(n, _) => i64::try_from(*n).ok()?,
            _ => return None,
        };
        (-TOO_LARGE..=TOO_LARGE).contains(&n).then_some(n)
    }

    /// An explicit `[n]`; whether there was a well-formed one.
    fn arg_number(&mut self) -> bool {
        if self.current() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.format.get(self.pos..).unwrap_or_default();
        let close = rest.iter().position(|b| *b == b']').filter(|_| rest.len() >= 3);
        let Some(close) = close else {
            self.pos += 1;
            self.good_arg = false;
            return false;
        };
        let index = parse_index(rest.get(1..close).unwrap_or_default());
        self.pos += close + 1;
        match index {
            Some(i) if (1..=self.args.len()).contains(&i) => {
                self.arg = i - 1;
                true
            }
            _ => {
                self.good_arg = false;
                index.is_some()
            }
        }
    }

    /// Complains about operands that no verb has used.
    fn extra(&mut self) -> Result<(), Error> {
        if self.reordered || self.arg >= self.args.len() {
            return Ok(());
        }
        self.printer.flags = Flags::default();
        self.printer.push("%!(EXTRA ");
        for (i, arg) in self.args.iter().skip(self.arg).enumerate() {
            if i > 0 {
                self.printer.push(", ");
            }
            if arg.is_nil() {
                self.printer.push("<nil>");
            } else {
                self.printer.push(&arg.type_name());
                self.printer.push("=");
                self.printer.arg(arg, 'v')?;
            }
        }
        self.printer.push(")");
        Ok(())
    }
}

fn parse_index(digits: &[u8]) -> Option<usize> {
    let mut n = 0usize;
    if digits.is_empty() {
        return None;
    }
    for d in digits {
        if !d.is_ascii_digit() || n as i64 > TOO_LARGE {
            return None;
        }
        n = n * 10 + usize::from(d - b'0');
    }
    Some(n)
}
