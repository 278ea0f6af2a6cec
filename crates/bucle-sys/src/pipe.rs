//! Pipes, and what else is read and written like one: FIFOs, terminals, any other device that can
//! be polled.
//!
//! Writing to a pipe nobody reads raises `SIGPIPE`, which Rust programs ignore from their start; a
//! host in another language has to do the same.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::fs::{FileType, OFlags};
use rustix::io::retry_on_intr;

use crate::socket::MAX_IOV;

/// What a descriptor is, as far as reading and writing at its readiness goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A pipe or FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device: a terminal, `/dev/null`.
    CharacterDevice,
    /// Anything else: regular files, directories, disks. They are always ready, and block.
    Other,
}

/// What `fd` is.
///
/// # Errors
/// `EBADF` and the like.
pub fn kind(fd: impl AsFd) -> io::Result<Kind> {
    let mode = rustix::fs::fstat(fd)?.st_mode;
    Ok(match FileType::from_raw_mode(mode) {
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        _ => Kind::Other,
    })
}

/// Whether `fd` was opened for writing alone.
///
/// # Errors
/// `EBADF` and the like.
pub fn is_write_only(fd: impl AsFd) -> io::Result<bool> {
    let mode = rustix::fs::fcntl_getfl(fd)? & OFlags::RWMODE;
    Ok(mode == OFlags::WRONLY)
}

/// Reads into `buffer`; 0 is the end.
///
/// # Errors
/// `WouldBlock`; `EBADF` for an end that is for writing; `EIO` of a terminal that has gone.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::read(&fd, &mut *buffer))?)
}

/// Writes from `bytes` and returns how many were taken.
///
/// # Errors
/// `WouldBlock`; `EPIPE` when nobody reads; `EBADF` for an end that is for reading.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::write(&fd, bytes))?)
}

/// Writes several buffers in one call, at most [`MAX_IOV`] of them.
///
/// # Errors
/// As [`write`](write()).
pub fn write_vectored(fd: impl AsFd, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    let buffers = &buffers[..buffers.len().min(MAX_IOV)];
    Ok(retry_on_intr(|| rustix::io::writev(&fd, buffers))?)
}
