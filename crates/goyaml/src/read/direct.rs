//! The common part of YAML, read straight into the caller's values: block collections, scalars, and flow collections on
//! one line.
//!
//! Nothing here decides what is an error. Whatever is not plainly well-formed, and every anchor, alias, tag, merge,
//! directive and document marker, is left to the whole reader, which reads the text again from the start. Scalars are
//! scanned by its own scanner.

use super::decode::{Builder, Key};
use super::scanner::Scanner;
use super::token::Kind;
use crate::limits::Limits;
use crate::resolve::{self, Resolved};
use std::borrow::Cow;

/// Deeper texts are rare, and the whole reader does not recurse while it looks for errors.
const MAX_DEPTH: usize = 64;
/// Longer keys are for the whole reader, whose colon must come within 1024 characters.
const MAX_KEY_BYTES: usize = 512;

/// The first document of `text`, if it can be read this way and nothing follows it.
pub(super) fn read<B: Builder>(text: &str, limits: &Limits, builder: &mut B) -> Option<B::Value> {
    if text.len() > limits.input_bytes || limits.depth < MAX_DEPTH {
        return None;
    }
    let mut reader = Reader {
        scanner: Scanner::whole(text)?,
        builder,
        nodes_left: limits.nodes,
    };
    reader.seek_content()?;
    if reader.scanner.at_end() || reader.scanner.column() != 0 {
        return None;
    }
    let value = match reader.node(-1, 0)? {
        Found::Collection(value) => value,
        Found::Scalar(_) => return None,
    };
    reader.scanner.at_end().then_some(value)
}

struct Reader<'a, 'b, B> {
    scanner: Scanner<'a>,
    builder: &'b mut B,
    /// Of [`Limits::nodes`].
    nodes_left: usize,
}

enum Found<V> {
    Collection(V),
    Scalar(V),
}

/// A scalar, and whether it stands in quotes.
struct Text<'a> {
    value: Cow<'a, str>,
    plain: bool,
}

