//! `.Files`: a chart's files outside templates/ (`pkg/engine/files.go` of Helm 3.19).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_gotmpl::{
    Elem, Error, Kind, List, Map, MapType, Object, ParamType, Signature, State, Str, Value,
    meter::{self, Charge},
};

use super::glob::Glob;
use super::yaml;

static FILES: MapType = MapType::literal("map[string][]uint8", Elem::Bytes);

/// Files by path, shared by all renders of a chart.
pub(super) type FileSet = BTreeMap<Arc<str>, Str>;

/// The value of `.Files` and of `.Files.Glob`.
#[derive(Debug)]
pub(super) struct Files {
    set: Arc<FileSet>,
    map: OnceCell<Value>,
    /// What a selection takes up.
    charge: Option<Charge>,
}

/// What an entry of a selection takes up.
const FILE_BYTES: usize = 64;

/// What a line of a file takes up as a value, beyond its text.
const LINE_BYTES: usize = size_of::<Value>() + 64;

impl Files {
    pub(super) fn new(set: Arc<FileSet>) -> Self {
        Files {
            set,
            map: OnceCell::new(),
            charge: None,
        }
    }

    fn get(&self, name: &Value) -> Str {
        name.as_str()
            .and_then(Str::as_utf8)
            .and_then(|name| self.set.get(name))
            .cloned()
            .unwrap_or_default()
    }

    fn glob(&self, pattern: &Value) -> Result<Files, Error> {
        let pattern = pattern.as_str().map(Str::to_str_lossy).unwrap_or_default();
        meter::work(pattern.len() as u64)?;
        let glob = Glob::new(&pattern);
        let bytes: usize = self.set.keys().map(|name| name.len()).sum();
        meter::work((bytes / 16 + self.set.len()) as u64)?;
        let set = self.set.iter().filter(|(name, _)| glob.matches(name));
        let mut files = Files::new(Arc::new(
            set.map(|(name, data)| (name.clone(), data.clone())).collect(),
        ));
        files.charge = Some(Charge::new(files.set.len() * FILE_BYTES));
        Ok(files)
    }

    fn as_yaml(&self, data: impl Fn(&Str) -> Str) -> Result<Value, Error> {
        meter::check_text(self.set.values().map(Str::len).sum())?;
        let map: Map = self
            .set
            .iter()
            .map(|(path, content)| (Str::from(base(path)), Value::String(data(content))))
            .collect();
        yaml::to_yaml(&Value::Map(map)).map(Value::string)
    }

    fn lines(&self, path: &Value) -> Result<Value, Error> {
        let known = path
            .as_str()
            .and_then(Str::as_utf8)
            .is_some_and(|p| self.set.contains_key(p));
        if !known {
            return Ok(Value::List(List::strings(Vec::<Str>::new())));
        }
        let content = self.get(path);
        let bytes = content.as_bytes();
        let bytes = match bytes.last() {
            None => return Err(Error::new("runtime error: index out of range [-1]")),
            Some(b'\n') => bytes.get(..bytes.len() - 1).unwrap_or_default(),
            Some(_) => bytes,
        };
        let lines = memchr::memchr_iter(b'\n', bytes).count() + 1;
        meter::check(bytes.len() + lines * LINE_BYTES)?;
        meter::work(lines as u64)?;
        Ok(Value::List(List::strings(bytes.split(|b| *b == b'\n'))))
    }
}

impl Object for Files {
    fn type_name(&self) -> Cow<'static, str> {
        "engine.files".into()
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn underlying(&self) -> Option<Value> {
        let build = || {
            let entries = self
                .set
                .iter()
                .map(|(k, v)| (Str::from(k.clone()), Value::Bytes(v.as_bytes().into())));
            Value::Map(Map::with_entries(&FILES, entries.collect()))
        };
        Some(self.map.get_or_init(build).clone())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        match name {
            "Get" | "GetBytes" | "Glob" | "Lines" => Some(Signature::fixed(&[ParamType::String])),
            "AsConfig" | "AsSecrets" => Some(Signature::fixed(&[])),
            _ => None,
        }
    }

    fn call_method(&self, _: &mut State, name: &str, args: &mut [Value]) -> Result<Value, Error> {
        let argument = args.first().unwrap_or(&Value::Nil);
        match name {
            "Get" => Ok(Value::String(self.get(argument))),
            "GetBytes" => {
                let content = self.get(argument);
                meter::check(content.len())?;
                Ok(Value::Bytes(content.as_bytes().into()))
            }
            "Glob" => self.glob(argument).map(Value::object),
            "Lines" => self.lines(argument),
            "AsConfig" => self.as_yaml(Str::clone),
            "AsSecrets" => self.as_yaml(|data| Str::from(STANDARD.encode(data.as_bytes()))),
            _ => Err(Error::new(format!("engine.files has no method {name}"))),
        }
    }
}

/// The last part of a path, as Go's `path.Base`.
fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    match path.rsplit('/').next() {
        None | Some("") => "/",
        Some(last) => last,
    }
}
