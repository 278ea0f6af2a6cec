//! Pipes as transports: [`connect_read_pipe`], [`connect_write_pipe`].
//!
//! One end of a pipe is a connection that carries bytes one way. The same works for whatever else
//! can be polled: FIFOs, terminals and other character devices, sockets of any kind.

use std::io;
use std::os::fd::OwnedFd;

use bucle_loop::get_running_loop;

use crate::Transport;
use crate::protocol::Protocol;
use crate::socket::Socket;

/// A transport that reads from `fd`, on the running loop; `protocol` is told of it before this
/// returns. asyncio's `connect_read_pipe`.
///
/// The descriptor is made non-blocking, which whoever shares it will see: a terminal's is shared
/// with the shell. When the other end is closed, [`Protocol::eof_received`] is called and the
/// transport closed, whatever it answers. Writing to it is an error, and ends it.
///
/// ```
/// use std::os::fd::OwnedFd;
///
/// bucle_loop::run(async {
///     let (read, write) = std::io::pipe()?;
///     let mut reader = bucle_net::open_read_pipe(OwnedFd::from(read))?;
///     let writer = bucle_net::open_write_pipe(OwnedFd::from(write))?;
///     writer.write(b"through the pipe\n");
///     assert_eq!(reader.readline().await?, b"through the pipe\n");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` for a regular file, a directory or a disk, which are always ready; the system's.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn connect_read_pipe(fd: OwnedFd, protocol: impl Protocol) -> io::Result<Transport> {
    let socket = Socket::from_read_end(fd)?;
    Ok(Transport::start(&get_running_loop(), socket, protocol))
}

/// A transport that writes to `fd`, on the running loop; otherwise as [`connect_read_pipe`].
/// asyncio's `connect_write_pipe`.
///
/// [`Transport::write_eof`] closes it once what is queued has left. When the other end of a pipe is
/// closed, the transport ends by itself: with `connection_lost(None)` if nothing was queued, with
/// `BrokenPipe` otherwise. Never is [`Protocol::data_received`] called.
///
/// # Errors
/// As [`connect_read_pipe`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn connect_write_pipe(fd: OwnedFd, protocol: impl Protocol) -> io::Result<Transport> {
    let socket = Socket::from_write_end(fd)?;
    Ok(Transport::start(&get_running_loop(), socket, protocol))
}
