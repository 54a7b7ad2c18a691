//! Cuts a rendered file into its YAML documents as Helm does (`pkg/releaseutil/manifest.go`).
//!
//! A separator is `---` at the start of a line, whatever follows it, together with the white space around it.

/// The documents of a file in order, trimmed. Empty ones are left out.
pub fn split_documents(file: &str) -> impl Iterator<Item = &str> {
    Separated {
        text: file.trim(),
        at: 0,
        done: false,
    }
    .filter(|d| !d.is_empty())
    .map(str::trim)
}

struct Separated<'a> {
    text: &'a str,
    at: usize,
    done: bool,
}

impl<'a> Iterator for Separated<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.done {
            return None;
        }
        let start = self.at;
        match separator(self.text.as_bytes(), start) {
            Some((from, to)) => {
                self.at = to;
                Some(self.text.get(start..from).unwrap_or_default())
            }
            None => {
                self.done = true;
                Some(self.text.get(start..).unwrap_or_default())
            }
        }
    }
}

/// The first separator at or after `start`; one separator never uses white space of the one before it.
fn separator(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut from = start;
    loop {
        let dashes = from + find(text.get(from..)?, b"---")?;
        let before = text.get(start..dashes)?;
        if dashes == 0 || before.last() == Some(&b'\n') {
            let white = before.iter().rev().take_while(|b| is_space(**b)).count();
            let after = text
                .get(dashes + 3..)?
                .iter()
                .take_while(|b| is_space(**b))
                .count();
            return Some((dashes - white, dashes + 3 + after));
        }
        from = dashes + 1;
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// `\s` of Go's regular expressions.
fn is_space(b: u8) -> bool {
    matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

#[cfg(test)]
mod tests {
    use super::split_documents;

    #[test]
    fn splits_as_helm_does() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("---", &[]),
            ("a: 1", &["a: 1"]),
            ("---\na: 1\n---\nb: 2\n", &["a: 1", "b: 2"]),
            ("a: 1\n  \n\t---   \n  b: 2", &["a: 1\n  \n\t---   \n  b: 2"]),
            ("a: 1 \n\n---\n\n  b: 2", &["a: 1", "b: 2"]),
            ("---\n---\nb: 2", &["---\nb: 2"]),
            ("---\n\n\n---b: 2", &["---b: 2"]),
            ("---b: 2", &["b: 2"]),
            ("a: |\n  ---\n  x", &["a: |\n  ---\n  x"]),
            ("a: x---\n----\nb", &["a: x---", "-\nb"]),
            ("a\n--- # note\nb", &["a", "# note\nb"]),
            ("a\r\n---\r\nb", &["a", "b"]),
            ("# only a comment\n---\nb", &["# only a comment", "b"]),
        ];
        for (file, want) in cases {
            assert_eq!(split_documents(file).collect::<Vec<_>>(), *want, "{file:?}");
        }
    }
}
