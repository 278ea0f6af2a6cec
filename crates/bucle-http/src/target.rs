//! The four forms of a request target (RFC 9112 section 3.2), and hosts.

use std::net::Ipv6Addr;
use std::ops::Range;

use crate::chars::{self, REG_NAME};
use crate::{Error, Method};

/// The form of a request target (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`, as to a proxy.
    Absolute,
    /// `host:port`, for CONNECT.
    Authority,
    /// `*`, for OPTIONS.
    Asterisk,
}

/// A target taken apart: an authority between `authority` and `path`, a path up to `path_end`, and
/// behind it a question mark and a query, or nothing. Any of them may be empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target {
    pub(crate) form: TargetForm,
    authority: u32,
    path: u32,
    path_end: u32,
}

impl Target {
    /// The host and port that the target itself names.
    pub(crate) fn authority(self, target: &[u8]) -> Option<&[u8]> {
        let authority = target.get(self.authority as usize..self.path as usize)?;
        (!authority.is_empty()).then_some(authority)
    }

    /// Empty where the target has none.
    #[inline]
    pub(crate) fn path(self, target: &[u8]) -> &[u8] {
        target.get(self.path_range()).unwrap_or_default()
    }

    /// Where the path stands in the target.
    #[inline]
    pub(crate) fn path_range(self) -> Range<usize> {
        self.path as usize..self.path_end as usize
    }

    /// Without the question mark.
    pub(crate) fn query(self, target: &[u8]) -> Option<&[u8]> {
        target.get(self.path_end as usize + 1..)
    }
}

/// Takes a target apart whose characters are known to be allowed in one.
#[inline]
pub(crate) fn parse(target: &[u8], method: Method) -> Result<Target, Error> {
    if method == Method::Connect {
        return parse_authority(target);
    }
    match target {
        [b'/', ..] => Ok(parse_path(target, 0)),
        b"*" if method == Method::Options => Ok(Target {
            form: TargetForm::Asterisk,
            path_end: 1,
            ..Target::default()
        }),
        _ => parse_absolute(target),
    }
}

/// The path and query that begin at `from`. Targets are shorter than 4 GiB, as heads are.
#[inline]
fn parse_path(target: &[u8], from: usize) -> Target {
    let path_and_query = &target[from..];
    let length = chars::path_run(path_and_query);
    Target {
        form: TargetForm::Origin,
        authority: from as u32,
        path: from as u32,
        path_end: (from + length) as u32,
    }
}

/// `http://host:port/path?query`. The host must not be empty, and there is no user before it
/// (RFC 9110 sections 4.2.1 and 4.2.4).
#[cold]
fn parse_absolute(target: &[u8]) -> Result<Target, Error> {
    let scheme_is = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let from = if scheme_is(b"http://") {
        7
    } else if scheme_is(b"https://") {
        8
    } else {
        return Err(Error::Target);
    };
    let rest = &target[from..];
    let authority_end = from + memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    check_host(&target[from..authority_end])?;
    Ok(Target {
        form: TargetForm::Absolute,
        authority: from as u32,
        ..parse_path(target, authority_end)
    })
}

/// `host:port`, where the port must be there (RFC 9110 section 9.3.6).
#[cold]
fn parse_authority(target: &[u8]) -> Result<Target, Error> {
    match check_host(target) {
        Ok(Some(1..)) => Ok(Target {
            form: TargetForm::Authority,
            authority: 0,
            path: target.len() as u32,
            path_end: target.len() as u32,
        }),
        _ => Err(Error::Target),
    }
}

/// Checks `uri-host [ ":" port ]` (RFC 9110 section 7.2) and returns the port. A host is a name, an
/// IPv4 address or an IP literal in brackets; it is not empty, since an `http` URL always has one,
/// and a zone is not taken.
#[inline]
pub(crate) fn check_host(host: &[u8]) -> Result<Option<u16>, Error> {
    let name_length = match host {
        [b'[', ..] => bracketed_length(host)?,
        _ => {
            let mut length = chars::host_run(host);
            while let Some(b'%') = host.get(length) {
                match &host[length + 1..] {
                    [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {}
                    _ => return Err(Error::Host),
                }
                length += 3;
                length += chars::run(&host[length..], REG_NAME);
            }
            length
        }
    };
    if name_length == 0 {
        return Err(Error::Host);
    }
    match &host[name_length..] {
        [] | [b':'] => Ok(None),
        [b':', port @ ..] => parse_port(port).map(Some),
        _ => Err(Error::Host),
    }
}

#[cold]
fn bracketed_length(host: &[u8]) -> Result<usize, Error> {
    let end = memchr::memchr(b']', host).ok_or(Error::Host)?;
    let inside = &host[1..end];
    if is_ip_future(inside) || chars::ascii(inside).parse::<Ipv6Addr>().is_ok() {
        Ok(end + 1)
    } else {
        Err(Error::Host)
    }
}

/// `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`: an address of a version to come
/// (RFC 3986 section 3.2.2).
fn is_ip_future(inside: &[u8]) -> bool {
    let [b'v' | b'V', rest @ ..] = inside else {
        return false;
    };
    let digits = rest
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let [b'.', address @ ..] = &rest[digits..] else {
        return false;
    };
    let allowed = |byte: &u8| *byte == b':' || chars::is(*byte, REG_NAME);
    digits > 0 && !address.is_empty() && address.iter().all(allowed)
}

#[inline]
fn parse_port(digits: &[u8]) -> Result<u16, Error> {
    let mut port = 0u16;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Error::Host);
        }
        port = port
            .checked_mul(10)
            .and_then(|port| port.checked_add(u16::from(digit - b'0')))
            .ok_or(Error::Host)?;
    }
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (host, port) in [
            ("a", None),
            ("a:", None),
            ("a:80", Some(80)),
            ("a:65535", Some(65535)),
            ("example.com.", None),
            ("xn--bcher-kva.example", None),
            ("my_host", None),
            ("127.0.0.1:1", Some(1)),
            ("[::1]", None),
            ("[::1]:8080", Some(8080)),
            ("[2001:db8::192.0.2.1]:1", Some(1)),
            ("[v1.a]", None),
            ("[vF.a:b]:80", Some(80)),
            ("a%20b", None),
            ("%41", None),
        ] {
            assert_eq!(check_host(host.as_bytes()), Ok(port), "{host}");
        }
        for host in [
            "",
            ":",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:99999999999",
            "a:-1",
            "a:+1",
            "[",
            "[]",
            "[::1",
            "::1",
            "[::1]a",
            "[::1%25eth0]",
            "[v1.]",
            "[v.a]",
            "[vg.a]",
            "[v1.a/b]",
            "[v1a]",
            "[1.2.3.4]",
            "a%",
            "a%2",
            "a%zz",
            "a\\b",
            "a?b",
            "a#b",
            "a\"b",
            "a\u{fc}",
            "a,b c",
            "<a>",
            "a|b",
            "a^b",
            "a[b]",
        ] {
            assert_eq!(check_host(host.as_bytes()), Err(Error::Host), "{host}");
        }
    }
}
