//! File patterns of `.Files.Glob`, as gobwas/glob matches them with `/` as separator: `*` and `?` stop at `/`, `**`
//! does not, `[abc]`, `[!a-z]`, `{one,two}` and `\` as in shells.
//!
//! Matching keeps a set of positions and never backtracks, so its cost is bounded by pattern times name.

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Glob(Vec<Node>);

#[derive(Debug)]
enum Node {
    Text(Vec<char>),
    Single,
    Any,
    Super,
    Chars { not: bool, chars: Vec<char> },
    Range { not: bool, lo: char, hi: char },
    Alternatives(Vec<Vec<Node>>),
}

/// Braces may nest this deep; deeper patterns match everything, as malformed ones do.
const MAX_BRACES: usize = 16;

impl Glob {
    /// Compiles a pattern; one that is malformed matches everything, as in Helm.
    pub(super) fn new(pattern: &str) -> Glob {
        let chars: Vec<char> = pattern.chars().collect();
        let mut parser = Parser { chars: &chars, at: 0 };
        Glob(parser.sequence(0).unwrap_or_else(|| vec![Node::Super]))
    }

    /// Whether the whole name matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        // Go's matcher lets the two ends overlap: `a/**/b` matches `a/b`.
        if let [Node::Text(prefix), Node::Super, Node::Text(suffix)] = self.0.as_slice() {
            let (prefix, suffix): (String, String) = (prefix.iter().collect(), suffix.iter().collect());
            return name.starts_with(&prefix) && name.ends_with(&suffix);
        }
        let chars: Vec<char> = name.chars().collect();
        let mut start = vec![false; chars.len() + 1];
        if let Some(first) = start.first_mut() {
            *first = true;
        }
        advance(&self.0, &chars, start).last().copied().unwrap_or(false)
    }
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Nodes up to the end, or inside braces up to `,` or `}`, which stay unread.
    fn sequence(&mut self, braces: usize) -> Option<Vec<Node>> {
        if braces > MAX_BRACES {
            return None;
        }
        let mut nodes = Vec::new();
        let mut text = Vec::new();
        while let Some(c) = self.peek() {
            if braces > 0 && (c == ',' || c == '}') {
                break;
            }
            self.at += 1;
            let node = match c {
                '\\' => {
                    text.extend(self.next());
                    continue;
                }
                '?' => Node::Single,
                '*' if self.peek() == Some('*') => {
                    self.at += 1;
                    Node::Super
                }
                '*' => Node::Any,
                '[' => self.class()?,
                '{' => self.alternatives(braces + 1)?,
                other => {
                    text.push(other);
                    continue;
                }
            };
            if !text.is_empty() {
                nodes.push(Node::Text(std::mem::take(&mut text)));
            }
            nodes.push(node);
        }
        if !text.is_empty() {
            nodes.push(Node::Text(text));
        }
        Some(nodes)
    }

    fn alternatives(&mut self, braces: usize) -> Option<Node> {
        let mut all = vec![self.sequence(braces)?];
        loop {
            match self.next() {
                Some(',') => all.push(self.sequence(braces)?),
                _ => return Some(Node::Alternatives(all)),
            }
        }
    }

    fn class(&mut self) -> Option<Node> {
        let not = self.peek() == Some('!');
        if not {
            self.at += 1;
        }
        if self.chars.get(self.at + 1) == Some(&'-') {
            let lo = self.next()?;
            self.at += 1;
            let hi = self.next()?;
            return (self.next()? == ']' && lo <= hi).then_some(Node::Range { not, lo, hi });
        }
        let mut chars = Vec::new();
        loop {
            match self.next()? {
                ']' => break,
                '\\' => chars.push(self.next()?),
                other => chars.push(other),
            }
        }
        (!chars.is_empty()).then_some(Node::Chars { not, chars })
    }
}

/// The positions reachable through the nodes from the given ones. Its recursion is bounded by [`MAX_BRACES`].
fn advance(nodes: &[Node], name: &[char], mut from: Vec<bool>) -> Vec<bool> {
    for node in nodes {
        let mut to = vec![false; name.len() + 1];
        match node {
            Node::Text(text) => {
                for at in positions(&from) {
                    if name.get(at..at + text.len()) == Some(text) {
                        mark(&mut to, at + text.len());
                    }
                }
            }
            Node::Any | Node::Super => {
                let crosses = matches!(node, Node::Super);
                let mut open = false;
                for (at, reached) in from.iter().enumerate() {
                    open |= reached;
                    if open {
                        mark(&mut to, at);
                    }
                    if !crosses && name.get(at) == Some(&'/') {
                        open = false;
                    }
                }
            }
            Node::Single => step(&from, name, &mut to, |c| c != '/'),
            Node::Chars { not, chars } => step(&from, name, &mut to, |c| chars.contains(&c) != *not),
            Node::Range { not, lo, hi } => step(&from, name, &mut to, |c| (*lo..=*hi).contains(&c) != *not),
            Node::Alternatives(all) => {
                for nodes in all {
                    for at in positions(&advance(nodes, name, from.clone())) {
                        mark(&mut to, at);
                    }
                }
            }
        }
        from = to;
    }
    from
}

fn positions(set: &[bool]) -> impl Iterator<Item = usize> {
    set.iter().enumerate().filter(|(_, on)| **on).map(|(at, _)| at)
}

fn mark(set: &mut [bool], at: usize) {
    if let Some(slot) = set.get_mut(at) {
        *slot = true;
    }
}

fn step(from: &[bool], name: &[char], to: &mut [bool], fits: impl Fn(char) -> bool) {
    for at in positions(from) {
        if name.get(at).is_some_and(|c| fits(*c)) {
            mark(to, at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    /// Recorded from gobwas/glob 0.2.3 with separator `/`.
    const RECORDED: &str = include_str!("../../testdata/render/glob.json");

    #[test]
    fn matches_what_go_matches() {
        let cases: Vec<(String, Vec<String>)> = serde_json::from_str(RECORDED).unwrap();
        assert!(cases.len() > 20);
        let names: Vec<String> = cases[0].1.clone();
        for (pattern, want) in &cases[1..] {
            let glob = Glob::new(pattern);
            let got: Vec<&String> = names.iter().filter(|n| glob.matches(n)).collect();
            assert_eq!(got, want.iter().collect::<Vec<_>>(), "{pattern:?}");
        }
    }
}
