//! Go's `filepath.Match`, for `--show-only`.

/// Whether the whole name matches the pattern: `*` and `?` stop at `/`, `[a-z]`, `[^a]`, `\` quotes. A malformed
/// pattern matches nothing.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let mut reachable = vec![false; name.len() + 1];
    if let Some(first) = reachable.first_mut() {
        *first = true;
    }
    let mut rest = pattern.as_slice();
    while let Some((&c, tail)) = rest.split_first() {
        let mut next = vec![false; name.len() + 1];
        if c == '*' {
            let mut open = false;
            for (at, slot) in next.iter_mut().enumerate() {
                open |= reachable.get(at) == Some(&true);
                *slot = open;
                open &= name.get(at) != Some(&'/');
            }
            rest = tail;
        } else {
            let Some((accepts, tail)) = one(c, tail) else {
                return false;
            };
            for (at, letter) in name.iter().enumerate() {
                if reachable.get(at) == Some(&true)
                    && accepts.holds(*letter)
                    && let Some(slot) = next.get_mut(at + 1)
                {
                    *slot = true;
                }
            }
            rest = tail;
        }
        reachable = next;
    }
    reachable.last() == Some(&true)
}

enum Accepts {
    Letter(char),
    NotSlash,
    Class { not: bool, ranges: Vec<(char, char)> },
}

impl Accepts {
    fn holds(&self, c: char) -> bool {
        match self {
            Accepts::Letter(l) => *l == c,
            Accepts::NotSlash => c != '/',
            Accepts::Class { not, ranges } => ranges.iter().any(|(lo, hi)| (*lo..=*hi).contains(&c)) != *not,
        }
    }
}

/// The element that starts with `c`, and what follows it.
fn one(c: char, tail: &[char]) -> Option<(Accepts, &[char])> {
    match c {
        '?' => Some((Accepts::NotSlash, tail)),
        '\\' => tail.split_first().map(|(c, tail)| (Accepts::Letter(*c), tail)),
        '[' => class(tail),
        other => Some((Accepts::Letter(other), tail)),
    }
}

fn class(mut rest: &[char]) -> Option<(Accepts, &[char])> {
    let not = rest.first() == Some(&'^');
    if not {
        rest = rest.get(1..)?;
    }
    let mut ranges = Vec::new();
    loop {
        if rest.first() == Some(&']') && !ranges.is_empty() {
            return Some((Accepts::Class { not, ranges }, rest.get(1..)?));
        }
        let (lo, tail) = letter(rest)?;
        let (hi, tail) = match tail.split_first() {
            Some(('-', tail)) => letter(tail)?,
            _ => (lo, tail),
        };
        ranges.push((lo, hi));
        rest = tail;
    }
}

fn letter(rest: &[char]) -> Option<(char, &[char])> {
    match rest.split_first()? {
        ('-' | ']', _) => None,
        ('\\', tail) => tail.split_first().map(|(c, tail)| (*c, tail)),
        (c, tail) => Some((*c, tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn matches_as_go_does() {
        let cases = [
            ("templates/*.yaml", "templates/a.yaml", true),
            ("templates/*", "templates/sub/a.yaml", false),
            ("*/*/a.yaml", "charts/sub/a.yaml", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "ace", false),
            ("a[", "a", false),
            ("a[]b]", "a]", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("", "", true),
            ("*", "", true),
            ("*x", "xxx", true),
        ];
        for (pattern, name, want) in cases {
            assert_eq!(matches(pattern, name), want, "{pattern:?} {name:?}");
        }
    }
}
