//! HTTP/1.1 as a pure state machine: bytes in, events out; values in, bytes out.
//!
//! There is no I/O here, no clock, no thread and no unsafe code, and nothing of what runs it: the
//! caller reads, waits, writes and closes. A connection keeps no bytes either. What it can't use
//! yet the caller keeps, and shows again with more behind it.
//!
//! ```text
//!   bytes ──> ServerConnection::receive ──> Head, Body.., Trailers, End, Paused ──> the caller
//!                                            │                                       │
//!                                 RequestHead, recycled                    next_request()
//! ```
//!
//! It is strict. What RFC 9112 leaves open, or lets a recipient repair, is refused: line ends are
//! CRLF, lines are not folded, a length is given once and in one way. Two parsers that repair the
//! same message differently are how requests get smuggled. [`Error`] lists all that is refused, and
//! [`Limits`] how much of everything is taken.
//!
//! # Where the RFCs leave a choice
//!
//! | in the message | here | source |
//! |---|---|---|
//! | LF alone as a line end | refused | RFC 9112 section 2.2: may be taken |
//! | a folded line | refused | RFC 9112 section 5.2: refused or repaired |
//! | `Content-Length` twice, or a list, with equal numbers | refused | RFC 9110 section 8.6: refused or repaired |
//! | `Transfer-Encoding` and `Content-Length` | refused | RFC 9112 section 6.3: may be refused |
//! | `Transfer-Encoding` in HTTP/1.0 | refused | RFC 9112 section 6.1: framing is to be treated as faulty |
//! | an empty element in `Transfer-Encoding` | refused | RFC 9110 section 5.6.1.2: ignored in a list |
//! | an empty `Host` | refused | RFC 9110 section 4.2.1: an `http` URL has a host |
//! | a URL as target | `http` and `https`, without a user | RFC 9112 section 3.2.2, RFC 9110 section 4.2.4 |
//! | ``[ ] \ ^ { \| }`` and the grave accent in a target | taken | RFC 3986: percent-encoded; browsers send them |
//! | a fragment, `"`, `<`, `>`, anything not ASCII in a target | refused | RFC 9112 section 3.2: an invalid request line |
//! | HTTP/1.2 and up | as HTTP/1.1 | RFC 9110 section 2.5 |
//! | white space around `;` and `=` of a chunk extension | taken | RFC 9112 section 7.1.1: to be taken |
//! | white space behind a chunk's size without an extension | refused | not in the grammar |
//! | `Content-Length`, `Transfer-Encoding`, `Host` as trailers | refused | RFC 9110 section 6.5.1: never to be merged |
//! | content in CONNECT | refused | RFC 9110 section 9.3.6: it has no meaning |
//! | an expectation that is not `100-continue` | refused with 417 | RFC 9110 section 10.1.1: may be |
//! | a zone in an IPv6 host | refused | RFC 3986 section 3.2.2: not in the grammar |
//! | a status line that ends behind the code, without a space | taken | RFC 9112 section 4: the space is missing |
//!
//! # Example
//!
//! ```
//! use bucle_http::{Event, Limits, RequestHead, ServerConnection};
//!
//! let mut connection = ServerConnection::default();
//! let (mut head, limits) = (RequestHead::default(), Limits::default());
//! let input = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
//!
//! let progress = connection.receive(input, &mut head, &limits)?;
//! assert_eq!(progress.event, Event::Head);
//! assert_eq!((head.path(), head.content_length()), ("/echo", Some(5)));
//!
//! let body = &input[progress.consumed..];
//! assert_eq!(connection.receive(body, &mut head, &limits)?.event, Event::Body(0..5));
//! assert_eq!(connection.receive(b"", &mut head, &limits)?.event, Event::End);
//! # Ok::<(), bucle_http::Error>(())
//! ```
#![forbid(unsafe_code)]

mod body;
mod chars;
mod chunked;
mod client;
mod controls;
pub mod encode;
mod error;
mod event;
mod field;
mod framing;
mod head;
pub mod limits;
mod method;
mod notable;
mod response_head;
mod scan;
mod section;
mod server;
mod status;
mod target;
mod version;

pub use client::ClientConnection;
pub use encode::{
    write_chunk_head, write_content_length, write_field, write_status_line, write_trailer,
};
pub use error::Error;
pub use event::{Event, Progress};
pub use field::Fields;
pub use head::RequestHead;
pub use limits::Limits;
pub use method::Method;
pub use response_head::ResponseHead;
pub use server::ServerConnection;
pub use status::StatusCode;
pub use target::TargetForm;
pub use version::Version;
