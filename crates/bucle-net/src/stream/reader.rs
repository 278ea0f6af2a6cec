//! [`StreamReader`].

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead};
use memchr::{memchr, memmem};

use super::buffer::Buffer;
use super::{OFFER, ReadError, Shared};
use crate::socket::Socket;

/// Memory of at least as many bytes is received into as it is; into less it is copied, so that small
/// reads don't each cost a system call.
const DIRECT: usize = 4 * 1024;

/// As long as less than this comes at once, [`read`](StreamReader::read) receives into the loop's
/// buffer, which has room for much, and copies.
const SMALL: usize = 512;

/// The receiving half of a stream. asyncio's `StreamReader`.
///
/// All reads are cancel-safe: dropping their futures, as a time-out does, loses no byte. What was
/// received before the connection was lost is given out before the error is.
///
/// Dropped before its writer, it lets what still comes in be read and thrown away. Where there is no
/// writer, as of a pipe, dropping it closes the connection.
pub struct StreamReader {
    shared: Rc<Shared>,
    buffer: Buffer,
    /// For how many bytes the next [`read`](StreamReader::read) makes room: for a few more than came
    /// at once of late, so that it is seen whether there are more. 0 while little comes.
    room: usize,
}

/// What waiting for more came to.
enum Fill {
    More,
    Eof,
}

impl StreamReader {
    pub(super) fn new(shared: Rc<Shared>) -> StreamReader {
        StreamReader {
            shared,
            buffer: Buffer::default(),
            room: 0,
        }
    }

