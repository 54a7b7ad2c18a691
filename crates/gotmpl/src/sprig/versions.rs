//! `semver` and `semverCompare`, and the version as an object.

use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::cmp::Ordering;

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, GoType, Results, Signature};
use crate::json;
use crate::meter;
use crate::semver::{Constraint, Version, VersionError};
use crate::value::{IntType, Kind, Map, Object, ParamType, Str, UintType, Value, downcast};

use super::outcome::{Failure, outcome};

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("semver", |text: Str| {
        let version = parse(&text)?;
        Ok::<_, Error>(Value::object(VersionObject::new(version)))
    });
    funcs.add("semverCompare", |constraint: Str, text: Str| {
        let constraint =
            Constraint::parse(&constraint.to_str_lossy()).map_err(|e| Error::new(e.to_string()))?;
        Ok::<_, Error>(constraint.check(&parse(&text)?))
    });
}

fn parse(text: &Str) -> Result<Version, Error> {
    Version::parse(&text.to_str_lossy()).map_err(|e| Error::new(e.to_string()))
}

/// A version with the methods that templates may call on it.
#[derive(Debug, Clone)]
pub struct VersionObject {
    /// Methods of a pointer put another one in its place.
    version: RefCell<Version>,
    /// Go's `*semver.Version`, not `semver.Version`: only a pointer has the comparing methods.
    pointer: bool,
}

impl VersionObject {
    /// The object of a version, as the `semver` function gives it.
    pub fn new(version: Version) -> Self {
        Self {
            version: RefCell::new(version),
            pointer: true,
        }
    }

    /// The version.
    pub fn version(&self) -> Ref<'_, Version> {
        self.version.borrow()
    }

    /// Becomes another version, unless the text is none. Gives Go's `error`.
    fn become_version(&self, text: &[u8]) -> Result<Value, Error> {
        meter::work(text.len() as u64 / PARSED_OF_A_STEP)?;
        let parsed = Version::parse(&String::from_utf8_lossy(text));
        let done = parsed.map(|version| drop(self.version.replace(version)));
        Ok(outcome(done.map_err(|error| failure(&error))))
    }

    /// Becomes the version that a JSON string holds.
    fn become_version_of_json(&self, text: &[u8]) -> Result<Value, Error> {
        match json::decode_string(text) {
            Ok(text) => self.become_version(text.as_bytes()),
            Err((error, _)) if error.limit().is_some() => Err(error),
            Err((error, read)) => Ok(outcome(Err(no_string(&error, read)))),
        }
    }
}

fn failure(error: &VersionError) -> Failure {
    let text = error.to_string();
    let (type_name, field) = match error {
        VersionError::Number { .. } => ("*fmt.wrapError", "msg"),
        _ => ("*errors.errorString", "s"),
    };
    Failure {
        type_name,
        fields: vec![(field, text.as_str().into())],
        text,
    }
}

/// Go's error about JSON that holds no string, behind so many bytes.
fn no_string(error: &Error, read: usize) -> Failure {
    let text = error.to_string();
    let read = Value::Int(read as i64, IntType::Int64);
    match text.strip_prefix("json: cannot unmarshal ") {
        Some(rest) => {
            let kind = rest.split(' ').next().unwrap_or_default();
            Failure {
                type_name: "*json.UnmarshalTypeError",
                fields: vec![
                    ("Value", kind.into()),
                    ("Type", Map::new().into()),
                    ("Offset", read),
                    ("Struct", "".into()),
                    ("Field", "".into()),
                ],
                text,
            }
        }
        None => Failure {
            type_name: "*json.SyntaxError",
            fields: vec![("msg", text.as_str().into()), ("Offset", read)],
            text,
        },
    }
}

/// Bytes of a version's text that are read in a step.
const PARSED_OF_A_STEP: u64 = 4;

const POINTER: &str = "*semver.Version";

impl GoType for VersionObject {
    const NAME: &'static str = POINTER;
}

