//! [`Census`]: how many connections a server has, in all and from each address, and whether one more
//! may come in.
//!
//! One for all threads of a server, and none where nothing is limited: then a connection costs
//! nothing here. A connection is counted from when it is accepted, its TLS handshake included, until
//! its socket is closed.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::options::Options;

/// How many bits of an IPv6 address say who it is: what one customer is given (RFC 6177), and what
/// one machine may take addresses of as it likes (RFC 8981).
const IPV6_PREFIX: u32 = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Census {
    most: Option<u32>,
    most_per_address: Option<u32>,
    open: AtomicU32,
    by_address: Mutex<HashMap<IpAddr, u32>>,
}

/// A connection's place, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    census: Arc<Census>,
    address: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    InAll(u32),
    FromAddress(IpAddr, u32),
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Full::InAll(open) => write!(f, "{open} are open, the most there may be"),
            Full::FromAddress(address, open) => {
                let prefix = if address.is_ipv6() { "/64" } else { "" };
                write!(
                    f,
                    "{open} are open from {address}{prefix}, the most there may be from one address"
                )
            }
        }
    }
}

impl Census {
    /// A census, if these options limit anything.
    pub(crate) fn new(options: &Options) -> Option<Arc<Census>> {
        let (most, most_per_address) =
            (options.max_connections, options.max_connections_per_address);
        (most.is_some() || most_per_address.is_some()).then(|| {
            Arc::new(Census {
                most,
                most_per_address,
                open: AtomicU32::new(0),
                by_address: Mutex::default(),
            })
        })
    }

    /// A place for one more connection; `peer` is asked where it comes from only if that matters.
    pub(crate) fn admit(
        self: &Arc<Census>,
        peer: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Ticket, Full> {
        let most = self.most.unwrap_or(u32::MAX);
        let one_more = |open: u32| (open < most).then(|| open + 1);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        if let Err(open) = self.open.fetch_update(set, get, one_more) {
            return Err(Full::InAll(open));
        }
        // From here on it is given back by being dropped.
        let mut ticket = Ticket {
            census: self.clone(),
            address: None,
        };
        if let Some(most) = self.most_per_address
            && let Some(address) = peer().map(who)
        {
            let mut by_address = self.by_address();
            let open = by_address.entry(address).or_default();
            if *open >= most {
                let full = Full::FromAddress(address, *open);
                if *open == 0 {
                    by_address.remove(&address);
                }
                drop(by_address);
                return Err(full);
            }
            *open += 1;
            ticket.address = Some(address);
        }
        Ok(ticket)
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        let locked = self.by_address.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            let mut by_address = self.census.by_address();
            if let Some(open) = by_address.get_mut(&address) {
                *open -= 1;
                if *open == 0 {
                    by_address.remove(&address);
                }
            }
        }
        self.census.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an address counts as.
fn who(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & (u128::MAX << (128 - IPV6_PREFIX));
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(most: Option<u32>, per_address: Option<u32>) -> Arc<Census> {
        let options = Options {
            max_connections: most,
            max_connections_per_address: per_address,
            ..Options::default()
        };
        Census::new(&options).unwrap()
    }

    fn from(address: &str) -> impl FnOnce() -> Option<IpAddr> {
        let address = address.parse().unwrap();
        move || Some(address)
    }

    #[test]
    fn without_a_limit_there_is_none() {
        assert!(Census::new(&Options::default()).is_none());
    }

    #[test]
    fn so_many_in_all() {
        let census = census(Some(2), None);
        let first = census.admit(|| unreachable!()).unwrap();
        let _second = census.admit(|| unreachable!()).unwrap();
        assert_eq!(census.admit(|| None).unwrap_err(), Full::InAll(2));
        drop(first);
        let _third = census.admit(|| None).unwrap();
        assert!(census.admit(|| None).is_err());
    }

    #[test]
    fn so_many_from_each_address() {
        let census = census(None, Some(2));
        let one = [from("10.0.0.1"), from("::ffff:10.0.0.1")];
        let mut tickets: Vec<_> = one
            .into_iter()
            .map(|from| census.admit(from).unwrap())
            .collect();
        let full = census.admit(from("10.0.0.1")).unwrap_err();
        assert_eq!(full, Full::FromAddress("10.0.0.1".parse().unwrap(), 2));
        // Others, and those that come from nowhere, are not concerned.
        tickets.push(census.admit(from("10.0.0.2")).unwrap());
        tickets.extend((0..5).map(|_| census.admit(|| None).unwrap()));
        // A /64 is one.
        tickets.push(census.admit(from("2001:db8::1")).unwrap());
        tickets.push(census.admit(from("2001:db8::ffff:2")).unwrap());
        assert!(census.admit(from("2001:db8:0:0:3::")).is_err());
        tickets.push(census.admit(from("2001:db8:0:1::")).unwrap());
        assert_eq!(census.open.load(Ordering::Relaxed), 11);
        drop(tickets);
        assert_eq!(census.open.load(Ordering::Relaxed), 0);
        assert!(census.by_address().is_empty());
    }

    #[test]
    fn a_refused_one_is_not_counted() {
        let census = census(Some(5), Some(1));
        let _first = census.admit(from("10.0.0.1")).unwrap();
        for _ in 0..10 {
            assert!(census.admit(from("10.0.0.1")).is_err());
        }
        assert_eq!(census.open.load(Ordering::Relaxed), 1);
    }
}
