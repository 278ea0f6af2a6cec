//! [`WriteQueue`]: what a transport has still to send, in order.
//!
//! It owns its buffers: copied bytes, shared [`Bytes`], ranges of files. It gathers neighbours into
//! one vectored call, never reorders, and never sends more in one go than it is told. It decides
//! nothing about when; the transport does.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::rc::Rc;

use bucle_sys::socket::{MAX_IOV, is_no_sendfile, read_at};
use bytes::{Buf, Bytes};

use crate::socket::Sink;

/// Copied bytes are added to the buffer before them up to this size, in bytes.
const COALESCE: usize = 64 * 1024;

/// Shared bytes up to this size are copied behind copied ones: cheaper than a buffer more.
const COPY_SHARED: usize = 1024;

/// What is read at a time of a file that `sendfile` does not serve, in bytes.
const COPY_BUFFER: usize = 64 * 1024;

/// A piece of what is to be sent.
enum Segment {
    Copied { bytes: Vec<u8>, sent: usize },
    Shared(Bytes),
    File(FileRange),
}

/// A piece of a file.
pub(crate) struct FileRange {
    pub(crate) file: Rc<dyn AsFd>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Whether it has to be read and written.
    copied: bool,
}

impl FileRange {
    pub(crate) fn new(file: Rc<dyn AsFd>, offset: u64, length: u64) -> FileRange {
        FileRange {
            file,
            offset,
            length,
            copied: false,
        }
    }

    /// Sends up to `limit` bytes; an end of the file before the end of the range is an error.
    pub(crate) fn send(&mut self, sink: &impl Sink, limit: usize) -> io::Result<usize> {
        let count = usize::try_from(self.length).unwrap_or(limit).min(limit);
        let sent = if self.copied {
            self.copy(sink, count)?
        } else {
            match sink.send_file(self.file.as_fd(), self.offset, count) {
                Err(error) if is_no_sendfile(&error) => {
                    self.copied = true;
                    self.copy(sink, count)?
                }
                result => result?,
            }
        };
        if sent == 0 && count > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "the file became shorter while it was sent: it ends before byte {}, and {} \
                     bytes are missing of what was promised",
                    self.offset, self.length
                ),
            ));
        }
        self.offset += sent as u64;
        self.length -= sent as u64;
        Ok(sent)
    }

    fn copy(&self, sink: &impl Sink, count: usize) -> io::Result<usize> {
        let mut buffer = vec![0; count.min(COPY_BUFFER)];
        let mut sent = 0;
        while sent < count {
            let wanted = (count - sent).min(buffer.len());
            let read = read_at(
                self.file.as_fd(),
                &mut buffer[..wanted],
                self.offset + sent as u64,
            )?;
            if read == 0 {
                break;
            }
            match sink.send(&buffer[..read], false) {
                Ok(taken) => {
                    sent += taken;
                    if taken < read {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Segment::Copied { bytes, sent } => (bytes.len() - sent) as u64,
            Segment::Shared(bytes) => bytes.len() as u64,
            Segment::File(range) => range.length,
        }
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Segment::Copied { bytes, sent } => Some(&bytes[*sent..]),
            Segment::Shared(bytes) => Some(bytes),
            Segment::File(_) => None,
        }
    }
}

/// Where [`WriteQueue::send`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing is left.
    Drained,
    /// The socket takes no more for now.
    Blocked,
    /// The budget is spent; the socket may well take more.
    Spent,
}

/// See the module.
#[derive(Default)]
pub(crate) struct WriteQueue {
    segments: VecDeque<Segment>,
    /// Segments at the front that were sent and wait for [`discard`](WriteQueue::discard).
    done: usize,
    size: u64,
}

