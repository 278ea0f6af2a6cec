//! Streams over pipes: [`open_read_pipe`], [`open_write_pipe`].

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::{DEFAULT_LIMIT, Shared, StreamProtocol, StreamReader, StreamWriter};
use crate::{connect_read_pipe, connect_write_pipe};

/// A stream that reads from `fd`: a pipe, or what else [`connect_read_pipe`] takes. Dropping the
/// reader closes it.
///
/// # Errors
/// As [`connect_read_pipe`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn open_read_pipe(fd: OwnedFd) -> io::Result<StreamReader> {
    open_read_pipe_with(fd, DEFAULT_LIMIT)
}

/// [`open_read_pipe`] with another [limit](crate::ConnectOptions::limit).
///
/// # Errors
/// As [`connect_read_pipe`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn open_read_pipe_with(fd: OwnedFd, limit: usize) -> io::Result<StreamReader> {
    let shared = Rc::new(Shared::new(limit));
    shared.reader_owns.set(true);
    connect_read_pipe(fd, StreamProtocol::new(&shared))?;
    Ok(StreamReader::new(shared))
}

/// A stream that writes to `fd`: a pipe, or what else [`connect_write_pipe`] takes. Dropping the
/// writer closes it once what was written has left.
///
/// # Errors
/// As [`connect_write_pipe`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn open_write_pipe(fd: OwnedFd) -> io::Result<StreamWriter> {
    let shared = Rc::new(Shared::new(DEFAULT_LIMIT));
    shared.reader_gone.set(true);
    let transport = connect_write_pipe(fd, StreamProtocol::new(&shared))?;
    Ok(StreamWriter::new(shared, transport))
}
