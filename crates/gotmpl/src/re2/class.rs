//! Character classes and escapes.

use std::fmt::Write;

use super::error::{Error, ErrorKind};
use super::translate::{Flags, consumed, skip};

/// The class behind `\d`, `\s`, `\w` and their negations, as a class item. Go's are ASCII, and its `\s`
/// lacks the vertical tab.
pub(super) fn perl(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => r"\t\n\x0C\r\x20",
        'S' => r"[^\t\n\x0C\r\x20]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// Writes a character so that it means itself everywhere in a pattern.
pub(super) fn write_char(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        // Writing to a String can not fail.
        let _ = write!(out, "\\x{:02X}", u32::from(c));
    }
}

fn write_range(out: &mut String, low: u32, high: u32) {
    // Surrogates are no characters here; Go lets a range contain them.
    for (low, high) in [(low, high.min(0xD7FF)), (low.max(0xE000), high)] {
        if let (Some(a), Some(b)) = (char::from_u32(low), char::from_u32(high))
            && low <= high
        {
            write_char(out, a);
            out.push('-');
            write_char(out, b);
        }
    }
}

/// Translates the bracketed class at the start of `text`; returns it and the rest.
pub(super) fn bracketed(text: &str, flags: Flags) -> Result<(String, &str), Error> {
    let mut rest = skip(text, 1);
    let negated = rest.starts_with('^');
    if negated {
        rest = skip(rest, 1);
    }
    let mut items = String::new();
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        if let Some((item, after)) = posix(rest)? {
            items.push_str(&item);
            rest = after;
            continue;
        }
        if rest.starts_with(r"\p") || rest.starts_with(r"\P") {
            let (item, after) = property(rest)?;
            items.push_str(&item);
            rest = after;
            continue;
        }
        let perl_class = rest
            .strip_prefix('\\')
            .and_then(|t| t.chars().next())
            .and_then(perl);
        if let Some(item) = perl_class {
            items.push_str(item);
            rest = skip(rest, 2);
            continue;
        }
        let from = rest;
        let low = class_char(&mut rest, text)?;
        let mut high = low;
        if rest.len() >= 2 && rest.starts_with('-') && !rest.starts_with("-]") {
            rest = skip(rest, 1);
            high = class_char(&mut rest, text)?;
            if high < low {
                return Err(Error::new(ErrorKind::CharRange, consumed(from, rest)));
            }
        }
        write_range(&mut items, low, high);
    }
    rest = skip(rest, 1);
    // No items are left where all of them were surrogates: an empty class and its negation.
    let class = match (negated, items.is_empty()) {
        (false, false) => format!("[{items}]"),
        (true, false) => format!("[^{items}]"),
        (false, true) => "[^\\x00-\\x{10FFFF}]".to_owned(),
        (true, true) => "[\\x00-\\x{10FFFF}]".to_owned(),
    };
    let class = if flags.fold_case {
        format!("(?i:{class})")
    } else {
        class
    };
    Ok((class, rest))
}

fn class_char(rest: &mut &str, whole: &str) -> Result<u32, Error> {
    let text = *rest;
    match text.chars().next() {
        None => Err(Error::new(ErrorKind::MissingBracket, whole)),
        Some('\\') => {
            let (code, after) = escape(text)?;
            *rest = after;
            Ok(code)
        }
        Some(c) => {
            *rest = skip(text, c.len_utf8());
            Ok(u32::from(c))
        }
    }
}

/// `[:name:]` inside brackets.
fn posix(text: &str) -> Result<Option<(String, &str)>, Error> {
    let Some(inner) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some((name, rest)) = inner.split_once(":]") else {
        return Ok(None);
    };
    let known = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "word", "xdigit",
    ];
    if !known.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(Error::new(ErrorKind::CharRange, format!("[:{name}:]")));
    }
    Ok(Some((format!("[:{name}:]"), rest)))
}

