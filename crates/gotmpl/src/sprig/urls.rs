//! URLs, taken apart and put together as Go's `net/url` does.

use crate::error::Error;
use crate::exec::State;
use crate::func::Functions;
use crate::strconv::quote;
use crate::value::{Map, MapType, Str, Value};

use super::address::{Address, parse_address};
use super::cast::kind_name;
use super::options::Options;
use super::panics;
use super::text::find;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    let strict = options.strict_colons;
    funcs.add("urlParse", move |state: &mut State, text: Str| {
        state.spend(URL_STEPS + text.len() as u64 / 8)?;
        let url =
            parse(text.as_bytes(), strict).map_err(|e| Error::new(format!("unable to parse url: {e}")))?;
        Ok::<_, Error>(url.into_dict())
    });
    funcs.add("urlJoin", |state: &mut State, d: Map| {
        state.spend(URL_STEPS)?;
        url_join(&d)
    });
}

/// What the parts of a URL count for, beside their bytes.
const URL_STEPS: u64 = 20;

/// What is escaped depends on the part of a URL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

fn should_escape(c: u8, part: Part) -> bool {
    match c {
        b'-' | b'_' | b'.' | b'~' => false,
        _ if c.is_ascii_alphanumeric() => false,
        b'!' | b'(' | b')' | b'*' if matches!(part, Part::Host | Part::Zone | Part::Fragment) => false,
        b'\'' | b'[' | b']' | b'<' | b'>' | b'"' if matches!(part, Part::Host | Part::Zone) => false,
        b'$' | b'&' | b'+' | b',' | b';' | b'=' => false,
        b':' => part == Part::User,
        b'/' => !matches!(part, Part::Path | Part::Fragment),
        b'@' => !matches!(part, Part::Path | Part::Fragment),
        b'?' => part != Part::Fragment,
        _ => true,
    }
}

fn escape(text: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text {
        if should_escape(*c, part) {
            out.extend_from_slice(format!("%{c:02X}").as_bytes());
        } else {
            out.push(*c);
        }
    }
    out
}

fn hex(c: Option<&u8>) -> Option<u8> {
    c.and_then(|c| char::from(*c).to_digit(16)).map(|d| d as u8)
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let in_host = matches!(part, Part::Host | Part::Zone);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text.get(at) {
        if *c != b'%' {
            if in_host && c.is_ascii() && should_escape(*c, part) {
                return Err(format!("invalid character {} in host name", quote(&[*c])));
            }
            out.push(*c);
            at += 1;
            continue;
        }
        let sequence = text.get(at..text.len().min(at + 3)).unwrap_or_default();
        let bad = || format!("invalid URL escape {}", quote(sequence));
        let (Some(high), Some(low)) = (hex(text.get(at + 1)), hex(text.get(at + 2))) else {
            return Err(bad());
        };
        let byte = high << 4 | low;
        // In a host only bytes outside ASCII are escaped; `%25` introduces a zone.
        let allowed = match part {
            Part::Host => high >= 8 || sequence == b"%25",
            Part::Zone => sequence == b"%25" || byte == b' ' || !should_escape(byte, Part::Host),
            _ => true,
        };
        if !allowed {
            return Err(bad());
        }
        out.push(byte);
        at += 3;
    }
    Ok(out)
}

#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
}

struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl User {
    fn text(&self) -> Vec<u8> {
        let mut out = escape(&self.name, Part::User);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Part::User));
        }
        out
    }
}

fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// The scheme and the host of an address, with its port; either may be empty. Of several colons in a host the last begins
/// the port, as Go had it before 1.26.
///
/// # Errors
/// Why Go's net/url does not take it, in its words.
pub fn url_scheme_and_host(text: &str) -> Result<(String, String), Error> {
    let url = parse(text.as_bytes(), false).map_err(Error::new)?;
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((lossy(&url.scheme), lossy(&url.host)))
}

fn parse(text: &[u8], strict_colons: bool) -> Result<Url, String> {
    let (before, fragment) = cut(text, b'#');
    let mut url =
        parse_without_fragment(before, strict_colons).map_err(|e| format!("parse {}: {e}", quote(before)))?;
    if let Some(fragment) = fragment {
        url.fragment =
            unescape(fragment, Part::Fragment).map_err(|e| format!("parse {}: {e}", quote(text)))?;
    }
    Ok(url)
}

fn parse_without_fragment(text: &[u8], strict_colons: bool) -> Result<Url, String> {
    if text.iter().any(u8::is_ascii_control) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    if text == b"*" {
        url.path = text.to_vec();
        return Ok(url);
    }
    let (scheme, rest) = split_scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (mut rest, query) = cut(rest, b'?');
    url.query = query.unwrap_or_default().to_vec();
    if !rest.starts_with(b"/") {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_vec();
            return Ok(url);
        }
        if cut(rest, b'/').0.contains(&b':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    if let Some(after) = rest.strip_prefix(b"//")
        && (!url.scheme.is_empty() || !after.starts_with(b"/"))
    {
        let end = memchr::memchr(b'/', after).unwrap_or(after.len());
        let (authority, path) = after.split_at_checked(end).unwrap_or((after, &[]));
        rest = path;
        let strict = strict_colons && matches!(&url.scheme[..], b"http" | b"https");
        (url.user, url.host) = parse_authority(authority, strict)?;
    }
    url.path = unescape(rest, Part::Path)?;
    Ok(url)
}

fn split_scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (i, c) in text.iter().enumerate() {
        match c {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => {
                return Ok((
                    text.get(..i).unwrap_or_default(),
                    text.get(i + 1..).unwrap_or_default(),
                ));
            }
            _ => break,
        }
    }
    Ok((&[], text))
}

