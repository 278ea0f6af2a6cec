//! [`sendfile`]: a file sent, and awaited.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use bucle_sys::file::length;

use crate::Transport;
use crate::waiters::Seat;

/// Sends a file, or a part of it, and waits until it has been handed to the system. Returns how many
/// bytes were sent: `count`, or as many as there are from `offset` on. asyncio's `loop.sendfile`.
///
/// The system copies the file to the socket by itself where it can (`sendfile(2)`); over TLS, and
/// where the file or the system can't, it is read and written in pieces of bounded size. What was
/// written before leaves before; what is written meanwhile leaves after, and is waited for too. The
/// file's own position is neither used nor moved.
///
/// Dropping the future stops the waiting, not the sending.
///
/// # Errors
/// `NotConnected` for a connection that is closing, or whose side of ours has ended; `InvalidInput`
/// for what is no regular file; `ConnectionReset` when the connection was lost or aborted before
/// everything had left: why, its protocol is told. A file that becomes shorter meanwhile has the
/// connection aborted.
pub async fn sendfile(
    transport: &Transport,
    file: impl AsFd + 'static,
    offset: u64,
    count: Option<u64>,
) -> io::Result<u64> {
    if !transport.carrier().takes_writes() {
        return Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "the connection is closing, or its writing side has ended; no file can be sent by it",
        ));
    }
    let there = length(&file)?.saturating_sub(offset);
    let count = count.map_or(there, |count| count.min(there));
    transport.send_file(Rc::new(file), offset, count);
    let mut seat = Seat::default();
    poll_fn(|cx| transport.poll_drained(&mut seat, cx)).await;
    if transport.carrier().was_cut() {
        return Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the connection was lost before the file was sent",
        ));
    }
    Ok(count)
}
