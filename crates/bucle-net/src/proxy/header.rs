//! The header of the PROXY protocol, versions 1 and 2: bytes in, addresses out.
//!
//! Source: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Version 1 is a line of text,
//! version 2 begins with a signature that no HTTP or TLS begins with. What is not exactly as it is
//! written there is refused, and so is whatever was sent for another kind of socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::Address;

/// The longest header that is taken, in bytes. Version 1 has at most 107; version 2 could have 65,551,
/// of which all but 232 are additional fields.
pub const PROXY_HEADER: usize = 4096;

/// The longest line of version 1, its end included.
const LINE: usize = 107;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Whom a connection is for, as the proxy tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// For the proxy itself (a health check), or for somebody it doesn't know.
    Itself,
    /// For the client at this address.
    Client(Address),
}

/// Why something is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It begins otherwise.
    Signature,
    /// A line of version 1 without an end, or one of version 2 that is longer than is taken.
    TooLong,
    /// The line of version 1.
    Line,
    /// Neither LOCAL nor PROXY, or not of version 2.
    Command,
    /// An address family or a protocol that is none.
    Family,
    /// Shorter than its addresses.
    Addresses,
    /// Additional fields that don't end where the header does.
    Fields,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Signature => "it does not begin as a header of the PROXY protocol does",
            Malformed::TooLong => "the header of the PROXY protocol is too long",
            Malformed::Line => "the line of the PROXY protocol is not well-formed",
            Malformed::Command => "the command of the PROXY protocol is unknown",
            Malformed::Family => "the PROXY protocol tells of an address that is not of a stream",
            Malformed::Addresses => {
                "the header of the PROXY protocol is shorter than its addresses"
            }
            Malformed::Fields => "the additional fields of the PROXY protocol are not well-formed",
        })
    }
}

/// Reads the header that `input` begins with: what it tells, and how long it is. `None`: there has to
/// be more of it. What can't become a header any more is refused at its first wrong byte, or at the
/// end of its line.
pub(crate) fn parse(input: &[u8]) -> Result<Option<(Told, usize)>, Malformed> {
    match input.first() {
        None => Ok(None),
        Some(b'P') => parse_line(input),
        Some(_) => parse_binary(input),
    }
}

fn begins_like(input: &[u8], wanted: &[u8]) -> Result<bool, Malformed> {
    let common = input.len().min(wanted.len());
    match input[..common] == wanted[..common] {
        true => Ok(input.len() >= wanted.len()),
        false => Err(Malformed::Signature),
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`.
fn parse_line(input: &[u8]) -> Result<Option<(Told, usize)>, Malformed> {
    if !begins_like(input, b"PROXY ")? {
        return Ok(None);
    }
    let window = &input[..input.len().min(LINE)];
    let Some(end) = window.windows(2).position(|two| two == b"\r\n") else {
        return match input.len() < LINE {
            true => Ok(None),
            false => Err(Malformed::TooLong),
        };
    };
    let line = std::str::from_utf8(&input[6..end]).map_err(|_| Malformed::Line)?;
    let mut parts = line.split(' ');
    let told = match parts.next() {
        // What may follow is not to be looked at.
        Some("UNKNOWN") => Told::Itself,
        Some("TCP4") => client_of::<Ipv4Addr>(parts)?,
        Some("TCP6") => client_of::<Ipv6Addr>(parts)?,
        _ => return Err(Malformed::Line),
    };
    Ok(Some((told, end + 2)))
}

/// Source and destination addresses, source and destination ports, and nothing more.
fn client_of<'a, A>(mut parts: impl Iterator<Item = &'a str>) -> Result<Told, Malformed>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut address = || -> Option<IpAddr> { Some(parts.next()?.parse::<A>().ok()?.into()) };
    let (source, _) = address().zip(address()).ok_or(Malformed::Line)?;
    let mut port = || parts.next().and_then(port);
    let (port, _) = port().zip(port()).ok_or(Malformed::Line)?;
    match parts.next() {
        None => Ok(Told::Client(Address::Tcp(SocketAddr::new(source, port)))),
        Some(_) => Err(Malformed::Line),
    }
}

/// Decimal digits without a zero before them.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    (digits && !padded).then(|| text.parse().ok()).flatten()
}

/// Version 2.
fn parse_binary(input: &[u8]) -> Result<Option<(Told, usize)>, Malformed> {
    if !begins_like(input, SIGNATURE)? {
        return Ok(None);
    }
    let [command, family, high, low, ..] = input[SIGNATURE.len()..] else {
        return Ok(None);
    };
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed::Command),
    };
    // Addresses of the two ends, each with its port.
    let size = match family {
        _ if local => 0,
        0x00 => 0,
        // Streams, and datagrams that the proxy made a stream of: the client is who sends either.
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(Malformed::Family),
    };
    let begin = SIGNATURE.len() + 4;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if begin + length > PROXY_HEADER {
        return Err(Malformed::TooLong);
    }
    if length < size {
        return Err(Malformed::Addresses);
    }
    let Some(rest) = input.get(begin..begin + length) else {
        return Ok(None);
    };
    let whole = begin + length;
    // Of these two, what follows may be anything.
    if size == 0 {
        return Ok(Some((Told::Itself, whole)));
    }
    let (addresses, fields) = rest.split_at(size);
    check_fields(fields)?;
    let address = match addresses {
        &[a, b, c, d, _, _, _, _, high, low, _, _] => {
            let port = u16::from_be_bytes([high, low]);
            Address::Tcp(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))
        }
        addresses if size == 36 => {
            let source: [u8; 16] = addresses[..16].try_into().unwrap_or_default();
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Address::Tcp(SocketAddr::new(Ipv6Addr::from(source).into(), port))
        }
        addresses => Address::Unix(path(&addresses[..108])),
    };
    Ok(Some((Told::Client(address), whole)))
}

/// Additional fields: a type, a length, and so many bytes.
fn check_fields(mut fields: &[u8]) -> Result<(), Malformed> {
    while let [_, high, low, rest @ ..] = fields {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        fields = rest.get(length..).ok_or(Malformed::Fields)?;
    }
    match fields {
        [] => Ok(()),
        _ => Err(Malformed::Fields),
    }
}

/// The path of a Unix socket, which ends with a NUL; none of one without a name in the file system.
fn path(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let end = bytes.iter().position(|byte| *byte == 0);
    let path = &bytes[..end.unwrap_or(bytes.len())];
    (!path.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests;
