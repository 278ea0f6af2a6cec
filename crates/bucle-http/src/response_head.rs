//! [`ResponseHead`]: a status line and header fields, in a buffer that is used again.

use std::fmt;

use crate::chars::{self, VALUE};
use crate::field::{self, Fields};
use crate::framing::{self, Framing};
use crate::notable::Notable;
use crate::section::Section;
use crate::{Error, Limits, StatusCode, Version};

/// `HTTP/1.1 200`.
const STATUS_LENGTH: usize = 12;

/// The head of an answer, interim answers included: what
/// [`RequestHead`](crate::RequestHead) is to a request.
#[derive(Clone, Default)]
pub struct ResponseHead {
    section: Section,
    trailers: Section,
    status: StatusCode,
    version: Version,
    reason_length: usize,
    framing: Framing,
    keep_alive: bool,
}

impl ResponseHead {
    /// The status.
    #[inline]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason phrase as it was sent; it may be empty, and need not be ASCII.
    pub fn reason(&self) -> &[u8] {
        let from = STATUS_LENGTH + 1;
        self.section
            .bytes
            .get(from..from + self.reason_length)
            .unwrap_or_default()
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether another answer to the same request follows: 1xx, but for 101, after which the
    /// connection speaks another protocol.
    #[inline]
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }

    /// The value of the first header field with this name, in whatever case.
    #[inline]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.section.find(name)
    }

    /// The values of all header fields with this name, in order.
    pub fn header_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.headers()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All header fields, in the order they were sent.
    pub fn headers(&self) -> Fields<'_> {
        self.section.iter()
    }

    /// The fields of the trailer section that was received into this head last.
    pub fn trailers(&self) -> Fields<'_> {
        self.trailers.iter()
    }

    /// Whether the server lets the connection go on, as far as its fields say. A body that lasts
    /// until the connection ends says otherwise as well: see
    /// [`ClientConnection::keep_alive`](crate::ClientConnection::keep_alive).
    #[inline]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// What `Content-Length` says, in bytes. The answer to HEAD and a 304 have it too, without a
    /// body.
    #[inline]
    pub fn content_length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::None | Framing::Chunked => None,
        }
    }

    /// Whether the body is chunked, if there is one.
    pub fn is_chunked(&self) -> bool {
        self.framing == Framing::Chunked
    }

    /// The head as it was sent, without what came before the status line.
    pub fn as_bytes(&self) -> &[u8] {
        &self.section.bytes
    }

    #[inline]
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    pub(crate) fn clear(&mut self) {
        self.section.clear();
        self.trailers.clear();
        self.status = StatusCode::OK;
        self.version = Version::Http11;
        self.reason_length = 0;
        self.framing = Framing::None;
        self.keep_alive = false;
    }

    /// As [`RequestHead::parse`](crate::RequestHead::parse).
    ///
    /// # Errors
    /// The lines are well-formed but what they say is not.
    #[inline]
    pub(crate) fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        self.clear();
        let mut notable = Notable::default();
        let parsed = parse_status_line(input).and_then(|line| {
            let at = line.length;
            let fields = &mut self.section.fields;
            Some((
                line,
                field::parse(input, at, limits.fields, fields, &mut notable)?,
            ))
        });
        let Some((line, length)) = parsed else {
            self.section.fields.clear();
            return Ok(None);
        };
        self.section.bytes.extend_from_slice(&input[..length]);
        if let Err(error) = self.interpret(&line, &notable) {
            self.clear();
            return Err(error);
        }
        Ok(Some(length))
    }

    #[inline]
    fn interpret(&mut self, line: &StatusLine, notable: &Notable) -> Result<(), Error> {
        self.version = match (line.major, line.minor) {
            (1, 0) => Version::Http10,
            (1, _) => Version::Http11,
            _ => return Err(Error::UnsupportedVersion),
        };
        self.status = StatusCode::from_u16(line.code).ok_or(Error::StatusLine)?;
        self.reason_length = line.reason_length;
        let connection = notable.connection(&self.section.fields, &self.section.bytes);
        self.keep_alive =
            !connection.close && (self.version == Version::Http11 || connection.keep_alive);
        self.framing = if matches!(line.code, 100..=199 | 204) {
            // Without a body whatever the fields say (RFC 9112 section 6.3).
            Framing::None
        } else {
            let section = &self.section;
            framing::framing(notable, &section.fields, &section.bytes, self.version)?
        };
        Ok(())
    }

    /// Where trailers go.
    #[inline]
    pub(crate) fn trailer_section(&mut self) -> &mut Section {
        &mut self.trailers
    }
}

struct StatusLine {
    length: usize,
    major: u8,
    minor: u8,
    code: u16,
    reason_length: usize,
}

#[inline]
fn parse_status_line(input: &[u8]) -> Option<StatusLine> {
    let [
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        major @ b'0'..=b'9',
        b'.',
        minor @ b'0'..=b'9',
        b' ',
        a @ b'0'..=b'9',
        b @ b'0'..=b'9',
        c @ b'0'..=b'9',
        rest @ ..,
    ] = input
    else {
        return None;
    };
    let digit = |digit: &u8| u16::from(digit - b'0');
    let (reason_length, end) = match rest {
        [b'\r', b'\n', ..] => (0, 2),
        [b' ', reason @ ..] => {
            let length = chars::run(reason, VALUE);
            let end = reason.get(length..)?;
            if !end.starts_with(b"\r\n") {
                return None;
            }
            (length, length + 3)
        }
        _ => return None,
    };
    Some(StatusLine {
        length: STATUS_LENGTH + end,
        major: major - b'0',
        minor: minor - b'0',
        code: digit(a) * 100 + digit(b) * 10 + digit(c),
        reason_length,
    })
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("version", &self.version)
            .field("headers", &self.headers())
            .finish_non_exhaustive()
    }
}
