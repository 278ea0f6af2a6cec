//! Addresses: [`Address`], and [`ToAddresses`] for what can be read as one.
//!
//! Nothing here asks the network: names other than `localhost` are left to a resolver.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use bucle_sys::socket::SocketAddrAny;

/// Where a stream socket is, or its peer.
///
/// Its text is what [`ToAddresses`] reads: `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket; `None` for one without a name, as the client's end of a
    /// connection usually is.
    Unix(Option<PathBuf>),
}

impl Address {
    /// The TCP address, if it is one.
    pub fn as_tcp(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The path of the Unix socket, if it is one with a path.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Address::Tcp(_) => None,
            Address::Unix(path) => path.as_deref(),
        }
    }

    /// What the system calls an address of ours; `None` for other families.
    pub(crate) fn from_system(address: SocketAddrAny) -> Option<Address> {
        if let Ok(address) = SocketAddr::try_from(address.clone()) {
            return Some(Address::Tcp(address));
        }
        let address = bucle_sys::socket::SocketAddrUnix::try_from(address).ok()?;
        Some(Address::Unix(address.path_bytes().map(|bytes| {
            use std::os::unix::ffi::OsStrExt;
            PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
        })))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Address::Unix(None) => f.write_str("unix:"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Address {
        Address::Unix(Some(path))
    }
}

/// What can be read as one or several addresses to listen at or to connect to.
///
/// - `"127.0.0.1:8080"`, `"[::1]:8080"`, `("127.0.0.1", 8080)`: one address;
/// - `"localhost:8080"`: 127.0.0.1 and ::1, in this order;
/// - `"unix:/run/x.sock"`, a [`Path`]: a Unix socket;
/// - [`SocketAddr`], [`Address`], and vectors and slices of it.
///
/// - `"example.com:443"`, `("example.com", 443)`: whatever that name stands for, where it is
///   connected to. To listen at, names are refused, not looked up.
///
/// ```
/// use bucle_net::ToAddresses;
///
/// let addresses = "localhost:80".to_addresses()?;
/// assert_eq!(addresses[0].to_string(), "127.0.0.1:80");
/// assert_eq!(addresses[1].to_string(), "[::1]:80");
/// assert!("localhost".to_addresses().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ToAddresses {
    /// The addresses, at least one, in the order they are to be tried. Nothing is looked up.
    ///
    /// # Errors
    /// `InvalidInput`, with what was wrong and what would be right; for names too.
    fn to_addresses(&self) -> io::Result<Vec<Address>>;

    /// The same with names that are yet to be looked up.
    ///
    /// # Errors
    /// `InvalidInput`, with what was wrong and what would be right.
    fn to_targets(&self) -> io::Result<Vec<Target>> {
        let addresses = self.to_addresses()?;
        Ok(addresses.into_iter().map(Target::Address).collect())
    }
}

/// An address, or the name of a host that is to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address.
    Address(Address),
    /// A name.
    Name {
        /// The host, as a resolver knows it.
        host: String,
        /// The port.
        port: u16,
    },
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// What a host and a port stand for.
fn target(text: &str, port: u16) -> io::Result<Target> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(Target::Address(SocketAddr::from((ip, port)).into()));
    }
    // What the resolver would take for something else than a name, and answer oddly.
    if text.is_empty()
        || !text
            .chars()
            .all(|c| c.is_alphanumeric() || "-._".contains(c))
    {
        return Err(invalid(format!(
            "`{text}` is neither an IP address, such as 127.0.0.1 or [::1], nor a host name"
        )));
    }
    Ok(Target::Name {
        host: text.to_owned(),
        port,
    })
}

/// Both addresses of `localhost`, which is no matter for a resolver (RFC 6761, 6.3).
pub(crate) fn localhost(name: &str, port: u16) -> Option<Vec<Address>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost").then(|| {
        vec![
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into(),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)).into(),
        ]
    })
}

impl Target {
    /// The name by which the host is known, or the text of its address.
    pub(crate) fn host(&self) -> Option<String> {
        match self {
            Target::Address(Address::Tcp(address)) => Some(address.ip().to_string()),
            Target::Address(Address::Unix(_)) => None,
            Target::Name { host, .. } => Some(host.clone()),
        }
    }

    /// Without a resolver.
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        match self {
            Target::Address(address) => Ok(vec![address.clone()]),
            Target::Name { host, port } => localhost(host, *port).ok_or_else(|| {
                invalid(format!(
                    "`{host}` is no IP address; host names other than `localhost` are not looked up \
                     here, give an address such as 127.0.0.1 or [::1]"
                ))
            }),
        }
    }
}

impl ToAddresses for str {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        self.to_targets()?[0].to_addresses()
    }

    fn to_targets(&self) -> io::Result<Vec<Target>> {
        if let Some(path) = self.strip_prefix("unix:") {
            return Path::new(path).to_targets();
        }
        // Scoped and flow-labelled IPv6 addresses included.
        if let Ok(address) = self.parse::<SocketAddr>() {
            return Ok(vec![Target::Address(address.into())]);
        }
        let Some((name, port)) = self.rsplit_once(':') else {
            return Err(invalid(format!(
                "`{self}` has no port; write ADDRESS:PORT, such as 127.0.0.1:8080, or unix:PATH"
            )));
        };
        if name.contains(':') && !name.starts_with('[') {
            return Err(invalid(format!(
                "`{self}` is ambiguous; an IPv6 address goes in brackets, such as [::1]:8080"
            )));
        }
        let port = port.parse::<u16>().map_err(|_| {
            invalid(format!(
                "`{port}` in `{self}` is no port; it must be a number from 0 to 65535"
            ))
        })?;
        Ok(vec![target(name, port)?])
    }
}

