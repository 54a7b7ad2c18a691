//! Functions on letters and words: case, abbreviation, wrapping. They follow Go's `strings.Title`,
//! Masterminds/goutils v1.1.1 and huandu/xstrings v1.5.0.

use crate::error::Error;
use crate::exec::State;
use crate::func::Functions;
use crate::unicode::{is_digit, is_letter};
use crate::value::Str;

use super::runes::{is_lower, is_number, is_punct, is_title, is_upper, to_lower, to_title, to_upper};
use super::text::reserve;

/// What becomes of a text.
type Change = fn(&Str) -> Str;

pub(super) fn register(funcs: &mut Functions) {
    let on_letters: [(&str, Change); 8] = [
        ("upper", |s| mapped(s, to_upper)),
        ("lower", |s| mapped(s, to_lower)),
        ("title", |s| Str::from(title(&s.to_str_lossy()))),
        ("untitle", |s| Str::from(untitle(&s.to_str_lossy()))),
        ("swapcase", |s| Str::from(swap_case(&s.to_str_lossy()))),
        ("camelcase", |s| Str::from(pascal_case(&s.to_str_lossy()))),
        ("snakecase", |s| separated(s.as_bytes(), '_')),
        ("kebabcase", |s| separated(s.as_bytes(), '-')),
    ];
    for (name, change) in on_letters {
        funcs.add(name, move |state: &mut State, s: Str| {
            spend_on_letters(state, &s)?;
            Ok::<_, Error>(change(&s))
        });
    }
    funcs.add("nospace", |state: &mut State, s: Str| {
        spend_on_letters(state, &s)?;
        Ok::<_, Error>(no_space(s))
    });
    funcs.add("initials", |state: &mut State, s: Str| {
        spend_on_letters(state, &s)?;
        Ok::<_, Error>(initials(s.as_bytes()))
    });
    funcs.add("abbrev", |width: i64, s: Str| abbrev(0, width, s));
    funcs.add("abbrevboth", |left: i64, right: i64, s: Str| {
        if right < 4 || left > 0 && right < 7 {
            Ok(s)
        } else {
            abbrev(left, right, s)
        }
    });
    funcs.add("wrap", |state: &mut State, width: i64, s: Str| {
        wrap(state, s.as_bytes(), width, b"\n", false)
    });
    funcs.add(
        "wrapWith",
        |state: &mut State, width: i64, newline: Str, s: Str| {
            let newline = if newline.is_empty() {
                &b"\n"[..]
            } else {
                newline.as_bytes()
            };
            wrap(state, s.as_bytes(), width, newline, true)
        },
    );
}

fn mapped(s: &Str, map: fn(char) -> char) -> Str {
    Str::from(s.to_str_lossy().chars().map(map).collect::<String>())
}

/// Accounts for looking at each letter; those outside ASCII are looked up.
fn spend_on_letters(state: &mut State, s: &Str) -> Result<(), Error> {
    let bytes = s.as_bytes();
    let steps = match bytes.is_ascii() {
        true => bytes.len() / 2,
        false => bytes.len() * 2,
    };
    state.spend(steps as u64)
}

/// Go's `strings.Title`: a letter after a separator in title case. An apostrophe separates.
fn title(s: &str) -> String {
    let mut previous = ' ';
    s.chars()
        .map(|c| {
            let starts = if previous.is_ascii() {
                !(previous.is_ascii_alphanumeric() || previous == '_')
            } else {
                !is_letter(previous) && !is_digit(previous) && previous.is_whitespace()
            };
            previous = c;
            if starts { to_title(c) } else { c }
        })
        .collect()
}

fn untitle(s: &str) -> String {
    let mut starts = true;
    s.chars()
        .map(|c| {
            if c.is_whitespace() {
                starts = true;
                c
            } else if std::mem::take(&mut starts) {
                to_lower(c)
            } else {
                c
            }
        })
        .collect()
}

fn swap_case(s: &str) -> String {
    let mut after_space = true;
    s.chars()
        .map(|c| {
            if is_upper(c) || is_title(c) {
                after_space = false;
                to_lower(c)
            } else if is_lower(c) {
                if std::mem::take(&mut after_space) {
                    to_title(c)
                } else {
                    to_upper(c)
                }
            } else {
                after_space = c.is_whitespace();
                c
            }
        })
        .collect()
}

