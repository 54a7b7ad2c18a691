//! Go's `unicode` package: categories and simple case mappings, one character to one.

use std::sync::LazyLock;

use regex::Regex;

use crate::unicode::is_print;

/// A general category, looked up for characters outside ASCII.
struct Category(LazyLock<Option<Regex>>);

macro_rules! category {
    ($name:ident, $function:ident, $pattern:literal, $ascii:expr, $doc:literal) => {
        static $name: Category = Category(LazyLock::new(|| Regex::new($pattern).ok()));

        #[doc = $doc]
        pub(super) fn $function(c: char) -> bool {
            let ascii: fn(&char) -> bool = $ascii;
            if c.is_ascii() {
                ascii(&c)
            } else {
                $name.contains(c)
            }
        }
    };
}

impl Category {
    fn contains(&self, c: char) -> bool {
        let mut buffer = [0; 4];
        let text: &str = c.encode_utf8(&mut buffer);
        self.0.as_ref().is_some_and(|class| class.is_match(text))
    }
}

category!(
    UPPER,
    is_upper,
    r"^\p{Lu}$",
    char::is_ascii_uppercase,
    "An upper-case letter."
);
category!(
    LOWER,
    is_lower,
    r"^\p{Ll}$",
    char::is_ascii_lowercase,
    "A lower-case letter."
);
category!(
    TITLE,
    is_title,
    r"^\p{Lt}$",
    |_| false,
    "A title-case letter, such as the digraph Dž."
);
category!(
    NUMBER,
    is_number,
    r"^\p{N}$",
    char::is_ascii_digit,
    "A number, fractions and the like included."
);
category!(
    PUNCT,
    is_punct,
    r"^\p{P}$",
    |c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(*c),
    "Punctuation, without symbols."
);

/// The mapping, where it is one character that Go's version of Unicode has.
fn only(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    (mapped.next().is_none() && is_print(first)).then_some(first)
}

/// The upper case, where that is one character.
pub(super) fn to_upper(c: char) -> char {
    match c {
        _ if c.is_ascii() => c.to_ascii_uppercase(),
        // Greek letters with a subscript iota, which full mapping writes as two letters.
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => shifted(c, 8),
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => shifted(c, 9),
        // Already upper or title case.
        '\u{1F88}'..='\u{1F8F}' | '\u{1F98}'..='\u{1F9F}' | '\u{1FA8}'..='\u{1FAF}' => c,
        _ => only(c.to_uppercase()).unwrap_or(c),
    }
}

/// The lower case, where that is one character.
pub(super) fn to_lower(c: char) -> char {
    match c {
        _ if c.is_ascii() => c.to_ascii_lowercase(),
        'İ' => 'i',
        _ => only(c.to_lowercase()).unwrap_or(c),
    }
}

/// The title case: the upper case but for digraphs and Georgian letters.
pub(super) fn to_title(c: char) -> char {
    match c {
        '\u{1C4}'..='\u{1C6}' => '\u{1C5}',
        '\u{1C7}'..='\u{1C9}' => '\u{1C8}',
        '\u{1CA}'..='\u{1CC}' => '\u{1CB}',
        '\u{1F1}'..='\u{1F3}' => '\u{1F2}',
        '\u{10D0}'..='\u{10FA}' | '\u{10FD}'..='\u{10FF}' => c,
        _ => to_upper(c),
    }
}

fn shifted(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash over category and case of every printable character, taken from Go in the same way.
    #[test]
    fn categories_and_cases_are_those_of_go() {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for c in (0..=0x10_FFFF)
            .filter_map(char::from_u32)
            .filter(|c| is_print(*c))
        {
            let flags = [
                is_upper(c),
                is_lower(c),
                is_title(c),
                is_number(c),
                is_punct(c),
                c.is_whitespace(),
            ];
            let flags = flags
                .iter()
                .rev()
                .fold(0, |bits, flag| bits << 1 | u32::from(*flag));
            for n in [c, to_upper(c), to_lower(c), to_title(c)]
                .map(u32::from)
                .into_iter()
                .chain([flags])
            {
                for byte in n.to_le_bytes() {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
                }
            }
        }
        assert_eq!(hash, GO_HASH);
    }

    const GO_HASH: u64 = 12177910050682245693;
}
