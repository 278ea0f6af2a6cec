//! [`StreamReader`].

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead};
use memchr::{memchr, memmem};

use super::buffer::Buffer;
use super::{ReadError, Shared};

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
        }
    }

    /// Reads up to `count` bytes: what is buffered, or else what comes in first. Nothing means the
    /// end of the stream (or a `count` of 0). asyncio's `read(n)`; for its `read()` see
    /// [`read_to_end`](StreamReader::read_to_end).
    ///
    /// # Errors
    /// Why the connection was lost, once everything received has been read.
    pub async fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        if count > 0 && self.buffer.is_empty() {
            self.fill().await?;
        }
        Ok(self.take(count))
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
        let shared = &*self.shared;
        {
            let mut incoming = shared.incoming.borrow_mut();
            if !incoming.is_empty() {
                self.buffer.append(&mut incoming);
                shared.held.set(self.buffer.len());
                return Poll::Ready(Ok(Fill::More));
            }
        }
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
            match self.poll_fill(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
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
            match this.poll_fill(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
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
