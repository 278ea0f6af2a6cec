//! [`TrustedProxies`]: who may say for whom a request is.
//!
//! Anybody can send `X-Forwarded-For`. It is believed only of a peer that is trusted, and only as far
//! as those who wrote it are: from the right, where the last proxy wrote, to the first address that is
//! not a trusted proxy's. That is the client; what stands left of it is what the client claims.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use bucle_http::RequestHead;
use bucle_net::Address;

/// A network: an address, and how many of its first bits count. `192.0.2.0/24`, `2001:db8::/32`; an
/// address alone is itself.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Network {
    /// The bits that count; the others are 0.
    address: IpAddr,
    bits: u8,
}

/// How many bits of an IPv6 address say that it is one of IPv4 (RFC 4291, section 2.5.5.2).
const MAPPED: u8 = 96;

/// The address with all but the first `bits` of its bits set to 0; an IPv4 one has 32.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

impl FromStr for Network {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Network> {
        let invalid = |why: &str| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "`{text}` is no network: {why}; 10.0.0.0/8, 2001:db8::/32 and 192.0.2.1 are"
                ),
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| invalid("what stands before the slash is no IP address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = match bits {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|it| *it <= most && bits.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| {
                    invalid(&format!("behind the slash stands a number up to {most}"))
                })?,
        };
        if masked(address, bits) != address {
            let network = masked(address, bits);
            return Err(invalid(&format!(
                "it has bits behind its first {bits}; {network}/{bits} has not"
            )));
        }
        // Peers are compared as what they are, so a network has to be too.
        Ok(match address.to_canonical() {
            IpAddr::V4(address) if bits >= MAPPED && most > 32 => Network {
                address: address.into(),
                bits: bits - MAPPED,
            },
            _ => Network { address, bits },
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The proxies whose word is taken for whom a request is: nobody's, until they are named.
///
/// ```
/// use bucle_server::TrustedProxies;
///
/// let proxies = TrustedProxies::nobody().and("10.0.0.0/8")?.and("unix")?;
/// assert!(proxies.trusts(Some("10.1.2.3".parse().unwrap())));
/// assert!(!proxies.trusts(Some("192.0.2.1".parse().unwrap())));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
}

impl TrustedProxies {
    /// Nobody is trusted.
    pub fn nobody() -> TrustedProxies {
        TrustedProxies::default()
    }

    /// Trusts a network in the notation of CIDR (RFC 4632), such as `10.0.0.0/8` or `2001:db8::/32`,
    /// or one address, as well; or all who come by a Unix socket: `unix`. An IPv4 address that is
    /// written as one of IPv6 (`::ffff:10.0.0.1`) is that IPv4 address.
    ///
    /// # Errors
    /// `InvalidInput` for what is none of these, and for a network whose address has bits behind its
    /// length, which is most likely a slip.
    pub fn and(mut self, network: &str) -> io::Result<TrustedProxies> {
        match network {
            "unix" => self.unix = true,
            network => self.networks.push(network.parse()?),
        }
        Ok(self)
    }

    /// Whether who is at this address is trusted; who has none came by a Unix socket.
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            None => self.unix,
            Some(address) => {
                let address = address.to_canonical();
                self.networks
                    .iter()
                    .any(|network| network.contains(address))
            }
        }
    }

    pub(crate) fn trusts_address(&self, peer: &Address) -> bool {
        self.trusts(peer.as_tcp().map(|address| address.ip()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// The client of a request that came from `peer`, who may be trusted to tell.
    pub(crate) fn client(&self, peer: Option<IpAddr>, head: &RequestHead) -> Option<IpAddr> {
        if self.is_empty() {
            return peer;
        }
        let lines: Vec<_> = head.header_all("x-forwarded-for").collect();
        self.walk(peer, &lines)
    }

    /// Goes from the peer along the addresses in `lines`, from the last to the first, as long as who
    /// wrote them is trusted. What is no address ends the way: who wrote it is the last that is known.
    fn walk(&self, peer: Option<IpAddr>, lines: &[&[u8]]) -> Option<IpAddr> {
        let lines = lines.iter().rev();
        let items = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
        let items = items.map(<[u8]>::trim_ascii);
        let mut client = peer;
        // A list may have empty elements, which mean nothing (RFC 9110 section 5.6.1).
        for item in items.filter(|item| !item.is_empty()) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = address(item) else { break };
            client = Some(address);
        }
        client
    }
}

/// An IP address as proxies write it: bare, in brackets, or with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(with_port) = text.parse::<std::net::SocketAddr>() {
        return Some(with_port.ip().to_canonical());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    let address: Ipv6Addr = bare.parse().ok()?;
    Some(IpAddr::V6(address).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        let nobody = TrustedProxies::nobody();
        let all = networks.iter().try_fold(nobody, |all, it| all.and(it));
        all.unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_what_they_say() {
        let trusted = proxies(&[
            "10.0.0.0/8",
            "192.0.2.7",
            "2001:db8::/33",
            "198.51.100.128/25",
        ]);
        for (address, wanted) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("::ffff:10.0.0.1", true),
            ("192.0.2.7", true),
            ("192.0.2.6", false),
            ("198.51.100.128", true),
            ("198.51.100.127", false),
            ("2001:db8:7fff::1", true),
            ("2001:db8:8000::1", false),
            ("::a00:1", false),
        ] {
            assert_eq!(trusted.trusts(Some(ip(address))), wanted, "{address}");
        }
        assert!(!trusted.trusts(None));
        let mapped = proxies(&["::ffff:10.0.0.0/104", "::ffff:192.0.2.7"]);
        for (address, wanted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.0", false),
            ("192.0.2.7", true),
            ("192.0.2.6", false),
        ] {
            assert_eq!(mapped.trusts(Some(ip(address))), wanted, "{address}");
        }
        assert!(proxies(&["unix"]).trusts(None));
        assert!(proxies(&["0.0.0.0/0"]).trusts(Some(ip("1.2.3.4"))));
        assert!(!proxies(&["0.0.0.0/0"]).trusts(Some(ip("::1"))));
        assert!(proxies(&["::/0"]).trusts(Some(ip("::1"))));
        assert!(!TrustedProxies::nobody().trusts(Some(ip("127.0.0.1"))));
    }

    #[test]
    fn what_is_no_network_is_told_why() {
        for (text, why) in [
            ("", "no IP address"),
            ("localhost", "no IP address"),
            ("10.0.0/8", "no IP address"),
            ("10.0.0.0/33", "up to 32"),
            ("10.0.0.0/", "up to 32"),
            ("10.0.0.0/+8", "up to 32"),
            ("::/129", "up to 128"),
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("10.0.0.0:80", "no IP address"),
        ] {
            let error = TrustedProxies::nobody().and(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_not_trusted() {
        let trusted = proxies(&["10.0.0.0/8", "2001:db8::/32", "unix"]);
        let cases: &[(&str, &[&str], &str)] = &[
            // A stranger's word is not taken.
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("192.0.2.1", &[], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // Nor that of whom a proxy passes on.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["203.0.113.9, 198.51.100.1,10.2.2.2"],
                "198.51.100.1",
            ),
            // Field lines are one list.
            (
                "10.0.0.1",
                &["203.0.113.9", "198.51.100.1", "10.2.2.2"],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                &["203.0.113.9", ", ,", "10.2.2.2,\t"],
                "203.0.113.9",
            ),
            // All are proxies: the one farthest away.
            ("10.0.0.1", &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            // What is no address ends the way.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &["198.51.100.1, 999.1.1.1"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1 203.0.113.9"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1\u{e9}"], "10.0.0.1"),
            // Ways to write an address.
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["2001:db9::1"], "2001:db9::1"),
            ("10.0.0.1", &["[2001:db9::1]"], "2001:db9::1"),
            ("10.0.0.1", &["[2001:db9::1]:80"], "2001:db9::1"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["[198.51.100.1]"], "10.0.0.1"),
            ("2001:db8::1", &["203.0.113.9,2001:db8::2"], "203.0.113.9"),
        ];
        for (peer, lines, wanted) in cases {
            let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
            let client = trusted.walk(Some(ip(peer)), &lines);
            assert_eq!(client, Some(ip(wanted)), "{peer} with {lines:?}");
        }
        assert_eq!(trusted.walk(None, &[b"192.0.2.1"]), Some(ip("192.0.2.1")));
        assert_eq!(trusted.walk(None, &[b"?"]), None);
        assert_eq!(proxies(&["10.0.0.0/8"]).walk(None, &[b"192.0.2.1"]), None);
    }
}