impl Object for VersionObject {
    fn type_name(&self) -> Cow<'static, str> {
        if self.pointer {
            POINTER.into()
        } else {
            "semver.Version".into()
        }
    }

    fn kind(&self) -> Kind {
        if self.pointer { Kind::Ptr } else { Kind::Struct }
    }

    fn string(&self) -> Option<Str> {
        Some(Str::from(self.version().to_string()))
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let v = self.version();
        let number = |n: u64| Value::Uint(n, UintType::Uint64);
        vec![
            ("major".into(), number(v.major())),
            ("minor".into(), number(v.minor())),
            ("patch".into(), number(v.patch())),
            ("pre".into(), v.prerelease().into()),
            ("metadata".into(), v.metadata().into()),
            ("original".into(), v.original().into()),
        ]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        const OTHER: &[ParamType] = &[ParamType::Named(POINTER)];
        match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "String" | "IncMajor" | "IncMinor"
            | "IncPatch" | "MarshalJSON" | "MarshalText" => Some(Signature::fixed(&[])),
            "Value" => Some(Signature {
                results: Results::Interface,
                ..Signature::fixed(&[])
            }),
            "SetPrerelease" | "SetMetadata" => Some(Signature::fixed(&[ParamType::String])),
            "Scan" if self.pointer => Some(Signature::fixed(&[ParamType::Any])),
            "UnmarshalJSON" | "UnmarshalText" if self.pointer => Some(Signature::fixed(&[ParamType::Bytes])),
            "Original" if self.pointer => Some(Signature::fixed(&[])),
            "Compare" | "Equal" | "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual"
                if self.pointer =>
            {
                Some(Signature::fixed(OTHER))
            }
            _ => None,
        }
    }

    fn call_method(&self, _: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
        match (name, args.first()) {
            // What is no string counts as an empty one.
            ("Scan", Some(Value::String(text))) => return self.become_version(text.as_bytes()),
            ("Scan", _) => return self.become_version(b""),
            ("UnmarshalText", Some(Value::Bytes(text))) => return self.become_version(text),
            ("UnmarshalJSON", Some(Value::Bytes(text))) => return self.become_version_of_json(text),
            _ => {}
        }
        let v = self.version();
        let number = |n: u64| Ok(Value::Uint(n, UintType::Uint64));
        let next = |version: Version| {
            Ok(Value::object(VersionObject {
                version: RefCell::new(version),
                pointer: false,
            }))
        };
        let text = || {
            args.first()
                .and_then(Value::as_str)
                .map(|s| s.to_str_lossy().into_owned())
                .unwrap_or_default()
        };
        let order = || {
            let other = match args.first() {
                Some(Value::Object(o)) => downcast::<VersionObject>(o),
                _ => None,
            };
            other
                .map(|o| v.compare(&o.version()))
                .ok_or_else(super::panics::nil_pointer)
        };
        match name {
            "Major" => number(v.major()),
            "Minor" => number(v.minor()),
            "Patch" => number(v.patch()),
            "Prerelease" => Ok(v.prerelease().into()),
            "Metadata" => Ok(v.metadata().into()),
            "Original" => Ok(v.original().into()),
            "String" | "Value" => Ok(v.to_string().into()),
            "MarshalText" => Ok(v.to_string().into_bytes().into()),
            // Nothing of a version needs an escape.
            "MarshalJSON" => Ok(format!("\"{v}\"").into_bytes().into()),
            "IncMajor" => next(v.inc_major()),
            "IncMinor" => next(v.inc_minor()),
            "IncPatch" => next(v.inc_patch()),
            "SetPrerelease" => v
                .with_prerelease(&text())
                .map_err(|e| Error::new(e.to_string()))
                .and_then(next),
            "SetMetadata" => v
                .with_metadata(&text())
                .map_err(|e| Error::new(e.to_string()))
                .and_then(next),
            "Compare" => Ok(Value::int(order()? as i64)),
            "Equal" => Ok((order()? == Ordering::Equal).into()),
            "LessThan" => Ok((order()? == Ordering::Less).into()),
            "LessThanEqual" => Ok((order()? != Ordering::Greater).into()),
            "GreaterThan" => Ok((order()? == Ordering::Greater).into()),
            "GreaterThanEqual" => Ok((order()? != Ordering::Less).into()),
            _ => Err(Error::new(format!("no method {name} of {}", self.type_name()))),
        }
    }

    fn equals(&self, other: &dyn Object) -> bool {
        std::ptr::addr_eq(self as *const Self, other as *const dyn Object)
    }

    fn to_json(&self) -> Result<serde_json::Value, Error> {
        Ok(self.version().to_string().into())
    }
}
