//! Go's `unicode` package: categories and simple case mappings, one character to one.

use std::sync::LazyLock;

use regex::Regex;

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

fn only(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    mapped.next().is_none().then_some(first)
}

/// The upper case, where that is one character.
pub(super) fn to_upper(c: char) -> char {
    match c {
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
