//! Values of every type: what `%v` and the other verbs make of them.

use std::rc::Rc;

use crate::error::Error;
use crate::exec::output::Output;
use crate::fmt::printer::{Flags, Printer};
use crate::meter;
use crate::value::{FloatType, Kind, List, MAX_VALUE_DEPTH, Map, Object, Str, UintType, Value};

/// Go's `fmt.Sprint`: default formats, with a space between operands of which neither is a string.
///
/// Errors: values nested too deep.
pub fn sprint(out: &mut Output, args: &[Value]) -> Result<(), Error> {
    let mut printer = Printer::new(out);
    let mut after_string = true;
    for (i, arg) in args.iter().enumerate() {
        let is_string = arg.kind() == Kind::String;
        if i > 0 && !is_string && !after_string {
            printer.push(" ");
        }
        printer.arg(arg, 'v')?;
        after_string = is_string;
    }
    Ok(())
}

/// Go's `fmt.Sprintln`: default formats, with spaces between all operands and a newline.
///
/// Errors: values nested too deep.
pub fn sprintln(out: &mut Output, args: &[Value]) -> Result<(), Error> {
    let mut printer = Printer::new(out);
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.push(" ");
        }
        printer.arg(arg, 'v')?;
    }
    printer.push("\n");
    Ok(())
}

/// A value as an action prints it: as `print` does, but a pointer as what it points to.
pub(crate) fn print_action(out: &mut Output, value: &Value) -> Result<(), Error> {
    if let Value::Object(o) = value
        && let Some(text) = o.pointer_string()
    {
        out.push(&text);
        return Ok(());
    }
    let mut printer = Printer::new(out);
    match value {
        Value::Object(o) if o.kind() == Kind::Ptr && !o.is_nil() && o.string().is_none() => {
            printer.structure(o, 'v', 0)
        }
        _ => printer.arg(value, 'v'),
    }
}

/// A value as `%v` shows it, for an error text.
pub(crate) fn display(value: &Value) -> Result<String, Error> {
    display_verb(value, 'v')
}

/// A value as a verb shows it, for an error text.
pub(crate) fn display_verb(value: &Value, verb: char) -> Result<String, Error> {
    let mut out = Output::new();
    Printer::new(&mut out).arg(value, verb)?;
    Ok(out.into_string())
}

/// Go shows a pointer's address. Ours would differ from run to run for nothing.
const ADDRESS: u64 = 0xc0_0000_0000;