    /// Reads up to `count` bytes: what is buffered, or else what comes in first. Nothing means the
    /// end of the stream (or a `count` of 0). asyncio's `read(n)`; for its `read()` see
    /// [`read_to_end`](StreamReader::read_to_end).
    ///
    /// # Errors
    /// Why the connection was lost, once everything received has been read.
    pub async fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        poll_fn(|cx| self.poll_read_vec(cx, count)).await
    }

    fn poll_read_vec(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<io::Result<Vec<u8>>> {
        if count > 0 && self.buffer.is_empty() {
            if self.room != 0 && count >= DIRECT && self.is_offered() {
                let mut bytes = Vec::with_capacity(count.min(self.room));
                let capacity = bytes.capacity();
                let received = self.receive(capacity, |socket| socket.recv_append(&mut bytes));
                if let Some(received) = received {
                    self.note_came(received, capacity);
                    // Not much memory for few bytes, whatever becomes of them.
                    if received < capacity / 2 {
                        bytes.shrink_to_fit();
                    }
                    return Poll::Ready(Ok(bytes));
                }
            }
            ready!(self.poll_fill(cx))?;
            self.note_came(self.buffer.len(), usize::MAX);
        }
        Poll::Ready(Ok(self.take(count)))
    }

    /// Notes how much came at once, into room for so much.
    fn note_came(&mut self, count: usize, room: usize) {
        let wanted = if count < room {
            (count + 8) & !7
        } else {
            // There may be much more.
            4 * count
        };
        self.room = if wanted > DIRECT {
            // Always the same, which the allocator has at hand: what is freed and asked for in changing
            // sizes it gives back to the system, page by page.
            OFFER as usize
        } else {
            // It becomes less by and by, so that what differs in length is not cut in pieces.
            let before = self.room.min(DIRECT);
            match wanted.max(before - before / 16) {
                room if room < SMALL => 0,
                room => room,
            }
        };
    }

    /// Reads into `buf`: what is buffered, or else what comes in first. 0 means the end of the stream
    /// (or an empty `buf`). For who reads again and again into the same memory: nothing is allocated,
    /// and what comes in is received right where it is wanted. asyncio has none.
    ///
    /// # Errors
    /// As [`read`](StreamReader::read).
    pub async fn read_into(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut *self).poll_read(cx, buf)).await
    }

    /// Reads all there is until the end of the stream, without a limit.
    ///
    /// # Errors
    /// Why the connection was lost; what was received before can still be read.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while let Fill::More = self.fill().await? {}
        Ok(self.take(usize::MAX))
    }

    /// Reads `count` bytes, no less; also more than the limit.
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] with what there was, if the stream ends before;
    /// [`ReadError::Io`] if the connection was lost.
    pub async fn readexactly(&mut self, count: usize) -> Result<Vec<u8>, ReadError> {
        while self.buffer.len() < count {
            if let Fill::Eof = self.fill().await? {
                return Err(ReadError::Incomplete {
                    partial: self.take(usize::MAX),
                    expected: Some(count),
                });
            }
        }
        Ok(self.take(count))
    }

    /// Reads up to and with `separator`.
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] with what there was, if the stream ends before;
    /// [`ReadError::LimitOverrun`] if there are more bytes than the limit before the separator,
    /// all of which stay in the buffer; [`ReadError::Io`] if the connection was lost, or if the
    /// separator is empty.
    pub async fn readuntil(&mut self, separator: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.readuntil_any(&[separator]).await
    }

    /// Reads up to and with one of several separators: the one that ends first. asyncio's
    /// `readuntil` with a tuple.
    ///
    /// # Errors
    /// As [`readuntil`](StreamReader::readuntil); `InvalidInput` without a separator too.
    pub async fn readuntil_any(&mut self, separators: &[&[u8]]) -> Result<Vec<u8>, ReadError> {
        let longest = separators.iter().map(|it| it.len()).max().unwrap_or(0);
        if longest == 0 || separators.iter().any(|it| it.is_empty()) {
            return Err(ReadError::Io(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there must be a separator, of at least one byte",
            )));
        }
        let limit = self.shared.limit;
        // Where a separator can begin that was not seen yet.
        let mut searched = 0;
        loop {
            let buffered = self.buffer.as_slice();
            if let Some((consumed, end)) = first_end(&buffered[searched..], separators) {
                let (consumed, end) = (searched + consumed, searched + end);
                if consumed > limit {
                    return Err(ReadError::LimitOverrun {
                        consumed,
                        found: true,
                        limit,
                    });
                }
                return Ok(self.take(end));
            }
            searched = (buffered.len() + 1).saturating_sub(longest);
            if searched > limit {
                return Err(ReadError::LimitOverrun {
                    consumed: searched,
                    found: false,
                    limit,
                });
            }
            if let Fill::Eof = self.fill().await? {
                return Err(ReadError::Incomplete {
                    partial: self.take(usize::MAX),
                    expected: None,
                });
            }
        }
    }

    /// Reads a line, with its `\n`; at the end of the stream what is left, and nothing after it.
    ///
    /// # Errors
    /// [`ReadError::LimitOverrun`] for a line longer than the limit, all of which stays in the
    /// buffer (asyncio throws it away); [`ReadError::Io`] if the connection was lost.
    pub async fn readline(&mut self) -> Result<Vec<u8>, ReadError> {
        match self.readuntil(b"\n").await {
            Err(ReadError::Incomplete { partial, .. }) => Ok(partial),
            result => result,
        }
    }

    /// Whether the stream has ended and everything was read.
    pub fn at_eof(&self) -> bool {
        self.shared.eof.get() && self.buffer.is_empty() && self.shared.incoming.borrow().is_empty()
    }

    /// Waits for more than is buffered.
    async fn fill(&mut self) -> io::Result<Fill> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Fill>> {
        {
            let mut incoming = self.shared.incoming.borrow_mut();
            if !incoming.is_empty() {
                self.buffer.append(&mut incoming);
                self.shared.held.set(self.buffer.len());
                return Poll::Ready(Ok(Fill::More));
            }
        }
        if self.is_offered() && self.receive_buffered() {
            return Poll::Ready(Ok(Fill::More));
        }
        let shared = &*self.shared;
        if shared.eof.get() {
            return Poll::Ready(Ok(Fill::Eof));
        }
        if shared.lost.get() {
            return Poll::Ready(match shared.error() {
                Some(error) => Err(error),
                None => Ok(Fill::Eof),
            });
        }
        let before = shared.reader.replace(Some(cx.waker().clone()));
        drop(before);
        // Whoever waits wants more, however much is held.
        shared.resume_reading();
        Poll::Pending
    }

    /// Whether the next bytes are still the system's, and for us to receive.
    fn is_offered(&self) -> bool {
        self.shared.offered.get() > 0 && self.shared.incoming.borrow().is_empty()
    }

    /// Receives by `receive`, into memory of `room` bytes. What there is beside bytes, an end or a
    /// failure, has reached the protocol by then.
    fn receive(
        &self,
        room: usize,
        mut receive: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Option<usize> {
        let shared = &*self.shared;
        let left = shared.offered.replace(0);
        let transport = shared.transport()?;
        let count = transport.carrier().read_offered(&mut receive)?;
        // A full one may have left some.
        if count == room {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            shared.offered.set(left.saturating_sub(count));
        }
        Some(count)
    }

    /// Receives into the buffer, by way of the loop's, which makes it no longer than need be.
    fn receive_buffered(&mut self) -> bool {
        let Some(transport) = self.shared.transport() else {
            return false;
        };
        transport.carrier().event_loop().with_read_buffer(|bytes| {
            let received = self.receive(bytes.len(), |socket| socket.recv(bytes));
            if let Some(count) = received {
                self.buffer.extend(&bytes[..count]);
                self.shared.held.set(self.buffer.len());
            }
            received.is_some()
        })
    }

    /// Ready once everything there will ever be is buffered, or the connection was lost.
    pub(crate) fn poll_to_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.poll_fill(cx) {
                Poll::Ready(Ok(Fill::More)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// What is buffered; else why the connection was lost, if it was.
    pub(crate) fn take_all(&mut self) -> io::Result<Vec<u8>> {
        let all = self.take(usize::MAX);
        match self.shared.error() {
            Some(error) if all.is_empty() => Err(error),
            _ => Ok(all),
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.buffer.take(count);
        self.taken();
        taken
    }

    /// Reads on, if enough was given out.
    fn taken(&self) {
        let shared = &*self.shared;
        shared.held.set(self.buffer.len());
        if shared.reading_paused.get()
            && self.buffer.len() + shared.incoming.borrow().len() <= shared.limit
        {
            shared.resume_reading();
        }
    }
}

/// Where the separator that ends first begins, and where it ends.
fn first_end(bytes: &[u8], separators: &[&[u8]]) -> Option<(usize, usize)> {
    let found = separators.iter().filter_map(|separator| {
        let start = match separator {
            [byte] => memchr(*byte, bytes)?,
            several => memmem::find(bytes, several)?,
        };
        Some((start, start + separator.len()))
    });
    found.min_by_key(|(_, end)| *end)
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        let shared = &*self.shared;
        shared.reader_gone.set(true);
        shared.held.set(0);
        let unread = shared.incoming.take();
        drop(unread);
        let waker = shared.reader.take();
        drop(waker);
        if shared.reader_owns.get() {
            if let Some(transport) = shared.transport() {
                transport.close();
            }
        } else {
            shared.resume_reading();
        }
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() && !buf.is_empty() {
            if buf.len() >= DIRECT && self.is_offered() {
                // As a large one may be a whole file's.
                let room = buf.len().min(OFFER as usize);
                let room = &mut buf[..room];
                if let Some(count) = self.receive(room.len(), |socket| socket.recv(room)) {
                    return Poll::Ready(Ok(count));
                }
            }
            ready!(self.poll_fill(cx))?;
        }
        let count = self.buffer.len().min(buf.len());
        buf[..count].copy_from_slice(&self.buffer.as_slice()[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncBufRead for StreamReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.buffer.is_empty() {
            ready!(this.poll_fill(cx))?;
        }
        Poll::Ready(Ok(this.buffer.as_slice()))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().consume(count);
    }
}

impl StreamReader {
    fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
        self.taken();
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffered = self.buffer.len() + self.shared.incoming.borrow().len();
        f.debug_struct("StreamReader")
            .field("buffered", &buffered)
            .field("eof", &self.shared.eof.get())
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}
