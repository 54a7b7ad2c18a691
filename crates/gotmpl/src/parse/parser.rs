//! From tokens to syntax trees.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Place};
use crate::limits::Limit;
use crate::parse::MAX_PARSE_DEPTH;
use crate::parse::ast::{Branch, BranchKind, Command, List, Node, Operand, Pipe, TemplateCall, Tree};
use crate::parse::lexer::Lexer;
use crate::parse::number::Number;
use crate::parse::token::{Kind, Token};
use crate::strconv;
use crate::value::Str;

/// The templates of one source, by name.
pub(crate) type Parsed<'s> = HashMap<String, Tree<'s>>;

/// Parses a source into its own template, named `name`, and those it defines. `has_function` tells
/// which identifiers are functions.
pub(crate) fn parse<'s>(
    name: &Arc<str>,
    source: &'s str,
    has_function: &dyn Fn(&str) -> bool,
) -> Result<Parsed<'s>, Error> {
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
        trees: HashMap::new(),
    };
    let root = parser.top()?;
    parser.add(Tree {
        name: name.to_string(),
        root,
    })?;
    Ok(parser.trees)
}

struct Parser<'s, 'f> {
    file: Arc<str>,
    source: &'s str,
    has_function: &'f dyn Fn(&str) -> bool,
    lexer: Lexer<'s>,
    /// Three tokens of look-ahead; the first `peeked` of them are to be read again, from the last.
    tokens: [Token<'s>; 3],
    peeked: usize,
    /// The variables that a pipeline may name here.
    vars: Vec<&'s str>,
    action_line: u32,
    range_depth: u32,
    depth: usize,
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

type Result<T, E = Error> = std::result::Result<T, E>;

impl<'s> Parser<'s, '_> {
    fn next(&mut self) -> Token<'s> {
        if self.peeked > 0 {
            self.peeked -= 1;
        } else {
            self.tokens[0] = self.lexer.next_token();
        }
        self.tokens.get(self.peeked).copied().unwrap_or(self.tokens[0])
    }

    fn backup(&mut self) {
        self.peeked += 1;
    }

    fn peek(&mut self) -> Token<'s> {
        let token = self.next();
        self.backup();
        token
    }

    fn next_non_space(&mut self) -> Token<'s> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token<'s> {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
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

    fn unexpected<T>(&self, token: Token<'s>, context: &str) -> Result<T> {
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
    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_PARSE_DEPTH {
            let message = format!("parse depth limit exceeded: nested deeper than {MAX_PARSE_DEPTH}");
            return Err(self.place(Error::limited(Limit::ParseDepth, message)));
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

    fn unquote(&mut self, token: Token<'s>) -> Result<Str> {
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

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe<'s>> {
        let pos = self.peek_non_space().pos;
        let mut pipe = Pipe {
            pos,
            assign: false,
            decl: Vec::new(),
            cmds: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => {
                    self.check_pipeline(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let cmd = self.command()?;
                    pipe.cmds.push(cmd);
                }
                _ => return self.unexpected(token, context),
            }
        }
    }

    fn declarations(&mut self, pipe: &mut Pipe<'s>, context: &str) -> Result<()> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            self.next();
            let after = self.peek();
            let next = self.peek_non_space();
            if matches!(next.kind, Kind::Assign | Kind::Declare) {
                pipe.assign = next.kind == Kind::Assign;
                self.next_non_space();
                pipe.decl.push(variable.text);
                self.vars.push(variable.text);
                return Ok(());
            }
            if next.kind == Kind::Char && next.text == "," {
                self.next_non_space();
                pipe.decl.push(variable.text);
                self.vars.push(variable.text);
                if context == "range" && pipe.decl.len() < 2 {
                    match self.peek_non_space().kind {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => continue,
                        _ => return self.fail("range can only initialize variables"),
                    }
                }
                return self.fail(format!("too many declarations in {context}"));
            }
            // An argument and no declaration: give back the variable and the space after it.
            if after.kind == Kind::Space {
                self.tokens[1] = after;
                self.tokens[2] = variable;
                self.peeked = 3;
            } else {
                self.tokens[1] = variable;
                self.peeked = 2;
            }
            return Ok(());
        }
    }

    fn check_pipeline(&self, pipe: &Pipe<'s>, context: &str) -> Result<()> {
        if pipe.cmds.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (i, cmd) in pipe.cmds.iter().enumerate().skip(1) {
            if let Some(
                Operand::Bool { .. }
                | Operand::Dot { .. }
                | Operand::Nil { .. }
                | Operand::Number { .. }
                | Operand::String { .. },
            ) = cmd.args.first()
            {
                return self.fail(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command<'s>> {
        let mut cmd = Command {
            pos: self.peek_non_space().pos,
            args: Vec::new(),
        };
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                cmd.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if cmd.args.is_empty() {
            return self.fail("empty command");
        }
        Ok(cmd)
    }

    fn operand(&mut self) -> Result<Option<Operand<'s>>> {
        let Some(mut node) = self.term()? else {
            return Ok(None);
        };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(node));
        }
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.next().text.trim_start_matches('.'));
        }
        match &mut node {
            Operand::Field { pos, names } => {
                *pos = first.pos;
                names.append(&mut fields);
            }
            Operand::Variable {
                pos, fields: names, ..
            } => {
                *pos = first.pos;
                names.append(&mut fields);
            }
            Operand::Bool { .. }
            | Operand::String { .. }
            | Operand::Number { .. }
            | Operand::Nil { .. }
            | Operand::Dot { .. } => {
                let shown = strconv::quote(node.to_string().as_bytes());
                return self.fail(format!("unexpected . after term {shown}"));
            }
            _ => {
                return Ok(Some(Operand::Chain {
                    pos: first.pos,
                    node: Box::new(node),
                    fields,
                }));
            }
        }
        Ok(Some(node))
    }

    fn term(&mut self) -> Result<Option<Operand<'s>>> {
        let token = self.next_non_space();
        let pos = token.pos;
        let operand = match token.kind {
            Kind::Identifier => {
                if !(self.has_function)(token.text) {
                    let name = strconv::quote(token.text.as_bytes());
                    return self.fail(format!("function {name} not defined"));
                }
                Operand::Identifier {
                    pos,
                    name: token.text,
                }
            }
            Kind::Dot => Operand::Dot { pos },
            Kind::Nil => Operand::Nil { pos },
            Kind::Variable => {
                if !self.vars.contains(&token.text) {
                    let name = strconv::quote(token.text.as_bytes());
                    return self.fail(format!("undefined variable {name}"));
                }
                Operand::Variable {
                    pos,
                    name: token.text,
                    fields: Vec::new(),
                }
            }
            Kind::Field => Operand::Field {
                pos,
                names: vec![token.text.trim_start_matches('.')],
            },
            Kind::Bool => Operand::Bool {
                pos,
                value: token.text == "true",
            },
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                let number = match token.kind {
                    Kind::CharConstant => Number::character(token.text),
                    Kind::Complex => Err(format!("complex numbers are not supported: {}", token.text)),
                    _ => Number::parse(token.text),
                };
                match number {
                    Ok(value) => Operand::Number {
                        pos,
                        text: token.text,
                        value,
                    },
                    Err(message) => return self.fail(message),
                }
            }
            Kind::LeftParen => {
                self.descend()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                Operand::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => {
                let value = self.unquote(token)?;
                Operand::String {
                    pos,
                    quoted: token.text,
                    value,
                }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(operand))
    }
}
