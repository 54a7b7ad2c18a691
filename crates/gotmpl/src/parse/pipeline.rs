//! Pipelines, commands and operands: what stands inside an action.

use crate::parse::ast::{Command, Operand, Pipe};
use crate::parse::number::Number;
use crate::parse::parser::{Parser, Result};
use crate::parse::token::Kind;
use crate::strconv;

impl<'s> Parser<'s, '_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe<'s>> {
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
        self.count(1)?;
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(node));
        }
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.next().text.trim_start_matches('.'));
            self.count(1)?;
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
                // Many variables make each mention of one cost more.
                self.count(self.vars.len() / 64)?;
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
                    Kind::Complex => Number::pair(token.text),
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
