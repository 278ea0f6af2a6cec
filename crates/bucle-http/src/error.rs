//! [`Error`]: what was wrong with a message, and which status says so.

use std::fmt;

use crate::StatusCode;

/// What was wrong with what the peer sent. After one the connection takes nothing more: where the
/// message ends can't be told any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The method is empty or no token (RFC 9112 section 3.1).
    Method,
    /// The method is longer than [`Limits::method_bytes`](crate::Limits::method_bytes).
    MethodTooLong,
    /// The target is empty, has a character that can't be in one, or is of a form that doesn't go
    /// with the method (RFC 9112 section 3.2).
    Target,
    /// The target is longer than [`Limits::target_bytes`](crate::Limits::target_bytes).
    TargetTooLong,
    /// The version is missing or malformed (RFC 9112 section 2.3).
    Version,
    /// The version is well-formed, but not HTTP/1.
    UnsupportedVersion,
    /// The status line of an answer is malformed (RFC 9112 section 4).
    StatusLine,
    /// There are more empty lines before the message than
    /// [`Limits::empty_lines`](crate::Limits::empty_lines).
    EmptyLines,
    /// A line ends with LF alone (RFC 9112 section 2.2).
    BareLf,
    /// A CR without LF (RFC 9112 section 2.2).
    BareCr,
    /// A line begins with white space (RFC 9112 sections 2.2 and 5.2).
    LineFolding,
    /// A field name is empty, no token, or not followed by a colon (RFC 9112 section 5).
    FieldName,
    /// White space before the colon (RFC 9112 section 5.1).
    SpaceBeforeColon,
    /// A field value has a control character in it (RFC 9110 section 5.5).
    FieldValue,
    /// There are more fields than [`Limits::fields`](crate::Limits::fields).
    TooManyFields,
    /// The head is longer than [`Limits::head_bytes`](crate::Limits::head_bytes).
    HeadTooLong,
    /// An HTTP/1.1 request without `Host` (RFC 9112 section 3.2).
    MissingHost,
    /// More than one `Host` (RFC 9112 section 3.2).
    RepeatedHost,
    /// `Host`, or the authority of the target, is empty or no `host[:port]` (RFC 9110 section 7.2).
    Host,
    /// `Content-Length` is no decimal number, or over 2^63-1 (RFC 9110 section 8.6).
    ContentLength,
    /// More than one `Content-Length`, be they equal or not (RFC 9110 section 8.6 leaves the choice).
    RepeatedContentLength,
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6.3).
    LengthAndEncoding,
    /// `Transfer-Encoding` is malformed, or `chunked` is repeated or not the last
    /// (RFC 9112 section 6.3).
    TransferEncoding,
    /// A transfer coding other than `chunked` (RFC 9112 section 6.1).
    UnsupportedTransferEncoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message (RFC 9112 section 6.1).
    TransferEncodingInHttp10,
    /// A CONNECT request that announces content (RFC 9110 section 9.3.6).
    ContentInConnect,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    Expectation,
    /// A chunk's size is no hexadecimal number, or over 2^63-1 (RFC 9112 section 7.1).
    ChunkSize,
    /// A chunk extension is malformed (RFC 9112 section 7.1.1).
    ChunkExtension,
    /// The chunk extensions of a body are longer than
    /// [`Limits::chunk_extension_bytes`](crate::Limits::chunk_extension_bytes).
    ChunkExtensionsTooLong,
    /// A chunk's data is not followed by CRLF (RFC 9112 section 7.1).
    ChunkEnd,
    /// The trailer section is longer than [`Limits::trailer_bytes`](crate::Limits::trailer_bytes).
    TrailersTooLong,
    /// A trailer field that would say how the message is framed or routed: `Content-Length`,
    /// `Transfer-Encoding`, `Host` (RFC 9110 section 6.5.1).
    ForbiddenTrailer,
    /// More interim answers than [`Limits::interim_responses`](crate::Limits::interim_responses).
    TooManyInterimResponses,
    /// The connection ended in the middle of a message (RFC 9112 section 8).
    Incomplete,
}

impl Error {
    /// The status that tells a client. What only an answer can have wrong is 502, as from a gateway
    /// that got such an answer.
    pub fn status(self) -> StatusCode {
        match self {
            Error::MethodTooLong | Error::UnsupportedTransferEncoding => {
                StatusCode::NOT_IMPLEMENTED
            }
            Error::TargetTooLong => StatusCode::URI_TOO_LONG,
            Error::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Error::TooManyFields | Error::HeadTooLong | Error::TrailersTooLong => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Error::Expectation => StatusCode::EXPECTATION_FAILED,
            Error::StatusLine | Error::TooManyInterimResponses => StatusCode::BAD_GATEWAY,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What was wrong and what would be right, in one line without a line break.
    pub fn message(self) -> &'static str {
        match self {
            Error::Method => "the method is not a token followed by one space",
            Error::MethodTooLong => "the method is longer than any that is known here",
            Error::Target => {
                "the request target is not a path, a URL of http or https, \
                 host:port for CONNECT or * for OPTIONS"
            }
            Error::TargetTooLong => "the request target is too long",
            Error::Version => "the request line does not end with one space and HTTP/1.1",
            Error::UnsupportedVersion => "the version is not HTTP/1.0 or HTTP/1.1",
            Error::StatusLine => {
                "the answer does not begin with HTTP/1.x, a space and three digits"
            }
            Error::EmptyLines => "too many empty lines before the request",
            Error::BareLf => "a line ends with LF alone instead of CRLF",
            Error::BareCr => "a CR is not followed by LF",
            Error::LineFolding => "a line begins with white space; fold no header lines",
            Error::FieldName => "a header line is not a name, a colon and a value",
            Error::SpaceBeforeColon => "white space between a header field's name and its colon",
            Error::FieldValue => "a header field's value has a control character in it",
            Error::TooManyFields => "too many header fields",
            Error::HeadTooLong => "the header section is too long",
            Error::MissingHost => "an HTTP/1.1 request needs a Host field",
            Error::RepeatedHost => "there is more than one Host field",
            Error::Host => "the host is not a name or an address with at most a port",
            Error::ContentLength => "Content-Length is not a decimal number below 2^63",
            Error::RepeatedContentLength => "there is more than one Content-Length",
            Error::LengthAndEncoding => "both Content-Length and Transfer-Encoding; send one",
            Error::TransferEncoding => "Transfer-Encoding is not chunked, once and last",
            Error::UnsupportedTransferEncoding => "no transfer coding but chunked is known here",
            Error::TransferEncodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding",
            Error::ContentInConnect => "a CONNECT request has no content",
            Error::Expectation => "no expectation but 100-continue is known here",
            Error::ChunkSize => "a chunk's size is not a hexadecimal number below 2^63",
            Error::ChunkExtension => "a chunk extension is not ;name or ;name=value",
            Error::ChunkExtensionsTooLong => "the chunk extensions are too long",
            Error::ChunkEnd => "a chunk's data is not followed by CRLF",
            Error::TrailersTooLong => "the trailer section is too long",
            Error::ForbiddenTrailer => "a framing or routing field among the trailers",
            Error::TooManyInterimResponses => "too many interim answers",
            Error::Incomplete => "the connection ended in the middle of a message",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}
