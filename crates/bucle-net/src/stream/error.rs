//! [`ReadError`]: why a whole chunk could not be read.

use std::error::Error;
use std::fmt;
use std::io;

/// Why [`readexactly`](crate::StreamReader::readexactly),
/// [`readuntil`](crate::StreamReader::readuntil) or [`readline`](crate::StreamReader::readline) gave
/// no chunk. No byte is lost by any of them.
///
/// Becomes an [`io::Error`] by `?`, of the kinds `UnexpectedEof`, `InvalidData` and the
/// connection's own.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended first. asyncio's `IncompleteReadError`.
    #[doc(alias = "IncompleteReadError")]
    Incomplete {
        /// What was left; it is no longer in the buffer.
        partial: Vec<u8>,
        /// How many bytes were asked for; `None` where a separator was.
        expected: Option<usize>,
    },
    /// The chunk is longer than the stream's limit. Everything stays in the buffer. asyncio's
    /// `LimitOverrunError`.
    #[doc(alias = "LimitOverrunError")]
    LimitOverrun {
        /// How many bytes at the front belong to the chunk for certain: read as many (with
        /// [`read`](crate::StreamReader::read) or
        /// [`readexactly`](crate::StreamReader::readexactly)) and go on from there.
        consumed: usize,
        /// Whether the separator was seen behind them.
        found: bool,
        /// The limit that was in the way.
        limit: usize,
    },
    /// The connection was lost, or the call makes no sense (`InvalidInput`). What is in the buffer
    /// stays there.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Incomplete {
                partial,
                expected: Some(expected),
            } => write!(
                f,
                "the stream ended after {} of {expected} bytes",
                partial.len()
            ),
            ReadError::Incomplete {
                partial,
                expected: None,
            } => write!(
                f,
                "the stream ended after {} bytes, before the separator",
                partial.len()
            ),
            ReadError::LimitOverrun {
                consumed,
                found,
                limit,
            } => {
                let seen = if *found {
                    "the separator comes after"
                } else {
                    "no separator within"
                };
                write!(
                    f,
                    "{seen} {consumed} bytes, and the limit is {limit}; the bytes are still in the \
                     buffer"
                )
            }
            ReadError::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReadError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        let kind = match error {
            ReadError::Incomplete { .. } => io::ErrorKind::UnexpectedEof,
            ReadError::LimitOverrun { .. } => io::ErrorKind::InvalidData,
            ReadError::Io(error) => return error,
        };
        io::Error::new(kind, error)
    }
}
