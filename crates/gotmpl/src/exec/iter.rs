//! What a range goes over.

use crate::error::Error;
use crate::exec::frame::Rv;
use crate::fmt;
use crate::meter::Charge;
use crate::value::{Bytes, IntType, List, Str, UintType, Value};

/// The turns that are left.
#[derive(Debug)]
pub(super) enum Iter {
    Int {
        next: i64,
        end: i64,
        ty: IntType,
    },
    Uint {
        next: u64,
        end: u64,
        ty: UintType,
    },
    List {
        list: List,
        next: usize,
    },
    Bytes {
        bytes: Bytes,
        next: usize,
    },
    Map {
        entries: std::vec::IntoIter<(Str, Value)>,
        interface: bool,
        /// What the entries take up: ranges within ranges may hold many copies.
        _charge: Charge,
    },
}

impl Iter {
    /// The iteration over a value, `None` when there is nothing to go over.
    pub(super) fn new(value: &Value, variables: usize) -> Result<Option<Iter>, Error> {
        let single = |value: &Value| {
            if variables <= 1 {
                return Ok(());
            }
            let shown = fmt::display(value)?;
            Err(Error::new(format!(
                "can't use {shown} to iterate over more than one variable"
            )))
        };
        Ok(match value {
            Value::Nil => None,
            Value::Int(n, ty) => {
                single(value)?;
                (*n > 0).then_some(Iter::Int {
                    next: 0,
                    end: *n,
                    ty: *ty,
                })
            }
            Value::Uint(n, ty) => {
                single(value)?;
                (*n > 0).then_some(Iter::Uint {
                    next: 0,
                    end: *n,
                    ty: *ty,
                })
            }
            Value::List(list) => (!list.is_empty()).then(|| Iter::List {
                list: list.clone(),
                next: 0,
            }),
            Value::Bytes(bytes) => (!bytes.is_empty()).then(|| Iter::Bytes {
                bytes: bytes.clone(),
                next: 0,
            }),
            Value::Map(map) => {
                let interface = map.map_type().elem.is_interface();
                (!map.is_empty()).then(|| Iter::Map {
                    entries: map.entries().into_iter(),
                    interface,
                    _charge: Charge::new(map.len() * size_of::<(Str, Value)>()),
                })
            }
            Value::Object(object) => match object.underlying() {
                Some(inner) => return Iter::new(&inner, variables),
                None => return Err(cannot(value)?),
            },
            Value::Bool(_) | Value::Float(..) | Value::Complex(_) | Value::String(_) => {
                return Err(cannot(value)?);
            }
        })
    }

    /// The next turn's index and element.
    pub(super) fn next(&mut self) -> Option<(Rv, Rv)> {
        let index = |i: usize| Rv::concrete(Value::int(i as i64));
        match self {
            Iter::Int { next, end, ty } => {
                let n = *next;
                *next = next.saturating_add(1);
                (n < *end).then(|| (Rv::default(), Rv::concrete(Value::Int(n, *ty))))
            }
            Iter::Uint { next, end, ty } => {
                let n = *next;
                *next = next.saturating_add(1);
                (n < *end).then(|| (Rv::default(), Rv::concrete(Value::Uint(n, *ty))))
            }
            Iter::List { list, next } => {
                let i = *next;
                *next = next.saturating_add(1);
                let value = list.get(i)?.clone();
                Some((
                    index(i),
                    Rv {
                        value,
                        interface: list.elem().is_interface(),
                    },
                ))
            }
            Iter::Bytes { bytes, next } => {
                let i = *next;
                *next = next.saturating_add(1);
                let value = Value::Uint(u64::from(*bytes.get(i)?), UintType::Uint8);
                Some((index(i), Rv::concrete(value)))
            }
            Iter::Map {
                entries, interface, ..
            } => {
                let (key, value) = entries.next()?;
                Some((
                    Rv::concrete(Value::String(key)),
                    Rv {
                        value,
                        interface: *interface,
                    },
                ))
            }
        }
    }
}

fn cannot(value: &Value) -> Result<Error, Error> {
    let mut shown = fmt::Output::new();
    fmt::print_action(&mut shown, value)?;
    Ok(Error::new(format!(
        "range can't iterate over {}",
        shown.into_string()
    )))
}
