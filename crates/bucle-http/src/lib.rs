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
pub mod encode;
mod error;
mod event;
mod field;
mod framing;
mod head;
pub mod limits;
mod method;
mod response_head;
mod scan;
mod section;
mod server;
mod status;
mod target;
mod version;

pub use client::ClientConnection;
pub use encode::{write_chunk_head, write_content_length, write_field, write_status_line};
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
