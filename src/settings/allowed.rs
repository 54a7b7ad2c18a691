//! Hosts and networks that charts are downloaded from although they are not public.

use std::{net::IpAddr, str::FromStr};

/// A host, or the addresses of a network, that charts may be downloaded from although they are not public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A host by its name, whatever that resolves to.
    Host(String),
    /// All addresses whose first `bits` are those of `address`.
    Network { address: IpAddr, bits: u8 },
}

/// Why a text is not an [`Allowed`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a host name nor an address or a network, such as charts.example.com, 10.1.2.3 or 10.0.0.0/8"
)]
pub struct AllowedError(String);

impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let refuse = || AllowedError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| refuse())?)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(most);
            return if bits <= most {
                Ok(Self::Network { address, bits })
            } else {
                Err(refuse())
            };
        }
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bits.is_some() || text.is_empty() || !text.chars().all(of_a_name) {
            return Err(refuse());
        }
        Ok(Self::Host(text.to_ascii_lowercase()))
    }
}

impl Allowed {
    /// Whether it is the host of this name.
    pub(crate) fn has_host(&self, name: &str) -> bool {
        matches!(self, Self::Host(host) if host.eq_ignore_ascii_case(name))
    }

    /// Whether the address is in the network.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        match (self, address) {
            (
                Self::Network {
                    address: IpAddr::V4(network),
                    bits,
                },
                IpAddr::V4(address),
            ) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(*bits)
            }
            (
                Self::Network {
                    address: IpAddr::V6(network),
                    bits,
                },
                IpAddr::V6(address),
            ) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(*bits)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_a_host_an_address_or_a_network() {
        let network = |address: &str, bits| {
            Ok(Allowed::Network {
                address: address.parse().unwrap(),
                bits,
            })
        };
        let refused = |text: &str| Err(AllowedError(text.to_owned()));
        for (text, expected) in [
            (
                "Charts.svc.local",
                Ok(Allowed::Host("charts.svc.local".to_owned())),
            ),
            ("10.0.0.0/8", network("10.0.0.0", 8)),
            ("10.1.2.3", network("10.1.2.3", 32)),
            ("fd00::/8", network("fd00::", 8)),
            ("::1", network("::1", 128)),
            ("0.0.0.0/0", network("0.0.0.0", 0)),
            ("10.0.0.0/33", refused("10.0.0.0/33")),
            ("charts.example/8", refused("charts.example/8")),
            ("http://charts.example", refused("http://charts.example")),
            ("", refused("")),
        ] {
            assert_eq!(text.parse::<Allowed>(), expected, "{text}");
        }
    }
}