/// Something that was sent, to be dropped where the queue is not borrowed: dropping a shared buffer
/// or a file may run its owner's code.
#[must_use]
pub(crate) struct Discarded(#[expect(dead_code, reason = "held to be dropped")] Segment);

impl WriteQueue {
    /// Bytes left to send, those of files included.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Queues a copy of `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.size += bytes.len() as u64;
        if self.done < self.segments.len()
            && let Some(Segment::Copied { bytes: last, .. }) = self.segments.back_mut()
            && last.len() + bytes.len() <= COALESCE
        {
            last.extend_from_slice(bytes);
            return;
        }
        self.segments.push_back(Segment::Copied {
            bytes: bytes.to_vec(),
            sent: 0,
        });
    }

    /// Queues `bytes` as they are.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        let behind_copied = self.done < self.segments.len()
            && matches!(self.segments.back(), Some(Segment::Copied { .. }));
        if bytes.is_empty() || (bytes.len() <= COPY_SHARED && behind_copied) {
            self.push(&bytes);
            return;
        }
        self.size += bytes.len() as u64;
        self.segments.push_back(Segment::Shared(bytes));
    }

    /// Queues a piece of a file.
    pub(crate) fn push_file(&mut self, range: FileRange) {
        if range.length > 0 {
            self.size = self.size.saturating_add(range.length);
            self.segments.push_back(Segment::File(range));
        }
    }

    /// Sends until nothing is left, `sink` takes no more, or `budget` bytes have gone. Returns how
    /// many did. What was sent is to be taken out by [`discard`](WriteQueue::discard).
    pub(crate) fn send(
        &mut self,
        sink: &impl Sink,
        budget: usize,
    ) -> (usize, io::Result<Progress>) {
        let mut total = 0;
        let result = loop {
            if self.done == self.segments.len() {
                break Ok(Progress::Drained);
            }
            let left = budget - total;
            if left == 0 {
                break Ok(Progress::Spent);
            }
            match self.step(sink, left) {
                Ok((asked, sent)) => {
                    total += sent;
                    if sent < asked {
                        break Ok(Progress::Blocked);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    break Ok(Progress::Blocked);
                }
                Err(error) => break Err(error),
            }
        };
        (total, result)
    }

    /// One call to the system: how much it was offered, and how much it took.
    fn step(&mut self, sink: &impl Sink, limit: usize) -> io::Result<(usize, usize)> {
        if let Segment::File(range) = &mut self.segments[self.done] {
            let asked = usize::try_from(range.length).unwrap_or(limit).min(limit);
            let sent = range.send(sink, limit)?;
            self.size -= sent as u64;
            if range.length == 0 {
                self.done += 1;
            }
            return Ok((asked, sent));
        }
        let mut buffers = [IoSlice::new(&[]); MAX_IOV];
        let mut count = 0;
        let mut asked = 0;
        // Whether something follows that will be sent at once, in a call of its own.
        let mut more = false;
        for segment in self.segments.range(self.done..) {
            if asked == limit {
                break;
            }
            let bytes = match segment.as_bytes() {
                Some(bytes) if count < MAX_IOV => bytes,
                _ => {
                    more = true;
                    break;
                }
            };
            let bytes = &bytes[..bytes.len().min(limit - asked)];
            buffers[count] = IoSlice::new(bytes);
            count += 1;
            asked += bytes.len();
        }
        let sent = match &buffers[..count] {
            [only] => sink.send(only, more)?,
            several => sink.send_vectored(several, more)?,
        };
        self.advance(sent);
        Ok((asked, sent))
    }

    fn advance(&mut self, mut count: usize) {
        self.size -= count as u64;
        while let Some(segment) = self.segments.get_mut(self.done) {
            let here = usize::try_from(segment.len())
                .unwrap_or(usize::MAX)
                .min(count);
            match segment {
                Segment::Copied { sent, .. } => *sent += here,
                Segment::Shared(bytes) => bytes.advance(here),
                Segment::File(_) => return,
            }
            count -= here;
            if segment.len() > 0 {
                return;
            }
            self.done += 1;
        }
    }

    /// Takes out one thing that was sent.
    pub(crate) fn discard(&mut self) -> Option<Discarded> {
        self.done = self.done.checked_sub(1)?;
        self.segments.pop_front().map(Discarded)
    }
}

#[cfg(test)]
#[path = "write_queue_tests.rs"]
mod tests;
