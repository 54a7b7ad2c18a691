//! Scanning directives and tags.

use super::chars::{BLANK, URI};
use super::scanner::Scanner;
use super::token::Kind;
use crate::error::Result;
use std::borrow::Cow;

impl<'a> Scanner<'a> {
    pub(super) fn scan_directive(&mut self) -> Result<Kind<'a>> {
        let line = self.line;
        self.skip(1);
        let name = self.alphas();
        if name.is_empty() {
            return Err(self.error(line, "could not find expected directive name"));
        }
        if !self.at_blankz(0) {
            return Err(self.error(line, "found unexpected non-alphabetical character"));
        }
        let kind = match name {
            "YAML" => self.scan_version(line)?,
            "TAG" => self.scan_tag_directive(line)?,
            _ => return Err(self.error(line, "found unknown directive name")),
        };
        self.finish_line(line)?;
        Ok(kind)
    }

    fn scan_version(&mut self, line: u32) -> Result<Kind<'a>> {
        self.skip_blanks();
        let major = self.scan_version_number(line)?;
        if self.byte(0) != b'.' {
            return Err(self.error(line, "did not find expected digit or '.' character"));
        }
        self.skip(1);
        let minor = self.scan_version_number(line)?;
        Ok(Kind::VersionDirective { major, minor })
    }

    fn scan_version_number(&mut self, line: u32) -> Result<u8> {
        let mut value = 0u8;
        let mut length = 0;
        while self.byte(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return Err(self.error(line, "found extremely long version number"));
            }
            value = value * 10 + (self.byte(0) - b'0');
            self.skip(1);
        }
        if length == 0 {
            return Err(self.error(line, "did not find expected version number"));
        }
        Ok(value)
    }

    fn scan_tag_directive(&mut self, line: u32) -> Result<Kind<'a>> {
        self.skip_blanks();
        let handle = self.scan_tag_handle(line)?;
        if handle != "!" && !(handle.len() > 1 && handle.ends_with('!')) {
            return Err(self.error(line, "did not find expected '!'"));
        }
        if !self.is(0, BLANK) {
            return Err(self.error(line, "did not find expected whitespace"));
        }
        self.skip_blanks();
        let prefix = self.scan_tag_uri("", line)?;
        if !self.at_blankz(0) {
            return Err(self.error(line, "did not find expected whitespace or line break"));
        }
        Ok(Kind::TagDirective { handle, prefix })
    }

    /// `!`, `!word` or `!word!`.
    fn scan_tag_handle(&mut self, line: u32) -> Result<&'a str> {
        if self.byte(0) != b'!' {
            return Err(self.error(line, "did not find expected '!'"));
        }
        let from = self.pos;
        self.skip(1);
        self.alphas();
        if self.byte(0) == b'!' {
            self.skip(1);
        }
        Ok(self.text.get(from..self.pos).unwrap_or_default())
    }

    pub(super) fn scan_tag(&mut self) -> Result<Kind<'a>> {
        let line = self.line;
        let kind = if self.byte(1) == b'<' {
            self.skip(2);
            let suffix = self.scan_tag_uri("", line)?;
            if self.byte(0) != b'>' {
                return Err(self.error(line, "did not find the expected '>'"));
            }
            self.skip(1);
            Kind::Tag { handle: "", suffix }
        } else {
            let handle = self.scan_tag_handle(line)?;
            if handle.len() > 1 && handle.ends_with('!') {
                Kind::Tag {
                    handle,
                    suffix: self.scan_tag_uri("", line)?,
                }
            } else {
                // Not a handle after all: the word is the start of the suffix.
                match self.scan_tag_uri(handle, line)? {
                    suffix if suffix.is_empty() => Kind::Tag {
                        handle: "",
                        suffix: Cow::Borrowed("!"),
                    },
                    suffix => Kind::Tag { handle: "!", suffix },
                }
            }
        };
        if !self.at_blankz(0) {
            return Err(self.error(line, "did not find expected whitespace or line break"));
        }
        Ok(kind)
    }

    /// A tag's URI. `head` is what was scanned of it before, with a leading `!` that is not part of it.
    fn scan_tag_uri(&mut self, head: &'a str, line: u32) -> Result<Cow<'a, str>> {
        let from = self.pos - head.len().saturating_sub(1);
        let mut decoded: Option<Vec<u8>> = None;
        while self.is(0, URI) {
            if self.byte(0) == b'%' {
                let mut bytes = decoded
                    .take()
                    .unwrap_or_else(|| self.bytes.get(from..self.pos).unwrap_or_default().to_vec());
                self.scan_escaped_octets(&mut bytes, line)?;
                decoded = Some(bytes);
            } else {
                if let Some(bytes) = &mut decoded {
                    bytes.push(self.byte(0));
                }
                self.skip(1);
            }
        }
        if head.is_empty() && from == self.pos {
            return Err(self.error(line, "did not find expected tag URI"));
        }
        Ok(match decoded {
            None => Cow::Borrowed(self.text.get(from..self.pos).unwrap_or_default()),
            Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    /// One character written as `%XX` octets.
    fn scan_escaped_octets(&mut self, bytes: &mut Vec<u8>, line: u32) -> Result<()> {
        let mut left = 0;
        loop {
            let digit = |ahead| char::from(self.byte(ahead)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.byte(0), digit(1), digit(2)) else {
                return Err(self.error(line, "did not find URI escaped octet"));
            };
            let octet = (high << 4 | low) as u8;
            if left == 0 {
                left = match octet {
                    0..=0x7F => 1,
                    0xC0..=0xDF => 2,
                    0xE0..=0xEF => 3,
                    0xF0..=0xF7 => 4,
                    _ => return Err(self.error(line, "found an incorrect leading UTF-8 octet")),
                };
            } else if octet & 0xC0 != 0x80 {
                return Err(self.error(line, "found an incorrect trailing UTF-8 octet"));
            }
            bytes.push(octet);
            self.skip(3);
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
    }
}