/// goutils looks at single bytes and writes each as a character: text outside ASCII is garbled where
/// there is a space.
fn no_space(s: Str) -> Str {
    let is_space = |b: &u8| char::from(*b).is_whitespace();
    if !s.as_bytes().iter().any(is_space) {
        return s;
    }
    let kept = s.as_bytes().iter().filter(|b| !is_space(b));
    Str::from(kept.map(|b| char::from(*b)).collect::<String>())
}

fn initials(s: &[u8]) -> String {
    let mut gap = true;
    let mut out = String::new();
    for c in s.iter().map(|b| char::from(*b)) {
        if c.is_whitespace() {
            gap = true;
        } else if std::mem::take(&mut gap) {
            out.push(c);
        }
    }
    out
}

/// goutils' `AbbreviateFull`, where too small a width gives an empty text (sprig drops the error).
fn abbrev(left: i64, width: i64, s: Str) -> Result<Str, Error> {
    if left == 0 && width < 4 {
        return Ok(s);
    }
    let len = s.len() as i64;
    if s.is_empty() || len <= width {
        return Ok(s);
    }
    // The numbers are the template's: Go's arithmetic wraps.
    let room = width.wrapping_sub(3);
    let mut offset = left.min(len);
    if len.wrapping_sub(offset) < room {
        offset = len.wrapping_sub(room);
    }
    let part = |start: i64, end: i64| {
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        range
            .and_then(|(start, end)| s.as_bytes().get(start..end))
            .unwrap_or_default()
    };
    if offset <= 4 {
        return Ok(Str::from([part(0, room), b"..."].concat()));
    }
    if width < 7 {
        return Ok(Str::default());
    }
    if offset.wrapping_add(room) < len {
        let inner = abbrev(0, room, Str::from(part(offset, len)))?;
        return Ok(Str::from([b"...", inner.as_bytes()].concat()));
    }
    Ok(Str::from([b"...", part(len.wrapping_sub(room), len)].concat()))
}

