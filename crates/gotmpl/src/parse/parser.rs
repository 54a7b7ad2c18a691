//! From tokens to syntax trees.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Place};
use crate::limits::Limit;
use crate::parse::ast::{Branch, BranchKind, List, Node, TemplateCall, Tree};
use crate::parse::lexer::Lexer;
use crate::parse::token::{Kind, Token};
use crate::parse::{MAX_PARSE_DEPTH, MAX_SOURCE_NODES};
use crate::strconv;
use crate::value::Str;

/// The templates of one source, by name.
pub(crate) type Parsed<'s> = HashMap<String, Tree<'s>>;

/// Parses a source into its own template, named `name`, and those it defines, and counts the nodes.
/// `has_function` tells which identifiers are functions.
pub(crate) fn parse<'s>(
    name: &Arc<str>,
    source: &'s str,
    has_function: &dyn Fn(&str) -> bool,
) -> Result<(Parsed<'s>, usize), Error> {
    let lexer = Lexer::new(source, !has_function("break"), !has_function("continue"));
    let eof = Token {
        kind: Kind::Eof,
        pos: 0,
        line: 1,
        text: "",
    };
    let mut parser = Parser {
        file: Arc::clone(name),
        source,
        has_function,
        lexer,
        tokens: [eof; 3],
        peeked: 0,
        vars: vec!["$"],
        action_line: 0,
        range_depth: 0,
        depth: 0,
        nodes: 0,
        trees: HashMap::new(),
    };
    let root = parser.top()?;
    parser.add(Tree {
        name: name.to_string(),
        root,
    })?;
    Ok((parser.trees, parser.nodes))
}

