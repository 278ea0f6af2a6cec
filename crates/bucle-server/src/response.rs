//! [`Response`]: what a handler answers with, and its [`Body`].

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;

use bucle_http::StatusCode;
use bytes::Bytes;
use futures_core::Stream;

use crate::RequestBody;
use crate::body_writer::{BodyWriter, written};
use crate::site::Opened;
use crate::upgrade::Start;

/// Header fields that the server alone writes.
const OURS: [&str; 4] = ["content-length", "transfer-encoding", "connection", "date"];

const CONTENT_TYPE: &str = "content-type";

/// An answer: a status, header fields, a body.
///
/// The server adds `Date`, `Content-Length` or `Transfer-Encoding`, and `Connection` where it is
/// needed; it leaves the body out where a client expects none.
///
/// ```
/// use bucle_server::Response;
///
/// let response = Response::text("hello").header("X-Greeting", "yes").unwrap();
/// assert_eq!(response.status().as_u16(), 200);
/// assert_eq!(response.length(), Some(5));
/// ```
pub struct Response {
    status: StatusCode,
    closes: bool,
    content_type: Option<&'static str>,
    lines: Lines,
    body: Body,
}

/// Header lines ready to be sent.
enum Lines {
    Own(Vec<u8>),
    /// Those of a file, made when it was opened.
    Opened(Rc<Opened>),
    /// Those of it that go without the file.
    NotModified(Rc<Opened>),
}

/// The bytes of an answer.
///
/// Made from strings, vectors and [`Bytes`], all by [`Into`]; from a file ([`Body::from_file`]);
/// from a stream ([`Body::stream`]); from the body of a request, which is then sent back as it
/// comes.
#[derive(Default)]
pub struct Body(Content);

#[derive(Default)]
pub(crate) enum Content {
    #[default]
    Empty,
    Static(&'static [u8]),
    Bytes(Bytes),
    Opened(Rc<Opened>),
    /// One behind the other; the length is their sum.
    Pieces(Vec<Piece>, u64),
    /// The connection goes on in another protocol.
    Upgrade(Start),
    File {
        file: Rc<OwnedFd>,
        length: u64,
    },
    Stream {
        stream: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
        length: Option<u64>,
        trailers: Trailers,
    },
}

/// Lines of a trailer section, which are there when the stream before them has ended.
#[derive(Clone, Default)]
pub(crate) struct Trailers(Rc<RefCell<Vec<u8>>>);

impl Trailers {
    /// Adds one field.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be a trailer field.
    pub(crate) fn add(&self, name: &str, value: &[u8]) -> io::Result<()> {
        bucle_http::write_trailer(&mut self.0.borrow_mut(), name, value).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the trailer field `{name}` can't be sent: {error}"),
            )
        })
    }

    /// Takes the lines out.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

/// A piece of an answer.
pub(crate) enum Piece {
    Bytes(Bytes),
    /// A part of a file.
    Part(Rc<Opened>, Range<u64>),
}

impl Body {
    /// What comes piece by piece. It is sent chunked, or until the end of the connection to an
    /// HTTP/1.0 client. An error ends the connection, so that the client can tell that the answer
    /// is not whole. The next piece is asked for when the client has read most of those before.
    pub fn stream(stream: impl Stream<Item = io::Result<Bytes>> + 'static) -> Body {
        Body::stream_with(stream, Trailers::default())
    }

    /// The same with trailers behind it, for clients that take them.
    pub(crate) fn stream_with(
        stream: impl Stream<Item = io::Result<Bytes>> + 'static,
        trailers: Trailers,
    ) -> Body {
        Body(Content::Stream {
            stream: Box::pin(stream),
            length: None,
            trailers,
        })
    }

    /// The same for a stream that comes to `length` bytes, and says so in `Content-Length`. One
    /// that comes to more or fewer ends the connection.
    pub fn sized_stream(
        stream: impl Stream<Item = io::Result<Bytes>> + 'static,
        length: u64,
    ) -> Body {
        Body(Content::Stream {
            stream: Box::pin(stream),
            length: Some(length),
            trailers: Trailers::default(),
        })
    }