impl ToAddresses for String {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        self.as_str().to_addresses()
    }

    fn to_targets(&self) -> io::Result<Vec<Target>> {
        self.as_str().to_targets()
    }
}

impl ToAddresses for (&str, u16) {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        target(self.0, self.1)?.to_addresses()
    }

    fn to_targets(&self) -> io::Result<Vec<Target>> {
        Ok(vec![target(self.0, self.1)?])
    }
}

impl ToAddresses for (IpAddr, u16) {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        Ok(vec![SocketAddr::from(*self).into()])
    }
}

impl ToAddresses for SocketAddr {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        Ok(vec![(*self).into()])
    }
}

impl ToAddresses for Path {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        if self.as_os_str().is_empty() {
            return Err(invalid(
                "the path of a Unix socket is empty; write unix:PATH, such as unix:/run/x.sock"
                    .to_owned(),
            ));
        }
        Ok(vec![Address::Unix(Some(self.to_owned()))])
    }
}

impl ToAddresses for PathBuf {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        self.as_path().to_addresses()
    }
}

impl ToAddresses for Address {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        match self {
            Address::Unix(None) => Err(invalid(
                "a Unix socket without a path can't be listened at or connected to".to_owned(),
            )),
            address => Ok(vec![address.clone()]),
        }
    }
}

impl<T: ToAddresses> ToAddresses for [T] {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        every(self, T::to_addresses)
    }

    fn to_targets(&self) -> io::Result<Vec<Target>> {
        every(self, T::to_targets)
    }
}

fn every<T, R>(all: &[T], one: impl Fn(&T) -> io::Result<Vec<R>>) -> io::Result<Vec<R>> {
    let mut found = Vec::new();
    for item in all {
        found.extend(one(item)?);
    }
    if found.is_empty() {
        return Err(invalid("no address was given".to_owned()));
    }
    Ok(found)
}

impl<T: ToAddresses> ToAddresses for Vec<T> {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        self.as_slice().to_addresses()
    }

    fn to_targets(&self) -> io::Result<Vec<Target>> {
        self.as_slice().to_targets()
    }
}

impl<T: ToAddresses + ?Sized> ToAddresses for &T {
    fn to_addresses(&self) -> io::Result<Vec<Address>> {
        (**self).to_addresses()
    }

    fn to_targets(&self) -> io::Result<Vec<Target>> {
        (**self).to_targets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(what: impl ToAddresses) -> Vec<String> {
        let addresses = what.to_addresses().unwrap();
        addresses.iter().map(Address::to_string).collect()
    }

    #[test]
    fn what_can_be_read() {
        assert_eq!(texts("127.0.0.1:80"), ["127.0.0.1:80"]);
        assert_eq!(texts("[::1]:0"), ["[::1]:0"]);
        assert_eq!(texts(("::1", 7)), ["[::1]:7"]);
        assert_eq!(texts(("[::1]", 7)), ["[::1]:7"]);
        assert_eq!(texts("LOCALHOST:7"), ["127.0.0.1:7", "[::1]:7"]);
        assert_eq!(texts("unix:/a b"), ["unix:/a b"]);
        assert_eq!(texts(Path::new("x")), ["unix:x"]);
        assert_eq!(texts(String::from("1.2.3.4:5")), ["1.2.3.4:5"]);
        assert_eq!(texts(vec!["1.2.3.4:5", "unix:x"]), ["1.2.3.4:5", "unix:x"]);
    }

    #[test]
    fn names_to_look_up() {
        let hosts = |what: &str| {
            let targets = what.to_targets().unwrap();
            targets.iter().map(Target::host).collect::<Vec<_>>()
        };
        let host = |text: &str| vec![Some(text.to_owned())];
        assert_eq!(hosts("example.com:80"), host("example.com"));
        assert_eq!(hosts("localhost:80"), host("localhost"));
        assert_eq!(hosts("[::1]:80"), host("::1"));
        assert_eq!(hosts("127.0.0.1:80"), host("127.0.0.1"));
        assert_eq!(hosts("unix:/x"), [None]);
        assert_eq!(
            ("a_b.example", 7).to_targets().unwrap(),
            [Target::Name {
                host: "a_b.example".to_owned(),
                port: 7
            }]
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (text, part) in [
            ("", "no port"),
            ("127.0.0.1", "no port"),
            ("127.0.0.1:http", "no port; it must"),
            ("127.0.0.1:65536", "0 to 65535"),
            ("::1:80", "brackets"),
            ("example.com:80", "not looked up"),
            ("unix:", "empty"),
            (":80", "nor a host name"),
            ("exa mple.com:80", "nor a host name"),
            ("[::1:80", "nor a host name"),
        ] {
            let error = text.to_addresses().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let told = error.to_string();
            assert!(told.contains(part), "{told}");
        }
        assert!(Vec::<Address>::new().to_targets().is_err());
        assert!(Vec::<Address>::new().to_addresses().is_err());
        assert!(Address::Unix(None).to_addresses().is_err());
    }
}