pub(super) struct Parser<'s, 'f> {
    file: Arc<str>,
    source: &'s str,
    pub(super) has_function: &'f dyn Fn(&str) -> bool,
    lexer: Lexer<'s>,
    /// Three tokens of look-ahead; the first `peeked` of them are to be read again, from the last.
    pub(super) tokens: [Token<'s>; 3],
    pub(super) peeked: usize,
    /// The variables that a pipeline may name here.
    pub(super) vars: Vec<&'s str>,
    action_line: u32,
    range_depth: u32,
    pub(super) depth: usize,
    nodes: usize,
    trees: Parsed<'s>,
}

/// What ends a list.
enum End {
    End,
    Else,
}

/// A node or the end of the list it would be in.
enum Item<'s> {
    Node(Node<'s>),
    End(End),
}

pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

impl<'s> Parser<'s, '_> {
    pub(super) fn next(&mut self) -> Token<'s> {
        if self.peeked > 0 {
            self.peeked -= 1;
        } else {
            self.tokens[0] = self.lexer.next_token();
        }
        self.tokens.get(self.peeked).copied().unwrap_or(self.tokens[0])
    }

    pub(super) fn backup(&mut self) {
        self.peeked += 1;
    }

    pub(super) fn peek(&mut self) -> Token<'s> {
        let token = self.next();
        self.backup();
        token
    }

    pub(super) fn next_non_space(&mut self) -> Token<'s> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    pub(super) fn peek_non_space(&mut self) -> Token<'s> {
        let token = self.next_non_space();
        self.backup();
        token
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(self.place(Error::new(message)))
    }

    fn place(&self, error: Error) -> Error {
        let line = self.tokens[0].line;
        let excerpt = self
            .source
            .lines()
            .nth(line.saturating_sub(1) as usize)
            .unwrap_or("")
            .to_string();
        error.at(Place {
            file: Arc::clone(&self.file),
            line,
            column: None,
            executing: None,
            context: String::new(),
            excerpt,
        })
    }

    pub(super) fn unexpected<T>(&self, token: Token<'s>, context: &str) -> Result<T> {
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", token.show()));
        }
        let message = &self.lexer.error;
        let mut extra = String::new();
        if self.action_line != 0 && self.action_line != token.line {
            // "unclosed action" says "action" already.
            let said = if message.ends_with(" action") {
                ""
            } else {
                " in action"
            };
            extra = format!("{said} started at {}:{}", self.file, self.action_line);
        }
        self.fail(format!("{message}{extra}"))
    }

    fn expect(&mut self, kinds: &[Kind], context: &str) -> Result<Token<'s>> {
        let token = self.next_non_space();
        if kinds.contains(&token.kind) {
            Ok(token)
        } else {
            self.unexpected(token, context)
        }
    }

    /// One level deeper, as far as the limit allows. The caller counts down again.
    pub(super) fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_PARSE_DEPTH {
            let message = format!("parse depth limit exceeded, nested deeper than {MAX_PARSE_DEPTH}");
            return Err(self.place(Error::limited(Limit::ParseDepth, message)));
        }
        Ok(())
    }

    /// Counts nodes, as far as the limit allows.
    pub(super) fn count(&mut self, nodes: usize) -> Result<()> {
        self.nodes += nodes;
        if self.nodes > MAX_SOURCE_NODES {
            let message = format!("source nodes limit exceeded, more than {MAX_SOURCE_NODES} in one source");
            return Err(self.place(Error::limited(Limit::SourceNodes, message)));
        }
        Ok(())
    }

    fn add(&mut self, tree: Tree<'s>) -> Result<()> {
        match self.trees.get(&tree.name) {
            Some(old) if !old.root.is_empty() => {
                if tree.root.is_empty() {
                    return Ok(());
                }
                let name = strconv::quote(tree.name.as_bytes());
                self.fail(format!("template: multiple definition of template {name}"))
            }
            _ => {
                self.trees.insert(tree.name.clone(), tree);
                Ok(())
            }
        }
    }

    fn top(&mut self) -> Result<List<'s>> {
        let mut nodes = Vec::new();
        loop {
            let token = self.peek();
            if token.kind == Kind::Eof {
                return Ok(List { nodes });
            }
            if token.kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.tokens[1] = delim;
                self.peeked = 2;
            }
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::End(End::End) => return self.fail("unexpected {{end}}"),
                Item::End(End::Else) => return self.fail("unexpected {{else}}"),
            }
        }
    }

    /// Runs `f` as the parser of another template: its own variables, action and ranges.
    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let vars = std::mem::replace(&mut self.vars, vec!["$"]);
        let line = std::mem::replace(&mut self.action_line, 0);
        let ranges = std::mem::replace(&mut self.range_depth, 0);
        self.descend()?;
        let out = f(self)?;
        self.depth -= 1;
        (self.vars, self.action_line, self.range_depth) = (vars, line, ranges);
        Ok(out)
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        self.nested(|p| {
            let name = p.expect(&[Kind::String, Kind::RawString], CONTEXT)?;
            let name = p.unquote(name)?;
            p.expect(&[Kind::RightDelim], CONTEXT)?;
            p.body(name, CONTEXT)
        })
    }

    /// The list and `end` of a definition or block.
    fn body(&mut self, name: Str, context: &str) -> Result<()> {
        match self.item_list()? {
            (root, End::End) => self.add(Tree {
                name: name.to_string(),
                root,
            }),
            (_, End::Else) => self.fail(format!("unexpected {{{{else}}}} in {context}")),
        }
    }

    pub(super) fn unquote(&mut self, token: Token<'s>) -> Result<Str> {
        match strconv::unquote(token.text.as_bytes()) {
            Some(bytes) => Ok(Str::from(bytes)),
            None => self.fail("invalid syntax"),
        }
    }

    fn item_list(&mut self) -> Result<(List<'s>, End)> {
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end) => return Ok((List { nodes }, end)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<Item<'s>> {
        self.count(1)?;
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text {
                pos: token.pos,
                text: token.text,
            })),
            Kind::LeftDelim => {
                self.action_line = token.line;
                let item = self.action()?;
                self.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item<'s>> {
        let token = self.next_non_space();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => self.loop_control(token)?,
            Kind::Else => {
                let next = self.peek_non_space();
                if !matches!(next.kind, Kind::If | Kind::With) {
                    self.expect(&[Kind::RightDelim], "else")?;
                }
                return Ok(Item::End(End::Else));
            }
            Kind::End => {
                self.expect(&[Kind::RightDelim], "end")?;
                return Ok(Item::End(End::End));
            }
            Kind::If => self.control(BranchKind::If)?,
            Kind::Range => self.control(BranchKind::Range)?,
            Kind::With => self.control(BranchKind::With)?,
            Kind::Template => self.template_call()?,
            _ => {
                self.backup();
                let pos = self.peek().pos;
                Node::Action {
                    pos,
                    pipe: self.pipeline("command", Kind::RightDelim)?,
                }
            }
        };
        Ok(Item::Node(node))
    }

    fn loop_control(&mut self, token: Token<'s>) -> Result<Node<'s>> {
        let context = format!("{{{{{}}}}}", token.text);
        self.expect(&[Kind::RightDelim], &context)?;
        if self.range_depth == 0 {
            return self.fail(format!("{context} outside {{{{range}}}}"));
        }
        Ok(match token.kind {
            Kind::Break => Node::Break { pos: token.pos },
            _ => Node::Continue { pos: token.pos },
        })
    }

    /// `if`, `with` or `range`, up to its end. A chain of `else if` or `else with` is gone through in a
    /// loop, so that its length is not nesting.
    fn control(&mut self, kind: BranchKind) -> Result<Node<'s>> {
        let context = match kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        self.descend()?;
        let mark = self.vars.len();
        let mut arms = Vec::new();
        let mut otherwise = None;
        loop {
            let pipe = self.pipeline(context, Kind::RightDelim)?;
            if kind == BranchKind::Range {
                self.range_depth += 1;
            }
            let (list, end) = self.item_list()?;
            if kind == BranchKind::Range {
                self.range_depth -= 1;
            }
            arms.push((pipe, list));
            if matches!(end, End::End) {
                break;
            }
            let next = self.peek().kind;
            if kind == BranchKind::If && next == Kind::If || kind == BranchKind::With && next == Kind::With {
                self.next();
                continue;
            }
            match self.item_list()? {
                (list, End::End) => otherwise = Some(list),
                (_, End::Else) => return self.fail("expected end; found {{else}}"),
            }
            break;
        }
        self.vars.truncate(mark);
        self.depth -= 1;
        Ok(Node::Branch(Box::new(Branch {
            kind,
            arms,
            otherwise,
        })))
    }

    fn block(&mut self) -> Result<Node<'s>> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let body = name.clone();
        self.nested(|p| p.body(body, CONTEXT))?;
        let name = name.to_string();
        Ok(Node::Template(Box::new(TemplateCall {
            pos: token.pos,
            name,
            pipe: Some(pipe),
        })))
    }

    fn template_call(&mut self) -> Result<Node<'s>> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?.to_string();
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        }
        Ok(Node::Template(Box::new(TemplateCall {
            pos: token.pos,
            name,
            pipe,
        })))
    }

    fn template_name(&mut self, token: Token<'s>, context: &str) -> Result<Str> {
        match token.kind {
            Kind::String | Kind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }
}
