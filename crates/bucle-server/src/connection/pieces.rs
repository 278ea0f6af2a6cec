//! Parts of files, and files that are not in the system's memory.
//!
//! `sendfile` waits for the disk where it has to, and the whole loop with it. So a file that may not
//! be in memory is sent by a task, piece by piece: each is looked for first, and what isn't there is
//! read by a thread.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use bucle_loop::to_thread;
use bucle_sys::file::{is_cached, read_at};
use bytes::Bytes;

use super::Connection;
use super::answer::COPY_LIMIT;
use super::exchange::Unfinished;
use crate::handler::Handler;
use crate::response::Piece;
use crate::site::{Opened, Place};

/// Longer parts are always sent piece by piece, in bytes: to look whether they are in memory takes
/// longer than a loop should be busy with one connection.
const LOOKED_AT: u64 = 16 * 1024 * 1024;

/// What a task sends at a time of a file, in bytes.
const PIECE: u64 = 512 * 1024;

/// What a thread reads at a time, in bytes.
const READ: usize = 64 * 1024;

/// A part of a file, to be sent.
pub(super) struct FilePart {
    pub(super) file: Rc<OwnedFd>,
    offset: u64,
    length: u64,
}

/// A piece of an answer, where it is.
pub(super) enum Ready {
    Bytes(Bytes),
    File(FilePart),
}

impl FilePart {
    pub(super) fn new(file: Rc<OwnedFd>, offset: u64, length: u64) -> FilePart {
        FilePart {
            file,
            offset,
            length,
        }
    }

    /// Whether it is in memory for sure.
    pub(super) fn is_cached(&self) -> bool {
        self.length <= LOOKED_AT
            && is_cached(&*self.file, self.offset, self.length).unwrap_or(false)
    }

    /// Takes a piece off its beginning; `None` at its end.
    fn next(&mut self) -> Option<FilePart> {
        let length = self.length.min(PIECE);
        if length == 0 {
            return None;
        }
        let piece = FilePart::new(self.file.clone(), self.offset, length);
        self.offset += length;
        self.length -= length;
        Some(piece)
    }

    /// Has it read into the system's memory. What goes wrong shows when it is sent.
    async fn warm(&self) {
        let Ok(file) = self.file.as_fd().try_clone_to_owned() else {
            return;
        };
        let (mut at, end) = (self.offset, self.offset + self.length);
        let _ = to_thread(move || {
            let mut buffer = vec![0; READ];
            while at < end {
                match read_at(&file, &mut buffer, at) {
                    Ok(count @ 1..) => at += count as u64,
                    _ => break,
                }
            }
        })
        .await;
    }
}

impl<H: Handler> Connection<H> {
    /// Whether a whole file is in memory; looked for once a tick and file.
    #[inline]
    pub(super) fn is_warm(&self, opened: &Opened, file: &Rc<OwnedFd>) -> bool {
        let tick = self.worker.after(0);
        if opened.warm.get() == tick {
            return true;
        }
        let warm = FilePart::new(file.clone(), 0, opened.length()).is_cached();
        if warm {
            opened.warm.set(tick);
        }
        warm
    }

    /// Sends pieces one behind the other; true if a task goes on with it.
    pub(super) fn send_pieces(self: &Rc<Self>, pieces: Vec<Piece>, out: &mut Vec<u8>) -> bool {
        let pieces: VecDeque<Ready> = pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Bytes(bytes) => Ready::Bytes(bytes),
                Piece::Part(opened, part) => match opened.part(part.clone()) {
                    Place::Memory(bytes) => Ready::Bytes(bytes),
                    Place::File(file) => {
                        Ready::File(FilePart::new(file, part.start, part.end - part.start))
                    }
                },
            })
            .collect();
        let at_hand = pieces.iter().all(|piece| match piece {
            Ready::Bytes(_) => true,
            Ready::File(part) => part.is_cached(),
        });
        if !at_hand {
            self.write_out(out);
            self.spawn_pieces(pieces);
            return true;
        }
        for piece in pieces {
            match piece {
                Ready::Bytes(bytes) if bytes.len() <= COPY_LIMIT => out.extend_from_slice(&bytes),
                Ready::Bytes(bytes) => self.send_long(bytes, out),
                Ready::File(part) => self.send_file(part.file, part.offset, part.length, out),
            }
        }
        false
    }

    /// Sends pieces from a task of its own.
    pub(super) fn spawn_pieces(self: &Rc<Self>, mut pieces: VecDeque<Ready>) {
        self.record(|record| record.sent(0));
        let connection = self.clone();
        let unfinished = Unfinished::new(self);
        let task = self.worker.event_loop.spawn_named("http file", async move {
            let mut sent = 0u64;
            while let Some(piece) = pieces.pop_front() {
                let mut part = match piece {
                    Ready::Bytes(bytes) => {
                        sent += bytes.len() as u64;
                        connection.send_piece(bytes, false);
                        continue;
                    }
                    Ready::File(part) => part,
                };
                while let Some(piece) = part.next() {
                    if !piece.is_cached() {
                        piece.warm().await;
                    }
                    sent += piece.length;
                    let FilePart {
                        file,
                        offset,
                        length,
                    } = piece;
                    connection.record(|record| record.sent_more(length));
                    connection.send_file(file, offset, length, &mut Vec::new());
                    connection.settle();
                    poll_fn(|cx| connection.poll_drained(cx)).await;
                }
            }
            unfinished.done();
            connection.stream_ended(true, None, sent);
        });
        self.with_exchange(|exchange| exchange.task = Some(task.handle()));
        task.detach();
    }
}
