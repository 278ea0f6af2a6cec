//! [`Version`]: HTTP/1.0 and HTTP/1.1.

use std::fmt;

/// The protocol version of a message.
///
/// A higher minor version of HTTP/1 counts as 1.1, as RFC 9110 section 2.5 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0 (RFC 1945): closes after each answer unless told otherwise, and knows neither
    /// chunks nor `100 Continue`.
    Http10,
    /// HTTP/1.1 (RFC 9112).
    #[default]
    Http11,
}

impl Version {
    /// As it stands in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
