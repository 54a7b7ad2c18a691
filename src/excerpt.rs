//! What is shown of long texts. Of one that is too long to be shown whole its beginning, which says where, and its end,
//! which says why: a template that includes itself gives a chain of a thousand links, and the last is the error. Of one of
//! several lines, such as with the end of a log, tables show the first.

/// What stands for the part that is left out.
const GAP: &str = " … ";

/// The text, or its beginning and its end, in at most `limit` bytes, cut at characters.
pub fn excerpt(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(GAP.len());
    let head = floor(text, room / 3);
    let tail = ceil(text, text.len() - (room - room / 3));
    let (head, tail) = (text.get(..head), text.get(tail..));
    format!("{}{GAP}{}", head.unwrap_or_default(), tail.unwrap_or_default())
}

/// The message with something more, which its first line says where what follows is a quotation.
pub fn with(message: &str, more: &str) -> String {
    match message.split_once('\n') {
        Some((first, rest)) if !first.ends_with(':') => format!("{first}; {more}\n{rest}"),
        _ => format!("{message}; {more}"),
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    let found = (at..text.len()).find(|at| text.is_char_boundary(*at));
    found.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_stay() {
        assert_eq!(excerpt("short", 5), "short");
        let chain = format!(
            "templates/a.yaml:1:3: {}: too deep",
            "calling include: ".repeat(500)
        );
        let short = excerpt(&chain, 100);
        assert!(short.len() <= 100, "{}", short.len());
        assert!(
            short.starts_with("templates/a.yaml:1:3: ") && short.ends_with(": too deep"),
            "{short}"
        );
    }

    #[test]
    fn more_is_said_before_what_is_quoted() {
        for (message, expected) in [
            ("it failed", "it failed; more"),
            (
                "it failed\nthe end of the log:\nx",
                "it failed; more\nthe end of the log:\nx",
            ),
            ("wrong values:\n- at /a", "wrong values:\n- at /a; more"),
        ] {
            assert_eq!(with(message, "more"), expected);
        }
    }

    #[test]
    fn characters_stay_whole() {
        for limit in 8..40 {
            let short = excerpt(&"aé€😀".repeat(20), limit);
            assert!(short.len() <= limit && short.contains('…'), "{limit}: {short}");
        }
    }
}
