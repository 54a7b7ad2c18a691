//! Regular expressions.

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Strings};
use crate::re2::{Regex, quote_meta};
use crate::strconv::{can_backquote, quote};
use crate::value::{Elem, List, Str};

use super::text::reserve;

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("regexQuoteMeta", |s: Str| Str::from(quote_meta(s.as_bytes())));
    funcs.add("regexMatch", |state: &mut State, pattern: Str, s: Str| {
        searched(state, &s)?;
        // sprig drops the error.
        Ok::<_, Error>(Regex::cached(pattern.as_bytes()).is_ok_and(|r| r.is_match(s.as_bytes())))
    });
    funcs.add("mustRegexMatch", |state: &mut State, pattern: Str, s: Str| {
        searched(state, &s)?;
        Ok::<_, Error>(try_compile(&pattern)?.is_match(s.as_bytes()))
    });
    with_both(funcs, "regexFind", "mustRegexFind", |f, name, compile| {
        f.add(name, move |state: &mut State, pattern: Str, s: Str| {
            searched(state, &s)?;
            Ok::<_, Error>(
                compile(&pattern)?
                    .find(s.as_bytes())
                    .map_or_else(Str::default, Str::from),
            )
        });
    });
    with_both(funcs, "regexFindAll", "mustRegexFindAll", |f, name, compile| {
        f.add(name, move |state: &mut State, pattern: Str, s: Str, n: i64| {
            searched(state, &s)?;
            let found = compile(&pattern)?
                .find_all(s.as_bytes(), n)
                .into_iter()
                .map(Str::from)
                .collect::<Vec<_>>();
            Ok::<_, Error>(Strings(if found.is_empty() {
                List::nil(Elem::String)
            } else {
                List::strings(found)
            }))
        });
    });
    with_both(
        funcs,
        "regexReplaceAll",
        "mustRegexReplaceAll",
        |f, name, compile| {
            f.add(name, move |state: &mut State, pattern: Str, s: Str, with: Str| {
                replaced(state, &s, &with)?;
                Ok::<_, Error>(Str::from(
                    compile(&pattern)?.replace_all(s.as_bytes(), with.as_bytes()),
                ))
            });
        },
    );
    with_both(
        funcs,
        "regexReplaceAllLiteral",
        "mustRegexReplaceAllLiteral",
        |f, name, compile| {
            f.add(name, move |state: &mut State, pattern: Str, s: Str, with: Str| {
                replaced(state, &s, &with)?;
                Ok::<_, Error>(Str::from(
                    compile(&pattern)?.replace_all_literal(s.as_bytes(), with.as_bytes()),
                ))
            });
        },
    );
    with_both(funcs, "regexSplit", "mustRegexSplit", |f, name, compile| {
        f.add(name, move |state: &mut State, pattern: Str, s: Str, n: i64| {
            searched(state, &s)?;
            let parts = compile(&pattern)?.split(s.as_bytes(), n);
            Ok::<_, Error>(Strings(match parts {
                Some(parts) => List::strings(parts.into_iter().map(Str::from)),
                None => List::nil(Elem::String),
            }))
        });
    });
}

type Compile = fn(&Str) -> Result<Regex, Error>;

/// Registers the plain form, whose errors are those of Go's `regexp.MustCompile`, and the `must` form.
fn with_both(
    funcs: &mut Functions,
    plain: &'static str,
    must: &'static str,
    add: impl Fn(&mut Functions, &'static str, Compile),
) {
    add(funcs, plain, compile_or_panic);
    add(funcs, must, try_compile);
}

fn try_compile(pattern: &Str) -> Result<Regex, Error> {
    Regex::cached(pattern.as_bytes()).map_err(|e| Error::new(e.to_string()))
}

fn compile_or_panic(pattern: &Str) -> Result<Regex, Error> {
    Regex::cached(pattern.as_bytes()).map_err(|e| {
        let quoted = if can_backquote(pattern.as_bytes()) {
            format!("`{pattern}`")
        } else {
            quote(pattern.as_bytes())
        };
        Error::new(format!("regexp: Compile({quoted}): {e}"))
    })
}

fn searched(state: &mut State, s: &Str) -> Result<(), Error> {
    state.spend(s.len() as u64 / 16 + 1)
}

/// Accounts for the longest text that a replacement can make: one at each position.
fn replaced(state: &mut State, s: &Str, with: &Str) -> Result<(), Error> {
    searched(state, s)?;
    reserve(state, s.len())?;
    state.spend((s.len() as u64 + 1).saturating_mul(with.len() as u64) / 4096)
}
