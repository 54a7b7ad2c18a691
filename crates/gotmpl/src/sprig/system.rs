//! What looks outside: the environment and name resolution, where the options allow them.

use std::sync::Arc;

use crate::func::Functions;
use crate::value::Str;

use super::options::Options;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    if options.environment {
        funcs.add("env", |name: Str| variable(&name.to_str_lossy()));
        funcs.add("expandenv", |text: Str| expand(&text.to_str_lossy(), variable));
    }
    let resolver = options.resolver.clone();
    funcs.add("getHostByName", move |name: Str| match &resolver {
        Some(resolver) => Arc::clone(resolver)(&name.to_str_lossy()),
        None => String::new(),
    });
}

fn variable(name: &str) -> String {
    std::env::var_os(name).map_or_else(String::new, |value| value.to_string_lossy().into_owned())
}

/// Go's `os.Expand`: `$name` and `${name}`; bad syntax is eaten, a `$` before anything else stays.
fn expand(text: &str, variable: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let word = |s: &str| {
            s.bytes()
                .take_while(|b| *b == b'_' || b.is_ascii_alphanumeric())
                .count()
        };
        let (name, len) = match after.bytes().next() {
            None => {
                // A `$` at the end is no reference.
                out.push('$');
                return out;
            }
            Some(b'{') => match after.find('}') {
                Some(1) => (None, 2),
                Some(close) => (after.get(1..close), close + 1),
                None => (None, 1),
            },
            Some(b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9') => (after.get(..1), 1),
            Some(_) => match word(after) {
                0 => {
                    out.push('$');
                    (None, 0)
                }
                len => (after.get(..len), len),
            },
        };
        if let Some(name) = name {
            out.push_str(&variable(name));
        }
        rest = after.get(len..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Options, expand, register};
    use crate::exec::State;
    use crate::func::Functions;
    use crate::limits::Limits;
    use crate::value::Value;

    fn call(options: &Options, name: &str, arg: &str) -> Option<String> {
        let mut funcs = Functions::new();
        register(&mut funcs, options);
        let func = funcs.get(name)?;
        let mut state = State::new(Limits::default());
        Some(
            func.call(&mut state, &mut [Value::from(arg)])
                .unwrap()
                .as_str()?
                .to_string(),
        )
    }

    #[test]
    fn the_outside_is_seen_only_where_allowed() {
        let closed = Options::default();
        assert_eq!(call(&closed, "getHostByName", "localhost").as_deref(), Some(""));
        assert_eq!(call(&closed, "env", "PATH"), None);
        assert_eq!(call(&closed, "expandenv", "$PATH"), None);
        let open = Options {
            environment: true,
            resolver: Some(Arc::new(|name| format!("address of {name}"))),
            ..Options::default()
        };
        assert_eq!(
            call(&open, "getHostByName", "db").as_deref(),
            Some("address of db")
        );
        let path = std::env::var("PATH").unwrap();
        assert_eq!(call(&open, "env", "PATH").as_ref(), Some(&path));
        assert_eq!(call(&open, "expandenv", "p=$PATH"), Some(format!("p={path}")));
    }

    #[test]
    fn references_expand_as_in_go() {
        let variable = |name: &str| format!("<{name}>");
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("$a-b", "<a>-b"),
            ("${a}b", "<a>b"),
            ("${a b}", "<a b>"),
            ("$a_1é", "<a_1>é"),
            ("$12", "<1>2"),
            ("$$x", "<$>x"),
            ("$-", "<->"),
            ("a$", "a$"),
            ("$ a", "$ a"),
            ("${}x", "x"),
            ("${ax", "ax"),
        ];
        for (text, want) in cases {
            assert_eq!(expand(text, variable), want, "{text:?}");
        }
    }
}