impl<'a, B: Builder> Reader<'a, '_, B> {
    /// Moves to what comes next on this line or a later one. Nothing at a document's marker or a directive.
    fn seek_content(&mut self) -> Option<()> {
        let s = &mut self.scanner;
        loop {
            while s.byte(0) == b' ' {
                s.skip(1);
            }
            s.skip_comment();
            if !s.at_break(0) {
                break;
            }
            s.take_break();
        }
        let special = s.column() == 0 && !s.at_end() && (s.byte(0) == b'%' || s.at_document_marker());
        (!special).then_some(())
    }

    /// After a value: moves to the next line's content. Nothing where the value's line has more.
    fn seek_next_line(&mut self) -> Option<()> {
        let line = self.scanner.line;
        // A plain scalar or a block scalar has gone beyond its line itself.
        let beyond = self.scanner.simple_key_allowed;
        self.seek_content()?;
        (beyond || self.scanner.line != line || self.scanner.at_end()).then_some(())
    }

    /// Counts a node; nothing when there are too many.
    fn count(&mut self) -> Option<()> {
        self.nodes_left = self.nodes_left.checked_sub(1)?;
        Some(())
    }

    fn null(&mut self) -> Option<B::Value> {
        self.count()?;
        Some(self.builder.null())
    }

    fn at_entry(&self) -> bool {
        self.scanner.byte(0) == b'-' && self.scanner.at_blankz(1)
    }

    /// The node that starts here, within a collection of the given indent; afterwards the scanner is at the content of
    /// the next line.
    fn node(&mut self, outer: isize, depth: usize) -> Option<Found<B::Value>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let column = self.scanner.column() as isize;
        if self.at_entry() {
            return self.sequence(column, depth).map(Found::Collection);
        }
        self.scanner.indent = outer;
        match self.scanner.byte(0) {
            b'[' | b'{' => {
                let value = self.flow(depth)?;
                self.seek_next_line()?;
                Some(Found::Scalar(value))
            }
            b'|' | b'>' => {
                let value = self.block_scalar()?;
                self.seek_next_line()?;
                Some(Found::Scalar(value))
            }
            _ => {
                let from = (self.scanner.pos, self.scanner.line);
                let text = self.scalar()?;
                if self.at_colon() {
                    let key = self.key(text, from)?;
                    return self.mapping(column, key, depth).map(Found::Collection);
                }
                let value = self.value_of(text);
                self.seek_next_line()?;
                Some(Found::Scalar(value))
            }
        }
    }

    fn mapping(&mut self, indent: isize, first: Key<'a>, depth: usize) -> Option<B::Value> {
        self.count()?;
        let mut map = self.builder.begin_map(0);
        let mut key = first;
        loop {
            let value = self.mapping_value(indent, depth)?;
            self.builder.insert(&mut map, key, value);
            let column = self.scanner.column() as isize;
            if self.scanner.at_end() || column < indent {
                return Some(self.builder.end_map(map));
            }
            if column > indent || self.at_entry() {
                return None;
            }
            self.scanner.indent = indent;
            let from = (self.scanner.pos, self.scanner.line);
            let text = self.scalar()?;
            if !self.at_colon() {
                return None;
            }
            key = self.key(text, from)?;
        }
    }

    /// What follows a key's colon.
    fn mapping_value(&mut self, indent: isize, depth: usize) -> Option<B::Value> {
        let line = self.scanner.line;
        self.scanner.skip(1);
        self.seek_content()?;
        self.scanner.indent = indent;
        if self.scanner.line == line && !self.scanner.at_end() {
            return self.inline(depth);
        }
        let column = self.scanner.column() as isize;
        if self.scanner.at_end() || column < indent {
            return self.null();
        }
        if column > indent {
            return match self.node(indent, depth + 1)? {
                Found::Collection(value) | Found::Scalar(value) => Some(value),
            };
        }
        if self.at_entry() {
            return self.sequence(indent, depth + 1);
        }
        self.null()
    }

    /// A value on its key's line, where no block collection may start.
    fn inline(&mut self, depth: usize) -> Option<B::Value> {
        if self.at_entry() {
            return None;
        }
        let value = match self.scanner.byte(0) {
            b'[' | b'{' => self.flow(depth)?,
            b'|' | b'>' => self.block_scalar()?,
            _ => {
                let text = self.scalar()?;
                if self.at_colon() {
                    return None;
                }
                self.value_of(text)
            }
        };
        self.seek_next_line()?;
        Some(value)
    }

    /// A block sequence; one that stands at its key's own indent ends with the first line that is no entry.
    fn sequence(&mut self, indent: isize, depth: usize) -> Option<B::Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.count()?;
        let mut seq = self.builder.begin_seq(0);
        loop {
            let line = self.scanner.line;
            self.scanner.skip(1);
            self.seek_content()?;
            let column = self.scanner.column() as isize;
            let value = if self.scanner.at_end() || self.scanner.line != line && column <= indent {
                self.null()?
            } else {
                match self.node(indent, depth + 1)? {
                    Found::Collection(value) | Found::Scalar(value) => value,
                }
            };
            self.builder.push(&mut seq, value);
            let column = self.scanner.column() as isize;
            if self.scanner.at_end() || column < indent || column == indent && !self.at_entry() {
                return Some(self.builder.end_seq(seq));
            }
            if column > indent {
                return None;
            }
        }
    }

    /// A scalar that is no block scalar; nothing for what else may stand there.
    fn scalar(&mut self) -> Option<Text<'a>> {
        self.count()?;
        let s = &mut self.scanner;
        s.simple_key_allowed = false;
        let kind = match s.byte(0) {
            b'"' => s.scan_double_quoted(),
            b'\'' => s.scan_single_quoted(),
            b'?' | b':' | b'-' if s.flow_level > 0 || s.at_blankz(1) => return None,
            b'[' | b']' | b'{' | b'}' | b',' | b'*' | b'&' | b'!' | b'|' | b'>' | b'#' | b'%' | b'@'
            | b'`' | b'\t' | 0 => return None,
            _ => s.scan_plain(),
        };
        match kind.ok()? {
            Kind::Scalar { value, plain } => Some(Text { value, plain }),
            _ => None,
        }
    }

    fn block_scalar(&mut self) -> Option<B::Value> {
        self.count()?;
        let literal = self.scanner.byte(0) == b'|';
        let kind = self.scanner.scan_block_scalar(literal).ok()?;
        self.scanner.simple_key_allowed = true;
        match kind {
            Kind::Scalar { value, .. } => Some(self.builder.str(value)),
            _ => None,
        }
    }

    fn value_of(&mut self, text: Text<'a>) -> B::Value {
        if !text.plain {
            return self.builder.str(text.value);
        }
        match resolve::resolve_plain(&text.value) {
            Resolved::Null => self.builder.null(),
            Resolved::Bool(value) => self.builder.bool(value),
            Resolved::Int(value) => self.builder.int(value),
            Resolved::Uint(value) => self.builder.uint(value),
            Resolved::Float(value) => self.builder.float(value),
            Resolved::Str | Resolved::Timestamp | Resolved::Binary => self.builder.str(text.value),
        }
    }

    fn at_colon(&self) -> bool {
        self.scanner.byte(0) == b':' && self.scanner.at_blankz(1)
    }

    /// A key that began at `from`. Those that are no strings, and merges, are for the whole reader.
    fn key(&self, text: Text<'a>, from: (usize, u32)) -> Option<Key<'a>> {
        let (pos, line) = from;
        let short = self.scanner.line == line && self.scanner.pos - pos <= MAX_KEY_BYTES;
        let string = !text.plain
            || text.value != "<<"
                && resolve::resolve_plain(&text.value) == Resolved::Str
                && !text.value.is_empty();
        (short && string).then_some(Key::Str(text.value))
    }

    /// A flow collection on one line.
    fn flow(&mut self, depth: usize) -> Option<B::Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.count()?;
        let map = self.scanner.byte(0) == b'{';
        self.scanner.flow_level += 1;
        self.scanner.skip(1);
        let value = if map {
            self.flow_mapping(depth)
        } else {
            self.flow_sequence(depth)
        }?;
        self.scanner.flow_level -= 1;
        self.scanner.simple_key_allowed = false;
        Some(value)
    }

    fn flow_sequence(&mut self, depth: usize) -> Option<B::Value> {
        let mut seq = self.builder.begin_seq(0);
        loop {
            self.skip_spaces();
            if self.scanner.byte(0) == b']' {
                self.scanner.skip(1);
                return Some(self.builder.end_seq(seq));
            }
            let value = self.flow_value(depth)?;
            self.builder.push(&mut seq, value);
            self.flow_separator(b']')?;
        }
    }

    fn flow_mapping(&mut self, depth: usize) -> Option<B::Value> {
        let mut map = self.builder.begin_map(0);
        loop {
            self.skip_spaces();
            if self.scanner.byte(0) == b'}' {
                self.scanner.skip(1);
                return Some(self.builder.end_map(map));
            }
            let from = (self.scanner.pos, self.scanner.line);
            let text = self.scalar()?;
            // After quotes, nothing need follow the colon.
            if self.scanner.byte(0) != b':' {
                return None;
            }
            let key = self.key(text, from)?;
            self.scanner.skip(1);
            self.skip_spaces();
            let value = self.flow_value(depth)?;
            self.builder.insert(&mut map, key, value);
            self.flow_separator(b'}')?;
        }
    }

    fn flow_value(&mut self, depth: usize) -> Option<B::Value> {
        if matches!(self.scanner.byte(0), b'[' | b'{') {
            return self.flow(depth + 1);
        }
        let line = self.scanner.line;
        let text = self.scalar()?;
        (self.scanner.line == line).then(|| self.value_of(text))
    }

    /// Moves over a comma, or to the bracket that closes.
    fn flow_separator(&mut self, close: u8) -> Option<()> {
        self.skip_spaces();
        match self.scanner.byte(0) {
            b',' => {
                self.scanner.skip(1);
                Some(())
            }
            byte => (byte == close).then_some(()),
        }
    }

    fn skip_spaces(&mut self) {
        while self.scanner.byte(0) == b' ' {
            self.scanner.skip(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, build_whole};
    use super::read;
    use crate::limits::Limits;
    use crate::value::{Value, ValueBuilder};

    fn direct(text: &str) -> Option<Value> {
        read(text, &Limits::default(), &mut ValueBuilder::default())
    }

    fn whole(text: &str) -> Option<Value> {
        build_whole(text, &Options::default(), &mut ValueBuilder::default())
            .ok()
            .flatten()
    }

    const PLAIN: [&str; 12] = [
        "a: 1\nb: yes\n",
        "# head\n\nkind: ConfigMap\ndata:\n  a.txt: |\n    x\n      y\n\n    z\n  b: >-\n    folded\n    text\nc:\n",
        "list:\n- a\n- b: 1\n  c: 2\n-\n- - x\n  - y\nafter: ~\n",
        "list:\n  - a\n  -\n    k: v\n",
        "- 'it''s'\n- \"q\\n\\u00e9\"\n- plain text, with: no\n",
        "description: one\n  two\n\n  three # comment\nnext: [a, 'b', {c: 1, \"d\":[ ]}, ]\nempty: {}\n",
        "\"quoted key\": v\n'other': w\nurl: http://x:80/y?z#w\n",
        "a: \"x\"  # c\nb:   \n  c:\n    d: -1\n  e: 0644\n",
        "a:\n  b\nc:\n  'd'\n",
        "a: |+\n  x\n\n\nb: |2\n   y\nc: |-\n  z",
        "é: ü\nü: 日本\n",
        "a: 1\na: 2\n",
    ];

    #[test]
    fn reads_what_is_common() {
        for text in PLAIN {
            let value = direct(text);
            assert!(value.is_some(), "left to the whole reader: {text:?}");
            assert_eq!(value, whole(text), "{text:?}");
        }
    }

    #[test]
    fn leaves_the_rest_to_the_whole_reader() {
        for text in [
            "",
            "scalar\n",
            "---\na: 1\n",
            "a: 1\n---\nb: 2\n",
            "%YAML 1.1\n---\na: 1\n",
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "<<: {a: 1}\n",
            "1: a\n",
            "? a\n: b\n",
            "a: b: c\n",
            "a:\n\tb: 1\n",
            "a: [1\n",
            "a: 'x\n",
            "- a\nb: 1\n",
            "a: 1\n  b: 2\n",
            "a: - b\n",
            "a: {b}\n",
            "a: @x\n",
            "  a: 1\n",
            "a: 1 \u{1}\n",
        ] {
            assert_eq!(direct(text), None, "{text:?}");
        }
    }

    /// Texts cut and joined anywhere: what this reads, the whole reader reads alike.
    #[test]
    fn agrees_with_the_whole_reader() {
        let pieces = [
            "a: ", "b:\n", "- ", "  ", "\n", "x", "'y'", "\"z\"", "|\n", ">-\n", "[", "]", "{", "}", ",",
            ": ", "#", " #", "1", "~", "true", "key", "?", "&a ", "*a", "!t ", "---\n", "\t", "    ", "é",
            "- - ", "c: d\n", "\r\n", "...", "<<: ", "%", "\\", "=", "\u{85}", "\u{2028}",
        ];
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut both = 0;
        for _ in 0..60_000 {
            let mut text = String::new();
            if random(2) == 0 {
                text.push_str(PLAIN[random(PLAIN.len())]);
                for _ in 0..=random(3) {
                    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                    let at = places[random(places.len())];
                    if random(2) == 0 {
                        text.remove(at);
                    } else {
                        text.insert_str(at, pieces[random(pieces.len())]);
                    }
                    if text.is_empty() {
                        break;
                    }
                }
            } else {
                for _ in 0..=random(14) {
                    text.push_str(pieces[random(pieces.len())]);
                }
            }
            if let Some(value) = direct(&text) {
                assert_eq!(Some(value), whole(&text), "{text:?}");
                both += 1;
            }
        }
        assert!(both > 10_000, "only {both} texts were read directly");
    }
}
