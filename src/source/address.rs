//! Where charts may be downloaded from: public addresses, and what the operator's settings add.
//!
//! The operator sees more of the network than whoever writes a HelmApp. Names are checked as they are resolved, so
//! that the addresses that were checked are those that are connected to; literal addresses are checked in the URL
//! and in every redirect.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::settings::Allowed;

/// What is between us and the address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address is not a public one")
    }
}

impl std::error::Error for NotPublic {}

/// Resolves names to the addresses that may be connected to.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    allowed: Vec<Allowed>,
}

impl Gate {
    pub(super) fn new(allowed: &[Allowed]) -> Self {
        Self {
            allowed: allowed.to_vec(),
        }
    }

    /// Checks an address that needs no resolving; names pass, as they are checked when they are resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), NotPublic> {
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            Ok(address) if !self.lets_through(address) => Err(NotPublic),
            _ => Ok(()),
        }
    }

    fn lets_through(&self, address: IpAddr) -> bool {
        is_public(address)
            || self
                .allowed
                .iter()
                .any(|allowed| allowed.has_address(address.to_canonical()))
    }

    fn has_host(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.allowed.iter().any(|allowed| allowed.has_host(name))
    }
}

impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let through: Vec<SocketAddr> = if gate.has_host(name.as_str()) {
                found.collect()
            } else {
                found.filter(|found| gate.lets_through(found.ip())).collect()
            };
            if through.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(through.into_iter()) as Addrs)
        })
    }
}

/// Whether the address is one of the Internet, not of this machine or of a network that is somebody's own.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let own = address.is_private() || address.is_loopback() || address.is_link_local();
    // This network, carriers' own addresses, IETF's and for benchmarks, multicast and what is not given out.
    let special = a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 224;
    !own && !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        // Ways to write an IPv4 address: compatible (with the unspecified address and loopback), NAT64, 6to4.
        [0, 0, 0, 0, 0, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => is_public_v4(v4(g, h)),
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // NAT64 of one's own, site-local ones of old, and discard-only.
        [0x64, 0xff9b, 1, ..] | [0x100, 0, 0, 0, ..] => false,
        [a, ..] if a & 0xffc0 == 0xfec0 => false,
        _ => !(address.is_unique_local() || address.is_unicast_link_local() || address.is_multicast()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_others() {
        for public in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for own in [
            "0.0.0.0",
            "0.1.2.3",
            "10.96.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!is_public(own.parse().unwrap()), "{own}");
        }
    }

    #[test]
    fn literal_addresses_are_checked_however_they_are_written() {
        let gate = Gate::new(&["10.1.0.0/16".parse().unwrap(), "::1".parse().unwrap()]);
        for (url, expected) in [
            ("http://1.1.1.1/a.tgz", Ok(())),
            ("http://10.1.2.3/a.tgz", Ok(())),
            ("http://[::1]:80/a.tgz", Ok(())),
            ("http://[::ffff:10.1.2.3]/a.tgz", Ok(())),
            ("http://10.2.0.1/a.tgz", Err(NotPublic)),
            ("http://127.1/a.tgz", Err(NotPublic)),
            ("http://0x7f000001/a.tgz", Err(NotPublic)),
            ("http://2130706433/a.tgz", Err(NotPublic)),
            ("http://[::ffff:127.0.0.1]/a.tgz", Err(NotPublic)),
            ("http://charts.example/a.tgz", Ok(())),
        ] {
            assert_eq!(gate.check(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn names_lead_only_to_what_is_let_through() {
        let resolve = async |allowed: &[&str]| {
            let allowed: Vec<Allowed> = allowed.iter().map(|text| text.parse().unwrap()).collect();
            let found = Gate::new(&allowed).resolve("localhost".parse().unwrap()).await;
            found
                .map(|found| found.map(|found| found.ip()).collect::<Vec<_>>())
                .map_err(|error| error.is::<NotPublic>())
        };
        assert_eq!(resolve(&[]).await, Err(true));
        assert_eq!(resolve(&["10.0.0.0/8", "example.com"]).await, Err(true));
        let four: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert_eq!(resolve(&["127.0.0.0/8"]).await, Ok(vec![four]));
        assert!(resolve(&["LocalHost"]).await.unwrap().contains(&four));
    }
}