impl Printer<'_> {
    pub(super) fn arg(&mut self, value: &Value, verb: char) -> Result<(), Error> {
        self.room()?;
        match (verb, value) {
            ('T' | 'v', Value::Nil) => self.pad("<nil>"),
            (_, Value::Nil) => return self.bad_verb(verb, value),
            ('T', _) => self.truncated(value.type_name().as_bytes()),
            ('p', _) => match value.kind() {
                Kind::Ptr | Kind::Map | Kind::Slice | Kind::Func => self.pointer(value),
                _ => return self.bad_verb(verb, value),
            },
            (_, Value::Bytes(b)) => return self.bytes(b, verb),
            _ => return self.value(value, verb, 0),
        }
        Ok(())
    }

    /// Whether there is room to write on, and work left to walk on.
    fn room(&mut self) -> Result<(), Error> {
        meter::work(1)?;
        meter::check_text(self.out.len().saturating_sub(self.start))
    }

    fn pointer(&mut self, value: &Value) {
        let is_nil = matches!(value, Value::List(list) if list.is_nil());
        let sharp = self.flags.sharp;
        self.flags.sharp = !sharp;
        self.integer(if is_nil { 0 } else { ADDRESS }, false, 'x');
        self.flags.sharp = sharp;
    }

    pub(super) fn bad_verb(&mut self, verb: char, value: &Value) -> Result<(), Error> {
        self.erroring = true;
        self.push("%!");
        self.push(verb.encode_utf8(&mut [0; 4]));
        self.push("(");
        if value.is_nil() {
            self.push("<nil>");
        } else {
            self.push(&value.type_name());
            self.push("=");
            self.arg(value, 'v')?;
        }
        self.push(")");
        self.erroring = false;
        Ok(())
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) -> Result<(), Error> {
        if depth > MAX_VALUE_DEPTH {
            return Err(Error::value_depth());
        }
        if value.is_container() {
            self.room()?;
        } else {
            meter::work(steps(value, verb))?;
        }
        let before = self.out.len();
        let fits = match value {
            Value::Nil => {
                self.push(if self.flags.sharp_v {
                    "interface {}(nil)"
                } else {
                    "<nil>"
                });
                true
            }
            Value::Bool(b) => {
                let fits = matches!(verb, 't' | 'v');
                if fits {
                    self.pad(if *b { "true" } else { "false" });
                }
                fits
            }
            Value::Int(n, _) => self.integer(*n as u64, true, verb),
            Value::Uint(n, _) => self.integer(*n, false, verb),
            Value::Float(f, FloatType::F64) => self.float(*f, 64, verb),
            Value::Float(f, FloatType::F32) => self.float(*f, 32, verb),
            Value::Complex(c) => self.complex(**c, verb),
            Value::String(s) => self.string(s.as_bytes(), verb),
            Value::Bytes(b) => return self.nested_bytes(b, verb, depth),
            Value::List(l) => return self.list(&l.type_name(), l, verb, depth),
            Value::Map(m) => return self.map(m.map_type().name, m, verb, depth),
            Value::Object(o) => return self.object(value, o, verb, depth),
        };
        let written = self.out.len() - before;
        meter::work(match value {
            // Each of the many digits of a large float is a division of the whole.
            Value::Float(..) | Value::Complex(_) if written > USUAL_DIGITS => 2 * written as u64,
            _ => written as u64 / 24,
        })?;
        if fits {
            return Ok(());
        }
        meter::work(BAD_VERB_STEPS)?;
        self.bad_verb(verb, value)
    }

    /// Bytes as an operand of their own.
    fn bytes(&mut self, b: &[u8], verb: char) -> Result<(), Error> {
        match verb {
            'v' | 'd' if self.flags.sharp_v => {
                self.push("[]byte{");
                for (i, byte) in b.iter().enumerate() {
                    if i > 0 {
                        self.push(", ");
                    }
                    self.hex_with_prefix(u64::from(*byte));
                }
                self.push("}");
            }
            _ => return self.nested_bytes(b, verb, 0),
        }
        Ok(())
    }

    /// Bytes within other values.
    fn nested_bytes(&mut self, b: &[u8], verb: char, depth: usize) -> Result<(), Error> {
        match verb {
            's' => self.truncated(b),
            'x' | 'X' | 'q' => {
                self.string(b, verb);
            }
            _ => {
                let sharp = self.flags.sharp_v;
                self.push(if sharp { "[]uint8{" } else { "[" });
                for (i, byte) in b.iter().enumerate() {
                    if i > 0 {
                        self.push(if sharp { ", " } else { " " });
                    }
                    self.value(&Value::Uint(u64::from(*byte), UintType::Uint8), verb, depth + 1)?;
                }
                self.push(if sharp { "}" } else { "]" });
            }
        }
        Ok(())
    }

    fn list(&mut self, type_name: &str, list: &List, verb: char, depth: usize) -> Result<(), Error> {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.push(type_name);
            if list.is_nil() {
                self.push("(nil)");
                return Ok(());
            }
        }
        self.push(if sharp { "{" } else { "[" });
        for (i, item) in list.iter().enumerate() {
            if i > 0 {
                self.push(if sharp { ", " } else { " " });
            }
            self.value(item, verb, depth + 1)?;
            meter::check_text(self.out.len().saturating_sub(self.start))?;
        }
        self.push(if sharp { "}" } else { "]" });
        Ok(())
    }

    fn map(&mut self, type_name: &str, map: &Map, verb: char, depth: usize) -> Result<(), Error> {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.push(type_name);
            if map.is_nil() {
                self.push("(nil)");
                return Ok(());
            }
        }
        self.push(if sharp { "{" } else { "map[" });
        for (i, (key, item)) in map.borrow().iter().enumerate() {
            if i > 0 {
                self.push(if sharp { ", " } else { " " });
            }
            self.value(&Value::String(key.clone()), verb, depth + 1)?;
            self.push(":");
            self.value(item, verb, depth + 1)?;
            meter::check_text(self.out.len().saturating_sub(self.start))?;
        }
        self.push(if sharp { "}" } else { "]" });
        Ok(())
    }

    fn object(&mut self, value: &Value, o: &Rc<dyn Object>, verb: char, depth: usize) -> Result<(), Error> {
        if !self.erroring
            && !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(s) = o.string()
        {
            meter::work(OBJECT_STEPS)?;
            self.string(s.as_bytes(), verb);
            return Ok(());
        }
        if !self.erroring
            && self.flags.sharp_v
            && let Some(s) = o.go_string()
        {
            self.truncated(s.as_bytes());
            return Ok(());
        }
        match o.underlying() {
            Some(Value::List(l)) => return self.list(&o.type_name(), &l, verb, depth),
            Some(Value::Map(m)) => return self.map(&o.type_name(), &m, verb, depth),
            Some(inner) => {
                let fits = match &inner {
                    Value::Bool(_) => matches!(verb, 't' | 'v'),
                    Value::Int(n, _) => {
                        return self.scalar(value, verb, |p| p.integer(*n as u64, true, verb));
                    }
                    Value::Uint(n, _) => return self.scalar(value, verb, |p| p.integer(*n, false, verb)),
                    Value::String(s) => return self.scalar(value, verb, |p| p.string(s.as_bytes(), verb)),
                    Value::Float(f, _) => return self.scalar(value, verb, |p| p.float(*f, 64, verb)),
                    _ => true,
                };
                return if fits {
                    self.value(&inner, verb, depth)
                } else {
                    self.bad_verb(verb, value)
                };
            }
            None => {}
        }
        match o.kind() {
            Kind::Ptr if o.is_nil() => match verb {
                'v' | 's' | 'q' | 'x' | 'X' => self.pad("<nil>"),
                'b' | 'o' | 'd' => return self.scalar(value, verb, |p| p.integer(0, false, verb)),
                _ => return self.bad_verb(verb, value),
            },
            Kind::Ptr if depth == 0 => {
                self.push("&");
                return self.structure(o, verb, depth + 1);
            }
            Kind::Ptr | Kind::Func => {
                return match verb {
                    'v' => {
                        self.pointer(value);
                        Ok(())
                    }
                    'b' | 'o' | 'd' | 'x' | 'X' => {
                        self.scalar(value, verb, |p| p.integer(ADDRESS, false, verb))
                    }
                    _ => self.bad_verb(verb, value),
                };
            }
            _ => return self.structure(o, verb, depth),
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        value: &Value,
        verb: char,
        print: impl FnOnce(&mut Self) -> bool,
    ) -> Result<(), Error> {
        if print(self) {
            Ok(())
        } else {
            self.bad_verb(verb, value)
        }
    }

    fn structure(&mut self, o: &Rc<dyn Object>, verb: char, depth: usize) -> Result<(), Error> {
        let Flags { sharp_v, plus_v, .. } = self.flags;
        if sharp_v {
            self.push(o.type_name().trim_start_matches('*'));
        }
        self.push("{");
        for (i, (name, field)) in o.fields().iter().enumerate() {
            if i > 0 {
                self.push(if sharp_v { ", " } else { " " });
            }
            if sharp_v || plus_v {
                self.push(name);
                self.push(":");
            }
            self.value(field, verb, depth + 1)?;
        }
        self.push("}");
        Ok(())
    }
}

/// What saying that a verb does not fit counts for, beside the value.
const BAD_VERB_STEPS: u64 = 4;

/// Floats of so many digits are written at once.
const USUAL_DIGITS: usize = 24;

/// What writing a value counts for that holds no other: of texts, most where they are written byte by byte.
fn steps(value: &Value, verb: char) -> u64 {
    match (value, verb) {
        (Value::String(s), 'q' | 'x' | 'X') => 1 + s.len() as u64 / 4,
        (Value::String(s), _) => 3 + s.len() as u64 / 32,
        (Value::Float(..), _) => 12,
        (Value::Complex(_), _) => 24,
        _ => 2,
    }
}

/// What the text of a declared type counts for, such as a time's.
const OBJECT_STEPS: u64 = 32;

/// Go's `fmt.Sprint` of a single value as a string.
///
/// Errors: values nested too deep.
pub fn to_str(value: &Value) -> Result<Str, Error> {
    if let Value::String(s) = value {
        return Ok(s.clone());
    }
    let mut out = Output::new();
    sprint(&mut out, std::slice::from_ref(value))?;
    Ok(out.into_str())
}
