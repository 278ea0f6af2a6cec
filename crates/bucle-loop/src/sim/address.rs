//! [`SimAddress`]: where a simulated socket listens.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address of the simulated network. Paths are names: no file is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimAddress {
    /// TCP, over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix stream socket.
    Unix(PathBuf),
}

impl SimAddress {
    /// Whether a listener bound here and one bound at `other` would be in each other's way.
    pub(super) fn conflicts(&self, other: &SimAddress) -> bool {
        match (self, other) {
            (SimAddress::Tcp(a), SimAddress::Tcp(b)) => {
                a.port() == b.port()
                    && a.is_ipv4() == b.is_ipv4()
                    && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
            }
            (a, b) => a == b,
        }
    }

    /// The address a connection to `self` really goes to: "any" as a destination is this machine.
    pub(super) fn destination(&self) -> SimAddress {
        match self {
            SimAddress::Tcp(address) if address.ip().is_unspecified() => {
                SimAddress::Tcp(match address {
                    SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, address.port()).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, address.port()).into(),
                })
            }
            other => other.clone(),
        }
    }
}

impl From<SocketAddr> for SimAddress {
    fn from(address: SocketAddr) -> SimAddress {
        SimAddress::Tcp(address)
    }
}

impl From<PathBuf> for SimAddress {
    fn from(path: PathBuf) -> SimAddress {
        SimAddress::Unix(path)
    }
}

impl FromStr for SimAddress {
    type Err = std::net::AddrParseError;

    /// `127.0.0.1:80`, `[::1]:80`, `unix:/a/name`.
    fn from_str(text: &str) -> Result<SimAddress, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) => Ok(SimAddress::Unix(path.into())),
            None => text.parse().map(SimAddress::Tcp),
        }
    }
}

impl fmt::Display for SimAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SimAddress::Tcp(address) => address.fmt(f),
            SimAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
