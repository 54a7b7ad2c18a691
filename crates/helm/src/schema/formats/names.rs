//! Addresses and names: `email`, `hostname`, `ipv4`, `ipv6`, `uri` and what is like it.

use std::net::Ipv6Addr;

use helmapp_gotmpl::{
    sprig::url_scheme_and_host,
    strconv::{atoi, quote_rune},
};

use super::{Checked, refuse, within};

pub(super) fn email(text: &str) -> Checked {
    if text.len() > 254 {
        return refuse("more than 255 characters long");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return refuse("missing @");
    };
    if local.len() > 64 {
        return refuse("local part more than 64 characters long");
    }
    // A quote at the start is enough: what stands in the place of the other goes unseen.
    let quoted = local.strip_prefix('"').filter(|rest| !rest.is_empty());
    match quoted.map(|rest| rest.as_bytes().split_last().map_or(&[][..], |(_, inner)| inner)) {
        Some(inner) if inner.contains(&b'\\') || inner.contains(&b'"') => {
            return refuse("backslash and quote are not allowed within quoted local part");
        }
        Some(_) => {}
        None => unquoted(local)?,
    }
    match domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => within("invalid ipv6 address", ipv6(address)),
            None => within("invalid ipv4 address", ipv4(address)),
        },
        None => within("invalid domain", hostname(domain)),
    }
}

fn unquoted(local: &str) -> Checked {
    if local.starts_with('.') {
        return refuse("starts with dot");
    }
    if local.ends_with('.') {
        return refuse("ends with dot");
    }
    if local.contains("..") {
        return refuse("consecutive dots");
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(*c);
    only(local, allowed)
}

pub(super) fn hostname(text: &str) -> Checked {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > 253 {
        return refuse("more than 253 characters long");
    }
    for label in text.split('.') {
        if !(1..=63).contains(&label.len()) {
            return refuse("label must be 1 to 63 characters long");
        }
        if label.starts_with('-') {
            return refuse("label starts with hyphen");
        }
        if label.ends_with('-') {
            return refuse("label ends with hyphen");
        }
        only(label, |c| c.is_ascii_alphanumeric() || *c == '-')?;
    }
    Ok(())
}

fn only(text: &str, allowed: impl Fn(&char) -> bool) -> Checked {
    match text.chars().find(|c| !allowed(c)) {
        Some(other) => Err(format!("invalid character {}", quote_rune(other))),
        None => Ok(()),
    }
}

pub(super) fn ipv4(text: &str) -> Checked {
    let groups: Vec<&str> = text.split('.').collect();
    if groups.len() != 4 {
        return refuse("expected four decimals");
    }
    for group in groups {
        if group.len() > 1 && group.starts_with('0') {
            return refuse("leading zeros");
        }
        match atoi(group.as_bytes()) {
            Ok(0..=255) => {}
            Ok(_) => return refuse("decimal must be between 0 and 255"),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

pub(super) fn ipv6(text: &str) -> Checked {
    if !text.contains(':') {
        return refuse("missing colon");
    }
    let is_address = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() && is_address(address) => {
            refuse("zone id is not a part of ipv6 address")
        }
        None if is_address(text) => Ok(()),
        _ => refuse(""),
    }
}

pub(super) fn uri(text: &str) -> Checked {
    let (scheme, host) = url_scheme_and_host(text).map_err(|error| error.to_string())?;
    brackets(&host)?;
    match scheme.is_empty() {
        true => refuse("relative url"),
        false => Ok(()),
    }
}

pub(super) fn uri_reference(text: &str) -> Checked {
    if text.contains('\\') {
        return refuse("contains \\");
    }
    let (_, host) = url_scheme_and_host(text).map_err(|error| error.to_string())?;
    brackets(&host)
}

/// Only an address in brackets may have colons, besides that of the port.
fn brackets(host: &str) -> Checked {
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) if address.contains(':') => within("invalid ipv6 address", ipv6(address)),
        None if name.contains(':') && !(host.contains('[') && host.contains(']')) => {
            refuse("ipv6 address not enclosed in brackets")
        }
        None if name.contains(':') => within("invalid ipv6 address", ipv6(name)),
        _ => Ok(()),
    }
}