    /// What `block` writes, as it writes it: a stream for which nothing has to be implemented. The
    /// block is polled as part of the answer and needs no task of its own; it waits in
    /// [`BodyWriter::write`] while the client has not read what was written before, and is dropped
    /// when the client goes away. It is not begun for a request of HEAD. An error ends the connection.
    ///
    /// ```
    /// use bucle_server::{Body, Request, Response};
    ///
    /// async fn squares(_: Request) -> Response {
    ///     Response::text(Body::from_writer(|mut writer| async move {
    ///         for n in 0..1_000_000u64 {
    ///             writer.write(format!("{}\n", n * n)).await?;
    ///         }
    ///         Ok(())
    ///     }))
    /// }
    /// ```
    pub fn from_writer<F>(block: impl FnOnce(BodyWriter) -> F + 'static) -> Body
    where
        F: Future<Output = io::Result<()>> + 'static,
    {
        let trailers = Trailers::default();
        Body::stream_with(written(block, trailers.clone()), trailers)
    }

    /// A file from its beginning to where it ends now, sent by the kernel.
    ///
    /// # Errors
    /// The system's; `InvalidInput` for what is no regular file.
    pub fn from_file(file: fs::File) -> io::Result<Body> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "only a regular file can be sent; read others, and send what was read",
            ));
        }
        Ok(Body(Content::File {
            file: Rc::new(file.into()),
            length: metadata.len(),
        }))
    }

    /// Its length in bytes, if it is known before it is sent.
    #[inline]
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Content::Empty | Content::Upgrade(_) => Some(0),
            Content::Static(bytes) => Some(bytes.len() as u64),
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::Opened(opened) => Some(opened.length()),
            Content::Pieces(_, length) | Content::File { length, .. } => Some(*length),
            Content::Stream { length, .. } => *length,
        }
    }

    /// The bytes, where they are at hand and no more than `most`.
    #[inline]
    fn short(&self, most: usize) -> Option<&[u8]> {
        let bytes = match &self.0 {
            Content::Static(bytes) => bytes,
            Content::Bytes(bytes) => &bytes[..],
            Content::Opened(opened) => opened.small()?,
            _ => return None,
        };
        (bytes.len() <= most).then_some(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length())
            .finish_non_exhaustive()
    }
}

impl From<&'static str> for Body {
    #[inline]
    fn from(text: &'static str) -> Body {
        Body(Content::Static(text.as_bytes()))
    }
}

