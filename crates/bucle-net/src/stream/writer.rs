//! [`StreamWriter`].

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bucle_loop::yield_now;
use bytes::Bytes;
use futures_io::AsyncWrite;

use super::Shared;
use crate::waiters::Seat;
use crate::{Address, ExtraInfo, Transport};

/// The sending half of a stream, and the owner of the connection: dropping it closes the
/// connection once what was written has left. asyncio's `StreamWriter`.
pub struct StreamWriter {
    pub(super) shared: Rc<Shared>,
    pub(super) transport: Transport,
    /// Where who polls by [`AsyncWrite`] waits: for the queue, and for the other things.
    draining: Seat,
    polling: Seat,
}

impl StreamWriter {
    pub(super) fn new(shared: Rc<Shared>, transport: Transport) -> StreamWriter {
        StreamWriter {
            shared,
            transport,
            draining: Seat::default(),
            polling: Seat::default(),
        }
    }

    /// Sends `bytes`, or queues them: see [`Transport::write`]. Follow it by
    /// [`drain`](StreamWriter::drain), lest the queue grow without end.
    pub fn write(&self, bytes: &[u8]) {
        self.transport.write(bytes);
    }

    /// [`write`](StreamWriter::write) without a copy.
    pub fn write_bytes(&self, bytes: Bytes) {
        self.transport.write_bytes(bytes);
    }

    /// [`write`](StreamWriter::write) of several pieces in one call.
    pub fn writelines<I>(&self, pieces: I)
    where
        I: IntoIterator,
        I::Item: Into<Bytes>,
    {
        self.transport.writelines(pieces);
    }

    /// Sends `length` bytes of `file` from `offset`, behind what was written: see
    /// [`Transport::send_file`]. Follow it by [`drain`](StreamWriter::drain).
    pub fn send_file(&self, file: Rc<dyn AsFd>, offset: u64, length: u64) {
        self.transport.send_file(file, offset, length);
    }

    /// Sends a file, or `count` bytes of it, and waits until it has left: see
    /// [`sendfile`](crate::sendfile).
    ///
    /// # Errors
    /// As [`sendfile`](crate::sendfile), and why the connection was lost.
    pub async fn sendfile(
        &self,
        file: impl AsFd + 'static,
        offset: u64,
        count: Option<u64>,
    ) -> io::Result<u64> {
        match crate::sendfile(&self.transport, file, offset, count).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                // Why, is told in the next turn.
                yield_now().await;
                Err(self.shared.error().unwrap_or(error))
            }
            result => result,
        }
    }

    /// Waits while more is queued than the high water mark allows, until it is down to the low one.
    /// Cancel-safe.
    ///
    /// # Errors
    /// Why the connection was lost, an earlier write's failure included; `ConnectionReset` when it
    /// was closed.
    pub async fn drain(&self) -> io::Result<()> {
        // As most times: what was written has left, or may be queued.
        if !self.shared.lost.get()
            && !self.shared.writing_paused.get()
            && !self.transport.is_closing()
        {
            return Ok(());
        }
        self.drain_slowly().await
    }

    async fn drain_slowly(&self) -> io::Result<()> {
        if self.transport.is_closing() {
            // A failure that has just been met is told in the next turn.
            yield_now().await;
        }
        let mut seat = Seat::default();
        poll_fn(|cx| poll_writable(&self.shared, &mut seat, cx)).await
    }

    /// Ends our side once what was written has left; the peer can still send.
    pub fn write_eof(&self) {
        self.transport.write_eof();
    }

    /// Whether [`write_eof`](StreamWriter::write_eof) works: true for stream sockets.
    pub fn can_write_eof(&self) -> bool {
        self.transport.can_write_eof()
    }

    /// Closes the connection once what was written has left; see [`Transport::close`].
    pub fn close(&self) {
        self.transport.close();
    }

    /// Whether it is closed or closing.
    pub fn is_closing(&self) -> bool {
        self.transport.is_closing()
    }

    /// Waits until the connection has ended. Cancel-safe.
    ///
    /// # Errors
    /// Why it was lost, if it was not closed.
    pub async fn wait_closed(&self) -> io::Result<()> {
        let mut seat = Seat::default();
        poll_fn(|cx| {
            if self.shared.lost.get() {
                return Poll::Ready(self.shared.error().map_or(Ok(()), Err));
            }
            self.shared.wait_to_write(&mut seat, cx).map(Ok)
        })
        .await
    }

    /// See [`Transport::get_extra_info`].
    pub fn get_extra_info(&self, what: ExtraInfo) -> Option<Address> {
        self.transport.get_extra_info(what)
    }

    /// The transport below.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

fn poll_writable(shared: &Shared, seat: &mut Seat, cx: &Context<'_>) -> Poll<io::Result<()>> {
    if shared.lost.get() {
        return Poll::Ready(Err(shared.error().unwrap_or_else(closed)));
    }
    if shared.writing_paused.get() {
        return shared.wait_to_write(seat, cx).map(Ok);
    }
    Poll::Ready(Ok(()))
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was closed")
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.transport.close();
    }
}

/// Writing waits as [`drain`](StreamWriter::drain) does, and takes everything it is given; flushing
/// waits until everything was handed to the system; closing is flushing and
/// [`write_eof`](StreamWriter::write_eof), so that an answer can still be read.
impl AsyncWrite for StreamWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match poll_writable(&this.shared, &mut this.polling, cx) {
            Poll::Ready(Ok(())) if this.transport.is_closing() => Poll::Ready(Err(closed())),
            Poll::Ready(Ok(())) => {
                this.transport.write(buf);
                Poll::Ready(Ok(buf.len()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let drained = this.transport.poll_drained(&mut this.draining, cx);
        if drained.is_pending() {
            return Poll::Pending;
        }
        if this.shared.lost.get() {
            return Poll::Ready(this.shared.error().map_or(Ok(()), Err));
        }
        if this.transport.is_closing() {
            // Whether it failed is told soon.
            return this.shared.wait_to_write(&mut this.polling, cx).map(Ok);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.as_mut().poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.transport.write_eof();
        }
        flushed
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