fn parse_authority(authority: &[u8], strict: bool) -> Result<(Option<User>, Vec<u8>), String> {
    let Some(at) = memchr::memrchr(b'@', authority) else {
        return Ok((None, parse_host(authority, strict)?));
    };
    let host = parse_host(authority.get(at + 1..).unwrap_or_default(), strict)?;
    let info = authority.get(..at).unwrap_or_default();
    if !info
        .iter()
        .all(|c| c.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(c))
    {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let (name, password) = cut(info, b':');
    let name = unescape(name, Part::User)?;
    let password = password.map(|p| unescape(p, Part::User)).transpose()?;
    Ok((Some(User { name, password }), host))
}

fn check_port(port: &[u8]) -> Result<(), String> {
    let valid = match port.split_first() {
        None => true,
        Some((first, digits)) => *first == b':' && digits.iter().all(u8::is_ascii_digit),
    };
    if valid {
        Ok(())
    } else {
        Err(format!("invalid port {} after host", quote(port)))
    }
}

fn parse_host(host: &[u8], strict: bool) -> Result<Vec<u8>, String> {
    match memchr::memrchr(b'[', host) {
        Some(0) => return parse_ip_literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    if let Some(first) = memchr::memchr(b':', host) {
        // Of several colons the first is the port's, or the last.
        let colon = if strict {
            Some(first)
        } else {
            memchr::memrchr(b':', host)
        };
        check_port(host.get(colon.unwrap_or(first)..).unwrap_or_default())?;
    }
    unescape(host, Part::Host)
}

fn parse_ip_literal(host: &[u8]) -> Result<Vec<u8>, String> {
    let Some(close) = memchr::memrchr(b']', host) else {
        return Err("missing ']' in host".to_owned());
    };
    let port = host.get(close + 1..).unwrap_or_default();
    check_port(port)?;
    let port = unescape(port, Part::Host)?;
    let name = host.get(1..close).unwrap_or_default();
    let name = match find(name, b"%25") {
        Some(zone) => {
            let (address, zone) = name.split_at_checked(zone).unwrap_or((name, &[]));
            [unescape(address, Part::Host)?, unescape(zone, Part::Zone)?].concat()
        }
        None => unescape(name, Part::Host)?,
    };
    match parse_address(&name).map_err(|problem| format!("invalid host: {problem}"))? {
        Address::V4 => Err("invalid IP-literal".to_owned()),
        Address::V6 => Ok([b"[", &name[..], b"]", &port[..]].concat()),
    }
}

impl Url {
    fn hostname(&self) -> &[u8] {
        let mut host = &self.host[..];
        if let Some(colon) = memchr::memrchr(b':', host)
            && check_port(host.get(colon..).unwrap_or_default()).is_ok()
        {
            host = host.get(..colon).unwrap_or_default();
        }
        host.strip_prefix(b"[")
            .and_then(|h| h.strip_suffix(b"]"))
            .unwrap_or(host)
    }

    fn into_dict(self) -> Map {
        let user = self.user.as_ref().map(User::text).unwrap_or_default();
        let hostname = self.hostname().to_vec();
        let entries = [
            ("scheme", self.scheme),
            ("host", self.host),
            ("hostname", hostname),
            ("path", self.path),
            ("query", self.query),
            ("opaque", self.opaque),
            ("fragment", self.fragment),
            ("userinfo", user),
        ];
        let entries = entries.map(|(key, text)| (Str::from_static(key), Value::String(Str::from(text))));
        Map::with_entries(&MapType::ANY, entries.into())
    }

    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            let authority = !self.host.is_empty() || self.user.is_some();
            if authority || !self.scheme.is_empty() && !self.path.is_empty() {
                out.extend_from_slice(b"//");
            }
            if let Some(user) = &self.user {
                out.extend(user.text());
                out.push(b'@');
            }
            out.extend(escape(&self.host, Part::Host));
            let path = if self.path == b"*" {
                self.path.clone()
            } else {
                escape(&self.path, Part::Path)
            };
            if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
                out.push(b'/');
            }
            if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
                out.extend_from_slice(b"./");
            }
            out.extend(path);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Part::Fragment));
        }
        out
    }
}

fn url_join(d: &Map) -> Result<Str, Error> {
    let part = |key: &str| match d.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Nil) => Err(panics::nil_pointer()),
        Some(value) => match value.underlying().as_str() {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => Err(Error::new(format!(
                "unable to parse {key} key, must be of type string, but {} found",
                kind_name(&value)
            ))),
        },
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        user: None,
    };
    let user = part("userinfo")?;
    if !user.is_empty() {
        let text = [b"proto://", &user[..], b"@host"].concat();
        let parsed =
            parse(&text, false).map_err(|e| Error::new(format!("unable to parse userinfo in dict: {e}")))?;
        url.user = parsed.user;
    }
    Ok(Str::from(url.text()))
}