impl From<&'static [u8]> for Body {
    #[inline]
    fn from(bytes: &'static [u8]) -> Body {
        Body(Content::Static(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body(Content::Bytes(text.into()))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body(Content::Bytes(bytes.into()))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body(Content::Bytes(bytes))
    }
}

impl From<RequestBody> for Body {
    fn from(body: RequestBody) -> Body {
        match body.length() {
            Some(length) => Body::sized_stream(body, length),
            None => Body::stream(body),
        }
    }
}

impl Response {
    /// An answer without a body.
    #[inline]
    pub fn new(status: StatusCode) -> Response {
        Response {
            status,
            closes: false,
            content_type: None,
            lines: Lines::Own(Vec::new()),
            body: Body::default(),
        }
    }

    /// 200 with plain text, in UTF-8.
    #[inline]
    pub fn text(text: impl Into<Body>) -> Response {
        Response::of_type("text/plain; charset=utf-8", text.into())
    }

    /// 200 with HTML, in UTF-8.
    #[inline]
    pub fn html(html: impl Into<Body>) -> Response {
        Response::of_type("text/html; charset=utf-8", html.into())
    }

    /// 200 with a body of this type.
    #[inline]
    fn of_type(content_type: &'static str, body: Body) -> Response {
        Response {
            status: StatusCode::OK,
            closes: false,
            content_type: Some(content_type),
            lines: Lines::Own(Vec::new()),
            body,
        }
    }

    /// A status that says what it is in a line of plain text.
    pub fn error(status: StatusCode) -> Response {
        let text = format!("{} {}\n", status.as_u16(), status.reason());
        Response::text(text).with_status(status)
    }

    /// 405 for a method that a resource doesn't know, with those it does: `GET, HEAD`.
    pub fn method_not_allowed(allow: &'static str) -> Response {
        Response::error(StatusCode::METHOD_NOT_ALLOWED).field("Allow", allow)
    }

    /// 200 for OPTIONS (RFC 9110 section 9.3.7), with the methods that a resource knows: `GET, HEAD,
    /// OPTIONS`.
    pub fn options(allow: &'static str) -> Response {
        Response::new(StatusCode::OK).field("Allow", allow)
    }

    /// 200 with a file.
    #[inline]
    pub(crate) fn opened(opened: Rc<Opened>) -> Response {
        Response {
            status: StatusCode::OK,
            closes: false,
            content_type: None,
            lines: Lines::Opened(opened.clone()),
            body: Body(Content::Opened(opened)),
        }
    }

    /// 304 for a file that the client has already.
    pub(crate) fn not_modified(opened: Rc<Opened>) -> Response {
        Response {
            status: StatusCode::NOT_MODIFIED,
            closes: false,
            content_type: None,
            lines: Lines::NotModified(opened),
            body: Body::default(),
        }
    }

    /// Pieces under header lines that are ready to be sent.
    pub(crate) fn pieces(status: StatusCode, lines: Vec<u8>, pieces: Vec<Piece>) -> Response {
        let lengths = pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Part(_, part) => part.end - part.start,
        });
        let length = lengths.sum();
        Response {
            status,
            content_type: None,
            lines: Lines::Own(lines),
            body: Body(Content::Pieces(pieces, length)),
            closes: false,
        }
    }

    /// 101: the connection goes on in `protocol`.
    pub(crate) fn switching(protocol: &str, start: Start) -> Response {
        let mut response = Response::new(StatusCode::SWITCHING_PROTOCOLS).upgrade_field(protocol);
        if !response.status.is_informational() {
            return response;
        }
        response.body = Body(Content::Upgrade(start));
        response
    }

    /// With the name of another protocol, and what must stand beside it.
    pub(crate) fn upgrade_field(self, protocol: &str) -> Response {
        let mut response = self.field("Upgrade", protocol);
        if let Lines::Own(lines) = &mut response.lines {
            lines.extend_from_slice(b"Connection: Upgrade\r\n");
        }
        response
    }

    #[inline]
    pub(crate) fn is_upgrade(&self) -> bool {
        matches!(self.body.0, Content::Upgrade(_))
    }

    /// With another status.
    #[must_use]
    #[inline]
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.status = status;
        self
    }

    /// With a `Content-Type`, in place of any other.
    #[must_use]
    #[inline]
    pub fn content_type(mut self, content_type: &'static str) -> Response {
        if !matches!(&self.lines, Lines::Own(lines) if lines.is_empty()) {
            self.forget_content_type();
        }
        self.content_type = Some(content_type);
        self
    }

    /// There must be one at most (RFC 9110 section 5.3): a client that gets two takes which it likes.
    #[cold]
    fn forget_content_type(&mut self) {
        self.content_type = None;
        let lines = self.lines().split_inclusive(|byte| *byte == b'\n');
        let others = lines.filter(|line| {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            !name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes())
        });
        self.lines = Lines::Own(others.flatten().copied().collect());
    }

    /// With a body.
    #[must_use]
    #[inline]
    pub fn body(mut self, body: impl Into<Body>) -> Response {
        self.body = body.into();
        self
    }

    /// With one more header field; a `Content-Type` takes the place of any other.
    ///
    /// # Errors
    /// `InvalidInput` if the name is no token, the value has a control character in it (a line
    /// break above all), or the field is one that the server itself writes: `Content-Length`,
    /// `Transfer-Encoding`, `Connection`, `Date`.
    pub fn header(mut self, name: &str, value: &str) -> io::Result<Response> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Err(invalid(format!(
                "the header field `{name}` is written by the server itself"
            )));
        }
        self.append_header(name, value.as_bytes())?;
        Ok(self)
    }

    /// The same, in place, for a value that may be more than ASCII.
    pub(crate) fn append_header(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        if let Lines::Opened(_) | Lines::NotModified(_) = self.lines {
            self.lines = Lines::Own(self.lines().to_vec());
        }
        if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            self.forget_content_type();
        }
        if let Lines::Own(lines) = &mut self.lines {
            bucle_http::write_field(lines, name, value)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        }
        Ok(())
    }

    /// The same for a field that we know to be well-formed.
    #[must_use]
    pub(crate) fn field(self, name: &str, value: &str) -> Response {
        self.header(name, value)
            .unwrap_or_else(|_| Response::error(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// Ends the connection after this answer, which the client is told.
    #[must_use]
    pub fn close_connection(mut self) -> Response {
        self.closes = true;
        self
    }

    /// The body's bytes, where they are at hand and no more than `most`.
    #[inline]
    pub(crate) fn short_body(&self, most: usize) -> Option<&[u8]> {
        self.body.short(most)
    }

    /// Takes the body out.
    #[inline]
    pub(crate) fn take_content(&mut self) -> Content {
        std::mem::take(&mut self.body.0)
    }

    #[inline]
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    /// The status.
    #[inline]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body's length in bytes, if it is known before it is sent.
    #[inline]
    pub fn length(&self) -> Option<u64> {
        self.body.length()
    }

    #[inline]
    pub(crate) fn content_type_value(&self) -> Option<&'static str> {
        self.content_type
    }

    #[inline]
    pub(crate) fn lines(&self) -> &[u8] {
        match &self.lines {
            Lines::Own(lines) => lines,
            Lines::Opened(opened) => opened.lines(),
            Lines::NotModified(opened) => opened.lines_not_modified(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_could_forge_another_is_refused() {
        for (name, value) in [
            ("X", "a\r\nSet-Cookie: b"),
            ("X", "a\nb"),
            ("X", "a\0"),
            ("X: y\r\nZ", "a"),
            ("", "a"),
            ("X Y", "a"),
            ("Content-Length", "5"),
            ("transfer-encoding", "chunked"),
            ("CONNECTION", "close"),
            ("Date", "today"),
        ] {
            let error = Response::text("x").header(name, value).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {value}");
        }
        let response = Response::text("x").header("X", "a, b").unwrap();
        assert_eq!(response.lines(), b"X: a, b\r\n");
    }

    #[test]
    fn only_a_regular_file_is_a_body() {
        let folder = fs::File::open(".").unwrap();
        let error = Body::from_file(folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