fn wrap(state: &mut State, s: &[u8], width: i64, newline: &[u8], break_words: bool) -> Result<Str, Error> {
    let width = usize::try_from(width).unwrap_or(0).max(1);
    reserve(
        state,
        s.len()
            .saturating_add((s.len() / width + 1).saturating_mul(newline.len())),
    )?;
    state.spend((s.len() / width) as u64)?;
    let part = |start: usize, end: usize| s.get(start..end).unwrap_or_default();
    let mut out = Vec::with_capacity(s.len());
    let mut at = 0;
    while s.len() - at > width {
        if s.get(at) == Some(&b' ') {
            at += 1;
            continue;
        }
        let line = part(at, at + width + 1);
        let line_end = match memchr::memrchr(b' ', line) {
            Some(space) => Some((at + space, 1)),
            None if break_words => Some((at + width, 0)),
            None => memchr::memchr(b' ', part(at + width, s.len())).map(|space| (at + width + space, 1)),
        };
        match line_end {
            Some((end, skipped)) => {
                out.extend_from_slice(part(at, end));
                out.extend_from_slice(newline);
                at = end + skipped;
            }
            None => break,
        }
    }
    out.extend_from_slice(part(at, s.len()));
    Ok(Str::from(out))
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// xstrings' `ToPascalCase`.
fn pascal_case(s: &str) -> String {
    let mut out = String::new();
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next_if(|c| is_connector(*c)) {
        // The last of leading connectors is written at the end where nothing follows.
        out.push(c);
    }
    let Some(first) = chars.next() else {
        // xstrings writes the last connector twice where there are only connectors.
        out.extend(s.chars().last());
        return out;
    };
    let mut upper_run = is_upper(first);
    let mut current = to_upper(first);
    for next in chars {
        let previous = std::mem::replace(&mut current, next);
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            upper_run = is_upper(current);
            current = to_upper(current);
        } else {
            if upper_run {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    upper_run = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

/// xstrings counts common Chinese characters as no letters.
fn is_alphabet(c: char) -> bool {
    let cjk = matches!(c, '\u{4E00}'..='\u{9FCC}' | '\u{3400}'..='\u{4D85}' | '\u{20000}'..='\u{2B81D}');
    is_letter(c) && !cjk
}

/// The character at the start and its width, as Go reads texts: a byte that begins none is U+FFFD.
fn decode(s: &[u8]) -> Option<(char, usize)> {
    let head = s.get(..4).unwrap_or(s);
    let chunk = head.utf8_chunks().next()?;
    let first = chunk.valid().chars().next();
    Some(first.map_or(('\u{FFFD}', 1), |c| (c, c.len_utf8())))
}

/// The next character that is not U+FFFD, or `previous` where there is none, and the bytes up to its end.
fn next_valid(s: &[u8], previous: char) -> (char, usize) {
    let mut size = 0;
    while let Some((c, width)) = decode(s.get(size..).unwrap_or_default()) {
        size += width;
        if c != '\u{FFFD}' {
            return (c, size);
        }
    }
    (previous, size)
}

/// The word at the start, what it is made of, and the rest.
fn next_word(s: &[u8]) -> (Word, &[u8], &[u8]) {
    if s.is_empty() {
        return (Word::Invalid, b"", b"");
    }
    let (first, mut end) = next_valid(s, '\u{FFFD}');
    let rest = |at: usize| s.get(at..).unwrap_or_default();
    // Goes on while the characters belong to the word; returns the one that ended it and the last width.
    let run = |end: &mut usize, mut c: char, belongs: &dyn Fn(char) -> bool| {
        let mut last = 0;
        while *end < s.len() {
            let size;
            (c, size) = next_valid(rest(*end), c);
            if !belongs(c) {
                return (c, last);
            }
            last = size;
            *end += size;
        }
        (c, last)
    };
    let kind = if first == '\u{FFFD}' {
        Word::Invalid
    } else if is_connector(first) {
        run(&mut end, first, &is_connector);
        Word::Connector
    } else if is_punct(first) {
        run(&mut end, first, &is_punct);
        Word::Punct
    } else if is_upper(first) {
        if end < s.len() {
            let (second, _) = next_valid(rest(end), first);
            if is_upper(second) {
                let (stop, last) = run(&mut end, first, &is_upper);
                // The last capital before a small letter begins the next word: HTTP|Status.
                if end < s.len() && is_alphabet(stop) {
                    end -= last;
                }
            } else if is_alphabet(second) {
                run(&mut end, first, &|c| is_alphabet(c) && !is_upper(c));
            }
        }
        Word::Upper
    } else if is_alphabet(first) {
        run(&mut end, first, &|c| is_alphabet(c) && !is_upper(c));
        Word::Alphabet
    } else if is_number(first) {
        run(&mut end, first, &is_number);
        Word::Number
    } else {
        run(&mut end, first, &|c| {
            !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punct(c))
        });
        Word::Other
    };
    (kind, s.get(..end).unwrap_or_default(), rest(end))
}

/// xstrings' `ToSnakeCase` and `ToKebabCase`.
fn separated(s: &[u8], connector: char) -> Str {
    let mut out = Vec::new();
    let push = |out: &mut Vec<u8>, c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    let write = |out: &mut Vec<u8>, kind: Word, word: &[u8]| {
        if kind != Word::Upper && kind != Word::Connector {
            out.extend_from_slice(word);
            return;
        }
        let mut rest = word;
        while let Some((c, width)) = decode(rest) {
            rest = rest.get(width..).unwrap_or_default();
            let written = match c {
                c if is_connector(c) => connector,
                c if is_upper(c) => to_lower(c),
                c => c,
            };
            push(out, written);
        }
    };
    let joins = |kind: Word| !matches!(kind, Word::Connector | Word::Punct);
    let (mut kind, mut word, mut rest) = next_word(s);
    while !rest.is_empty() {
        if kind != Word::Connector {
            write(&mut out, kind, word);
        }
        let (previous, mut last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        let mut number = previous == Word::Number;
        match previous {
            Word::Number | Word::Punct => {}
            Word::Connector => write(&mut out, previous, last),
            _ if kind != Word::Number => {
                if joins(kind) {
                    push(&mut out, connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                last = word;
                (kind, word, rest) = next_word(rest);
                if kind == Word::Alphabet {
                    // Small letters follow the number: it begins a word, http_2xx.
                    push(&mut out, connector);
                    write(&mut out, Word::Number, last);
                    number = true;
                } else {
                    write(&mut out, Word::Number, last);
                    if joins(kind) {
                        push(&mut out, connector);
                    }
                }
            }
        }
        if number {
            while matches!(kind, Word::Alphabet | Word::Number) {
                write(&mut out, kind, word);
                (kind, word, rest) = next_word(rest);
            }
            if joins(kind) && kind != Word::Invalid {
                push(&mut out, connector);
            }
        }
    }
    write(&mut out, kind, word);
    Str::from(out)
}