/// `\pL`, `\p{Greek}`, `\P{^Greek}`: returns it for the `regex` crate and the rest.
pub(super) fn property(text: &str) -> Result<(String, &str), Error> {
    let mut negated = text.starts_with(r"\P");
    let after = skip(text, 2);
    let (mut name, rest) = match after.chars().next() {
        // Go reads a name from the end of the text and finds none.
        None => return Err(Error::new(ErrorKind::CharRange, text)),
        Some('{') => match skip(after, 1).split_once('}') {
            Some(found) => found,
            None => return Err(Error::new(ErrorKind::CharRange, text)),
        },
        Some(c) => {
            let rest = skip(after, c.len_utf8());
            (consumed(after, rest), rest)
        }
    };
    if let Some(inner) = name.strip_prefix('^') {
        negated = !negated;
        name = inner;
    }
    if !is_property(name) {
        return Err(Error::new(ErrorKind::CharRange, consumed(text, rest)));
    }
    let letter = if negated { 'P' } else { 'p' };
    // Surrogates are no characters here, and Rust knows no class of them.
    if canonical(name) == "Cs" || canonical(name) == "Surrogate" {
        let all = if negated {
            "[\\x00-\\x{10FFFF}]"
        } else {
            "[^\\x00-\\x{10FFFF}]"
        };
        return Ok((all.to_owned(), rest));
    }
    Ok((format!("\\{letter}{{{}}}", canonical(name)), rest))
}

/// Go's form of a property's name: first letter upper case, the others lower case, no separators.
fn canonical(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')) {
        if out.is_empty() {
            out.push(c.to_ascii_uppercase());
        } else {
            out.push(c.to_ascii_lowercase());
        }
    }
    out
}

/// Whether Go knows the property. Of scripts it only finds those with a name of one word.
fn is_property(name: &str) -> bool {
    PROPERTIES
        .split_ascii_whitespace()
        .any(|known| known == canonical(name))
}

const PROPERTIES: &str = "Any Assigned Ascii
C Cc Cf Cn Co Cs L Lc Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs
Casedletter Closepunctuation Combiningmark Connectorpunctuation Control Currencysymbol Dashpunctuation
Decimalnumber Enclosingmark Finalpunctuation Format Initialpunctuation Letter Letternumber Lineseparator
Lowercaseletter Mark Mathsymbol Modifierletter Modifiersymbol Nonspacingmark Number Openpunctuation Other
Otherletter Othernumber Otherpunctuation Othersymbol Paragraphseparator Privateuse Punctuation Separator
Spaceseparator Spacingmark Surrogate Symbol Titlecaseletter Unassigned Uppercaseletter Cntrl Digit Punct
Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese
Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari
Dogra Duployan Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han
Hangul Hanunoo Hatran Hebrew Hiragana Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer
Khojki Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean
Marchen Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham
Oriya Osage Osmanya Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala
Sogdian Soyombo Sundanese Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan
Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Yezidi Yi";

/// Reads the single-character escape at the start of `text`; returns its code point and the rest.
pub(super) fn escape(text: &str) -> Result<(u32, &str), Error> {
    let mut rest = skip(text, 1);
    let Some(c) = next(&mut rest) else {
        return Err(Error::new(ErrorKind::TrailingBackslash, ""));
    };
    let octal_follows = |rest: &str| rest.starts_with(|c: char| c.is_digit(8));
    let code = match c {
        '1'..='7' if !octal_follows(rest) => None,
        '0'..='7' => {
            let mut code = u32::from(c) - u32::from('0');
            for _ in 0..2 {
                let Some(digit) = rest.chars().next().and_then(|c| c.to_digit(8)) else {
                    break;
                };
                code = code * 8 + digit;
                rest = skip(rest, 1);
            }
            Some(code)
        }
        'x' => hex(&mut rest),
        'a' => Some(7),
        'f' => Some(12),
        'n' => Some(10),
        'r' => Some(13),
        't' => Some(9),
        'v' => Some(11),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
        _ => None,
    };
    match code {
        Some(code) => Ok((code, rest)),
        None => Err(Error::new(ErrorKind::Escape, consumed(text, rest))),
    }
}

fn next(rest: &mut &str) -> Option<char> {
    let c = rest.chars().next()?;
    *rest = skip(rest, c.len_utf8());
    Some(c)
}

/// The digits after `\x`. Where they are wrong, the rest begins after the first wrong character, which is
/// how far Go's message reaches.
fn hex(rest: &mut &str) -> Option<u32> {
    let first = next(rest)?;
    if first != '{' {
        let high = first.to_digit(16);
        let low = next(rest).and_then(|c| c.to_digit(16));
        return Some(high? * 16 + low?);
    }
    let mut code = 0;
    let mut digits = 0;
    loop {
        match next(rest)? {
            '}' => return (digits > 0).then_some(code),
            c => {
                code = code * 16 + c.to_digit(16)?;
                digits += 1;
                if code > u32::from(char::MAX) {
                    return None;
                }
            }
        }
    }
}
