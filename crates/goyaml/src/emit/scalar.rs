//! How a text may be written: what it contains, and so which of YAML's styles can carry it.

/// What libyaml's analysis finds in a text, reduced to what block context asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Analysis {
    pub(super) multiline: bool,
    pub(super) plain: bool,
    pub(super) single_quoted: bool,
    pub(super) block: bool,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

const SAFE: Analysis = Analysis {
    multiline: false,
    plain: true,
    single_quoted: true,
    block: true,
};

/// A byte that needs no second look anywhere in a text.
const fn is_inert(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'/' | b'.' | b'-' | b'+' | b'=' | b'$' | b'(' | b')' | b';' | b'<' | b'^' | b'~')
}

#[expect(clippy::indexing_slicing, reason = "made when compiling")]
static INERT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_inert(byte as u8);
        byte += 1;
    }
    table
};

/// [`is_inert`], looked up.
fn looks_inert(byte: u8) -> bool {
    INERT.get(usize::from(byte)).is_some_and(|inert| *inert)
}

/// Analyses a text. `tabs_in_blocks` is v3's leave to keep tabs in literal blocks.
pub(super) fn analyze(text: &str, tabs_in_blocks: bool) -> Analysis {
    let bytes = text.as_bytes();
    match bytes {
        [] => return Analysis { block: false, ..SAFE },
        [b'-' | b'.', ..] => {}
        _ if bytes.iter().all(|byte| looks_inert(*byte)) => return SAFE,
        _ => {}
    }
    analyze_slowly(text, tabs_in_blocks)
}

fn analyze_slowly(text: &str, tabs_in_blocks: bool) -> Analysis {
    let bytes = text.as_bytes();
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let mut breaks = false;
    let mut special = false;
    let mut tabs = false;
    let mut break_then_space = false;
    let mut space_then_break = false;
    let mut previous = Previous::Other;
    let mut after_white = true;
    let mut edge_space = (false, false);
    let mut edge_break = (false, false);
    let mut next = 0;
    while let Some(byte) = bytes.get(next) {
        let at = next;
        if at > 0 && looks_inert(*byte) {
            next += 1;
            previous = Previous::Other;
            after_white = false;
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else {
            break;
        };
        next += c.len_utf8();
        let last = next == bytes.len();
        let before_white = last || matches!(bytes.get(next), Some(b' ' | b'\t'));
        match c {
            '#' if at == 0 || after_white => indicators = true,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                if at == 0 =>
            {
                indicators = true;
            }
            '?' | '-' if at == 0 && before_white => indicators = true,
            ':' if before_white => indicators = true,
            _ => {}
        }
        if c == '\t' && tabs_in_blocks {
            tabs = true;
        } else if !is_printable(c) {
            special = true;
        }
        if c == ' ' {
            edge_space.0 |= at == 0;
            edge_space.1 |= last;
            break_then_space |= previous == Previous::Break;
            previous = Previous::Space;
        } else if is_break(c) {
            breaks = true;
            edge_break.0 |= at == 0;
            edge_break.1 |= last;
            space_then_break |= previous == Previous::Space;
            previous = Previous::Break;
        } else {
            previous = Previous::Other;
        }
        after_white = c == ' ' || c == '\t' || c == '\0' || is_break(c);
    }
    let hard = space_then_break || special;
    let edges = edge_space.0 || edge_space.1 || edge_break.0 || edge_break.1;
    Analysis {
        multiline: breaks,
        plain: !(edges || break_then_space || hard || tabs || breaks || indicators),
        single_quoted: !(break_then_space || hard || tabs),
        block: !(edge_space.1 || hard),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Previous {
    Space,
    Break,
    Other,
}

/// libyaml's line breaks.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What go-yaml writes without an escape. Astral characters are not among it.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        '\n' | ' '..='~' => true,
        '\u{FEFF}' => false,
        _ => matches!(c, '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}'),
    }
}

/// Chooses the style in block context, given the style wanted for the text's type.
pub(super) fn choose(wanted: Style, analysis: Analysis, empty: bool, simple_key: bool) -> Style {
    let mut style = wanted;
    if simple_key && analysis.multiline {
        style = Style::DoubleQuoted;
    }
    if style == Style::Plain && (!analysis.plain || empty && simple_key) {
        style = Style::SingleQuoted;
    }
    if style == Style::SingleQuoted && !analysis.single_quoted {
        style = Style::DoubleQuoted;
    }
    if style == Style::Literal && (!analysis.block || simple_key) {
        style = Style::DoubleQuoted;
    }
    style
}

/// The escape of a character in a double-quoted text.
pub(super) fn push_escape(out: &mut String, c: char) {
    use std::fmt::Write;
    out.push('\\');
    let short = match c {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0B' => 'v',
        '\x0C' => 'f',
        '\r' => 'r',
        '\x1B' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{A0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            let _ = match code {
                0..=0xFF => write!(out, "x{code:02X}"),
                0x100..=0xFFFF => write!(out, "u{code:04X}"),
                _ => write!(out, "U{code:08X}"),
            };
            return;
        }
    };
    out.push(short);
}
