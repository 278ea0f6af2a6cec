//! [`Response`]: what a handler answers with, and its [`Body`].

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use bucle_http::StatusCode;
use bytes::Bytes;
use futures_core::Stream;

use crate::files::Opened;

/// An answer: a status, header fields, a body.
///
/// The server adds `Date`, `Content-Length` or `Transfer-Encoding`, and `Connection` where it is
/// needed.
///
/// ```
/// use bucle_server::Response;
///
/// let response = Response::text("hello").header("X-Greeting", "yes").unwrap();
/// assert_eq!(response.status().as_u16(), 200);
/// ```
pub struct Response {
    status: StatusCode,
    content_type: Option<&'static str>,
    /// Complete header lines.
    lines: Lines,
    body: Body,
}

/// Header lines ready to be sent.
enum Lines {
    Own(Vec<u8>),
    /// Those of a file, made when it was opened.
    File(Rc<[u8]>),
}

/// The bytes of an answer.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes of the program itself.
    Static(&'static [u8]),
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file, sent by the kernel.
    File(Opened),
    /// What comes piece by piece. With a length it is sent as it is, and must come to that length;
    /// without one it is sent chunked, or until the connection's end to an HTTP/1.0 client. An
    /// error ends the connection, so that the client can tell the answer is not whole.
    Stream {
        /// The pieces.
        stream: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
        /// Their length in sum, in bytes, if it is known.
        length: Option<u64>,
    },
}

impl Body {
    /// Its length in bytes, if it is known before it is sent.
    pub fn length(&self) -> Option<u64> {
        match self {
            Body::Empty => Some(0),
            Body::Static(bytes) => Some(bytes.len() as u64),
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::File(file) => Some(file.length()),
            Body::Stream { length, .. } => *length,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Body::Empty => "Empty",
            Body::Static(_) => "Static",
            Body::Bytes(_) => "Bytes",
            Body::File(_) => "File",
            Body::Stream { .. } => "Stream",
        };
        f.debug_struct(name).field("length", &self.length()).finish()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Body::Static(text.as_bytes())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Body {
        Body::Static(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::Bytes(text.into())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::Bytes(bytes.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::Bytes(bytes)
    }
}

impl Response {
    /// An answer without a body.
    pub fn new(status: StatusCode) -> Response {
        Response {
            status,
            content_type: None,
            lines: Lines::Own(Vec::new()),
            body: Body::Empty,
        }
    }

    /// 200 with plain text, in UTF-8.
    pub fn text(text: impl Into<Body>) -> Response {
        Response::new(StatusCode::OK)
            .content_type("text/plain; charset=utf-8")
            .body(text)
    }

    /// 200 with HTML, in UTF-8.
    pub fn html(html: impl Into<Body>) -> Response {
        Response::new(StatusCode::OK)
            .content_type("text/html; charset=utf-8")
            .body(html)
    }

    /// A status that says what it is in a line of plain text.
    pub fn error(status: StatusCode) -> Response {
        let text = format!("{} {}\n", status.as_u16(), status.reason());
        let mut response = Response::text(text);
        response.status = status;
        response
    }

    /// An answer whose header lines are made already.
    pub(crate) fn prepared(status: StatusCode, lines: Rc<[u8]>, body: Body) -> Response {
        Response {
            status,
            content_type: None,
            lines: Lines::File(lines),
            body,
        }
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.status = status;
        self
    }

    /// With a `Content-Type`.
    #[must_use]
    pub fn content_type(mut self, content_type: &'static str) -> Response {
        self.content_type = Some(content_type);
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Response {
        self.body = body.into();
        self
    }

    /// With one more header field.
    ///
    /// # Errors
    /// `InvalidInput` if the name is no token, the value has a control character in it (a line
    /// break above all), or the field is one that the server itself sets: `Content-Length`,
    /// `Transfer-Encoding`, `Connection`, `Date`.
    pub fn header(mut self, name: &str, value: &str) -> io::Result<Response> {
        const OURS: [&str; 4] = ["content-length", "transfer-encoding", "connection", "date"];
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Err(invalid(format!("the header field `{name}` is set by the server itself")));
        }
        let mut lines = match self.lines {
            Lines::Own(lines) => lines,
            Lines::File(lines) => lines.to_vec(),
        };
        bucle_http::write_field(&mut lines, name, value.as_bytes())
            .map_err(|error| invalid(error.to_string()))?;
        self.lines = Lines::Own(lines);
        Ok(self)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body's length in bytes, if it is known before it is sent.
    pub fn length(&self) -> Option<u64> {
        self.body.length()
    }

    pub(crate) fn content_type_value(&self) -> Option<&'static str> {
        self.content_type
    }

    pub(crate) fn lines(&self) -> &[u8] {
        match &self.lines {
            Lines::Own(lines) => lines,
            Lines::File(lines) => lines,
        }
    }

    pub(crate) fn into_body(self) -> Body {
        self.body
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status.as_u16())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
