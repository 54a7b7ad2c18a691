//! IP addresses in texts, refused in the words of Go's `net/netip`.

use crate::strconv::quote;

/// Which kind of address a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    V4,
    V6,
}

/// What is wrong, and from where on.
type Wrong<'a> = (&'static str, &'a [u8]);

/// Go's `netip.ParseAddr`.
pub(super) fn parse_address(text: &[u8]) -> Result<Address, String> {
    let parsed = match text.iter().find(|b| matches!(b, b'.' | b':' | b'%')) {
        Some(b'.') => v4(text).map(|()| Address::V4),
        Some(b':') => v6(text).map(|()| Address::V6),
        Some(_) => Err(("missing IPv6 address", &[][..])),
        None => Err(("unable to parse IP", &[][..])),
    };
    parsed.map_err(|(what, at)| {
        let at = if at.is_empty() {
            String::new()
        } else {
            format!(" (at {})", quote(at))
        };
        format!("ParseAddr({}): {what}{at}", quote(text))
    })
}

fn v4(text: &[u8]) -> Result<(), Wrong<'_>> {
    let (mut value, mut digits, mut dots) = (0u32, 0, 0);
    for (i, byte) in text.iter().enumerate() {
        let here = text.get(i..).unwrap_or_default();
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", &[]));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", &[]));
                }
            }
            b'.' if digits == 0 || here.len() == 1 => {
                return Err(("IPv4 field must have at least one digit", here));
            }
            b'.' if dots == 3 => return Err(("IPv4 address too long", &[])),
            b'.' => (value, digits, dots) = (0, 0, dots + 1),
            _ => return Err(("unexpected character", here)),
        }
    }
    if dots < 3 {
        return Err(("IPv4 address too short", &[]));
    }
    Ok(())
}

/// Groups of an address that has no `::`.
const GROUPS: usize = 8;

fn v6(text: &[u8]) -> Result<(), Wrong<'_>> {
    let zone = text.iter().position(|b| *b == b'%');
    if zone.is_some_and(|zone| zone + 1 == text.len()) {
        return Err(("zone must be a non-empty string", &[]));
    }
    let mut rest = text.get(..zone.unwrap_or(text.len())).unwrap_or(text);
    let mut ellipsis = false;
    if let Some(behind) = rest.strip_prefix(b"::") {
        if behind.is_empty() {
            return Ok(());
        }
        (rest, ellipsis) = (behind, true);
    }
    let mut groups = 0;
    while groups < GROUPS {
        let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let behind = rest.get(digits..).unwrap_or_default();
        if digits > 4 {
            return Err(("each group must have 4 or less digits", rest));
        }
        if digits == 0 {
            return Err(("each colon-separated field must have at least one digit", rest));
        }
        if behind.starts_with(b".") {
            if !ellipsis && groups != GROUPS - 2 {
                return Err((
                    "embedded IPv4 address must replace the final 2 fields of the address",
                    rest,
                ));
            }
            if groups + 2 > GROUPS {
                return Err((
                    "too many hex fields to fit an embedded IPv4 at the end of the address",
                    rest,
                ));
            }
            v4(rest)?;
            (rest, groups) = (&[], groups + 2);
            break;
        }
        groups += 1;
        rest = match behind {
            [] => behind,
            [b':'] => return Err(("colon must be followed by more characters", behind)),
            [b':', b':', ..] if ellipsis => {
                return Err(("multiple :: in address", behind.get(1..).unwrap_or_default()));
            }
            [b':', b':', after @ ..] => {
                ellipsis = true;
                after
            }
            [b':', after @ ..] => after,
            _ => return Err(("unexpected character, want colon", behind)),
        };
        if rest.is_empty() {
            break;
        }
    }
    match (groups, ellipsis) {
        _ if !rest.is_empty() => Err(("trailing garbage after address", rest)),
        (..GROUPS, false) => Err(("address string too short", &[])),
        (GROUPS.., true) => Err(("the :: must expand to at least one field of zeros", &[])),
        _ => Ok(()),
    }
}
