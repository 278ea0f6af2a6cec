//! [`Method`]: the request methods of RFC 9110 section 9, and PATCH (RFC 5789).

use std::fmt;

/// A request's method.
///
/// Methods are case-sensitive (RFC 9110 section 9.1): `get` is [`Method::Other`], and so is any
/// other token that is not listed here; [`RequestHead::method_str`](crate::RequestHead::method_str)
/// says which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// RFC 9110 section 9.3.1.
    #[default]
    Get,
    /// RFC 9110 section 9.3.2: as GET, but the answer carries no body.
    Head,
    /// RFC 9110 section 9.3.3.
    Post,
    /// RFC 9110 section 9.3.4.
    Put,
    /// RFC 9110 section 9.3.5.
    Delete,
    /// RFC 9110 section 9.3.6.
    Connect,
    /// RFC 9110 section 9.3.7.
    Options,
    /// RFC 9110 section 9.3.8.
    Trace,
    /// RFC 5789.
    Patch,
    /// A method that is none of these.
    Other,
}

impl Method {
    /// The method with this name, in exactly this case.
    #[inline]
    pub fn from_bytes(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// Its name; empty for [`Method::Other`].
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other => "",
        }
    }

    /// Whether it only asks, and changes nothing (RFC 9110 section 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Options | Method::Trace
        )
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
