//! [`PipeEnd`]: one end of a pipe, or of whatever else is read or written like one.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bucle_loop::Interest;
use bucle_sys::pipe;
use bucle_sys::socket as sys;

pub(super) struct PipeEnd {
    fd: OwnedFd,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Read,
    /// A pipe's end for writing is readable when nobody reads the other one any more. Of anything
    /// else (a FIFO that was opened for reading too among it) it would mean that there is input,
    /// which is none of ours, and is not `watched`.
    Write {
        watched: bool,
    },
}

impl PipeEnd {
    pub(super) fn for_reading(fd: OwnedFd) -> io::Result<PipeEnd> {
        pollable(&fd)?;
        sys::set_nonblocking(&fd)?;
        Ok(PipeEnd { fd, way: Way::Read })
    }

    pub(super) fn for_writing(fd: OwnedFd) -> io::Result<PipeEnd> {
        let watched = pollable(&fd)? == pipe::Kind::Fifo && pipe::is_write_only(&fd)?;
        sys::set_nonblocking(&fd)?;
        let way = Way::Write { watched };
        Ok(PipeEnd { fd, way })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What of it can be waited for.
    pub(super) fn of_interest(&self, interest: Interest) -> Interest {
        match self.way {
            Way::Write { watched: false } => interest.without(Interest::READ),
            _ => interest,
        }
    }

    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.way {
            Way::Read => pipe::read(&self.fd, buffer),
            Way::Write { .. } => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check_writable()?;
        pipe::write(&self.fd, bytes)
    }

    pub(super) fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.check_writable()?;
        pipe::write_vectored(&self.fd, buffers)
    }

    pub(super) fn send_file(
        &self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> io::Result<usize> {
        self.check_writable()?;
        sys::sendfile(&self.fd, file, offset, count)
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.way {
            Way::Write { .. } => Ok(()),
            Way::Read => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "this end of the pipe is for reading; nothing can be written to it",
            )),
        }
    }
}

/// Refuses what can't be waited for.
fn pollable(fd: &OwnedFd) -> io::Result<pipe::Kind> {
    match pipe::kind(fd)? {
        pipe::Kind::Other => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a transport is for pipes, sockets and character devices; a regular file is always \
             ready, read and write it in a thread",
        )),
        kind => Ok(kind),
    }
}
