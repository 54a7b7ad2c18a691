//! Regular expressions.

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Strings};
use crate::limits::Limit;
use crate::re2::{self, ErrorKind, MAX_DEPTH, MAX_PATTERN_LEN, MAX_PROGRAM_SIZE, Regex, quote_meta};
use crate::strconv::{can_backquote, quote};
use crate::value::{Elem, List, Str};

use super::text::{push_part, reserve};

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("regexQuoteMeta", |s: Str| Str::from(quote_meta(s.as_bytes())));
    funcs.add("regexMatch", |state: &mut State, pattern: Str, s: Str| {
        searched(state, &s)?;
        match try_compile(state, &pattern) {
            Ok(regex) => regex.is_match(s.as_bytes()),
            Err(e) if e.limit().is_some() => Err(e),
            // sprig drops the error.
            Err(_) => Ok(false),
        }
    });
    funcs.add("mustRegexMatch", |state: &mut State, pattern: Str, s: Str| {
        searched(state, &s)?;
        try_compile(state, &pattern)?.is_match(s.as_bytes())
    });
    with_both(funcs, "regexFind", "mustRegexFind", |f, name, compile| {
        f.add(name, move |state: &mut State, pattern: Str, s: Str| {
            searched(state, &s)?;
            Ok::<_, Error>(
                compile(state, &pattern)?
                    .find(s.as_bytes())?
                    .map_or_else(Str::default, Str::from),
            )
        });
    });
    with_both(funcs, "regexFindAll", "mustRegexFindAll", |f, name, compile| {
        f.add(name, move |state: &mut State, pattern: Str, s: Str, n: i64| {
            searched(state, &s)?;
            let mut found = Vec::new();
            for part in compile(state, &pattern)?.find_all(s.as_bytes(), n)? {
                push_part(&mut found, part)?;
            }
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
                    compile(state, &pattern)?.replace_all(s.as_bytes(), with.as_bytes())?,
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
                    compile(state, &pattern)?.replace_all_literal(s.as_bytes(), with.as_bytes())?,
                ))
            });
        },
    );
    with_both(funcs, "regexSplit", "mustRegexSplit", |f, name, compile| {
        f.add(name, move |state: &mut State, pattern: Str, s: Str, n: i64| {
            searched(state, &s)?;
            let parts = compile(state, &pattern)?.split(s.as_bytes(), n)?;
            Ok::<_, Error>(Strings(match parts {
                Some(parts) => {
                    let mut all = Vec::new();
                    for part in parts {
                        push_part(&mut all, part)?;
                    }
                    List::strings(all)
                }
                None => List::nil(Elem::String),
            }))
        });
    });
}

type Compile = fn(&mut State, &Str) -> Result<Regex, Error>;

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

fn try_compile(state: &mut State, pattern: &Str) -> Result<Regex, Error> {
    check_size(state, pattern)?;
    compile(state, pattern).map_err(|e| failed(&e, e.to_string()))
}

fn compile_or_panic(state: &mut State, pattern: &Str) -> Result<Regex, Error> {
    check_size(state, pattern)?;
    compile(state, pattern).map_err(|e| {
        let quoted = if can_backquote(pattern.as_bytes()) {
            format!("`{pattern}`")
        } else {
            quote(pattern.as_bytes())
        };
        failed(&e, format!("regexp: Compile({quoted}): {e}"))
    })
}

fn check_size(state: &State, pattern: &Str) -> Result<(), Error> {
    let max = state.limits().regex_bytes.min(MAX_PATTERN_LEN);
    if pattern.len() > max {
        let text = format!("regex size limit exceeded: a pattern of more than {max} bytes");
        return Err(Error::limited(Limit::Regex, text));
    }
    Ok(())
}

/// The steps that the compilation of a pattern counts for, beside one for some bytes of its program.
const COMPILE_STEPS: u64 = 200;
const BYTES_OF_A_STEP: usize = 4;

fn compile(state: &mut State, pattern: &Str) -> Result<Regex, re2::Error> {
    let (regex, compiled) = Regex::cached_from(pattern.as_bytes());
    if let Some(bytes) = compiled {
        // Too many steps show in the search that follows.
        let _ = state.spend(COMPILE_STEPS + (bytes / BYTES_OF_A_STEP) as u64);
    }
    regex
}

fn failed(error: &re2::Error, text: String) -> Error {
    match error.kind() {
        ErrorKind::Large => Error::limited(
            Limit::Regex,
            format!(
                "regex size limit exceeded: a pattern of more than {MAX_PATTERN_LEN} bytes or a program of more than {MAX_PROGRAM_SIZE}"
            ),
        ),
        ErrorKind::NestingDepth => Error::limited(
            Limit::Regex,
            format!("regex depth limit exceeded: groups nested deeper than {MAX_DEPTH}"),
        ),
        _ => Error::new(text),
    }
}

fn searched(state: &mut State, s: &Str) -> Result<(), Error> {
    state.spend(s.len() as u64 / 16 + 1)
}

/// Accounts for a replacement: the text, and one replacement at each position that may match.
fn replaced(state: &mut State, s: &Str, with: &Str) -> Result<(), Error> {
    searched(state, s)?;
    reserve(state, s.len())?;
    state.spend((s.len() as u64 + 1).saturating_mul(with.len() as u64) / 4096)
}
