//! What can go wrong between processes.

use std::fmt;
use std::io;

use crate::payload::{NotDecoded, NotEncoded};

/// Why something could not be sent, received, put, taken, acquired or locked.
///
/// That the other side is gone when one waits to *receive* is no error: that is `None`.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChannelError {
    /// Nobody is there any more: the other process has ended or has closed its end, a queue was
    /// shut down, the parent's loop is gone.
    Closed,
    /// The value can't be put into bytes.
    NotEncoded(NotEncoded),
    /// The value can't be made of the bytes that came. It is lost; what comes after it is not.
    NotDecoded(NotDecoded),
    /// The system's; no loop running where one is needed; a call that would block a thread which
    /// must not be blocked.
    Io(io::Error),
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelError::Closed => f.write_str(
                "it is closed: the other process has ended or closed its end, or it was shut down",
            ),
            ChannelError::NotEncoded(error) => error.fmt(f),
            ChannelError::NotDecoded(error) => error.fmt(f),
            ChannelError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChannelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ChannelError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ChannelError {
    fn from(error: io::Error) -> ChannelError {
        ChannelError::Io(error)
    }
}

impl From<NotEncoded> for ChannelError {
    fn from(error: NotEncoded) -> ChannelError {
        ChannelError::NotEncoded(error)
    }
}

impl From<NotDecoded> for ChannelError {
    fn from(error: NotDecoded) -> ChannelError {
        ChannelError::NotDecoded(error)
    }
}
