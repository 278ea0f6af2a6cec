//! What became of a task, on its way to the parent.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bucle_sys::worker as sys;

use super::link::Link;
use super::panics::PanicReport;
use crate::board::{Board, LONGEST_INLINE_OUTPUT, Running};
use crate::frame::{Frame, Kind};
use crate::function::Answer;
use crate::payload::{NotEncoded, Writer};
use crate::ring::{Producer, take_sleeper, want_room};
use crate::shared::Piece;

/// So many outputs in shared memory may wait for the parent to read them: it has a descriptor for
/// each.
const UNREAD: usize = 32;

/// The processor's time is asked for no more often than this: it is a system call.
const CPU_TIME_EVERY: Duration = Duration::from_millis(1);

/// The worker's end of the ring of results.
pub(super) struct Answers<'a> {
    board: &'a Board,
    pub(super) link: Link,
    producer: Producer,
    /// Where in the ring the outputs in shared memory end that were not read, as far as is known.
    unread: VecDeque<u64>,
    /// The task at hand, and the item of it.
    task: u64,
    item: u32,
    began: Option<Instant>,
    took: Duration,
    cpu: u64,
    cpu_asked: Option<Instant>,
    /// The parent has been told what became of it.
    answered: bool,
    /// What went wrong with sending, to be told when the function has returned.
    failed: Option<io::Error>,
    /// For text and reports.
    buffer: Vec<u8>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(board: &'a Board, link: Link) -> Answers<'a> {
        Answers {
            board,
            link,
            producer: Producer::default(),
            unread: VecDeque::new(),
            task: 0,
            item: 0,
            began: None,
            took: Duration::ZERO,
            cpu: 0,
            cpu_asked: None,
            answered: false,
            failed: None,
            buffer: Vec::new(),
        }
    }

    /// What comes next is about this task.
    pub(super) fn of(&mut self, task: u64, item: u32) {
        (self.task, self.item) = (task, item);
        (self.began, self.took) = (None, Duration::ZERO);
        self.answered = false;
    }

    /// The task is over and all is said about it. If it could not be said, the board says still
    /// that it runs: it has run, and is not to be run again.
    pub(super) fn done(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.board.set_idle();
        Ok(())
    }

    pub(super) fn text(&mut self, kind: Kind, text: &str) {
        self.report(kind, text);
    }

    pub(super) fn panicked(&mut self, report: &PanicReport) {
        self.report(Kind::Panicked, report);
    }

    /// What becomes of a task after its output was given (a destructor panics) is nobody's affair.
    fn report<T: serde::Serialize + ?Sized>(&mut self, kind: Kind, what: &T) {
        self.end();
        if self.answered {
            return;
        }
        let mut writer = Writer::with_buffer(std::mem::take(&mut self.buffer));
        if let Err(error) = writer.value(what) {
            self.failed = Some(io::Error::other(error));
        } else if let Err(error) = self.send(kind, &writer) {
            self.failed = Some(io::Error::other(error));
        }
        self.buffer = writer.into_buffer();
    }

    /// # Errors
    /// If there is no memory for it. What else is wrong is told by [`done`](Answers::done).
    fn send(&mut self, kind: Kind, payload: &Writer<'_>) -> Result<(), NotEncoded> {
        let refuse = |why: String| NotEncoded {
            what: "the output",
            why,
        };
        let head = u32::try_from(payload.head_len())
            .map_err(|_| refuse("it is longer than 4 GiB".into()))?;
        let len = payload.len();
        let mut piece = None;
        if len > LONGEST_INLINE_OUTPUT {
            // What the parent has read can be used again.
            if let Err(error) = self.link.receive_all() {
                self.failed = Some(error);
                return Ok(());
            }
            piece = Some(match payload.piece() {
                Some(piece) => piece.clone(),
                None => {
                    let taken = Piece::take(len);
                    let mut piece = taken
                        .map_err(|error| refuse(format!("no shared memory for it: {error}")))?;
                    payload.write(&mut piece.bytes_mut()[..len]);
                    Arc::new(piece)
                }
            });
        }
        self.answered = true;
        if let Err(error) = self.say(kind, head, payload, piece) {
            self.failed = Some(error);
        }
        Ok(())
    }

    fn say(
        &mut self,
        kind: Kind,
        head: u32,
        payload: &Writer<'_>,
        piece: Option<Arc<Piece>>,
    ) -> io::Result<()> {
        let len = payload.len();
        let mut frame = Frame {
            kind,
            task: self.task,
            index: self.item,
            head,
            len: len as u64,
            figure: u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX),
            segment: 0,
        };
        if let Some(piece) = piece {
            self.wait_until(|this| {
                let read = this.board.responses().claimed();
                let first = this.unread.partition_point(|end| *end <= read);
                this.unread.drain(..first);
                this.unread.len() < UNREAD
            })?;
            frame.segment = self.link.lend(piece)?;
            self.push(frame, &[])?;
            self.unread.push_back(self.producer.position());
            Ok(())
        } else if let Some(head) = payload.only_head() {
            self.push(frame, head)
        } else {
            let mut bytes = vec![0; len];
            payload.write(&mut bytes);
            self.push(frame, &bytes)
        }
    }

    fn push(&mut self, frame: Frame, payload: &[u8]) -> io::Result<()> {
        let words = frame.to_words();
        self.wait_until(|this| {
            let responses = this.board.responses();
            this.producer.push(responses, words, payload).is_some()
        })?;
        if take_sleeper(self.board.parent_asleep()) {
            self.link.wake_parent()?;
        }
        Ok(())
    }

    /// Waits until the parent has read so much that `done` gives true.
    fn wait_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> io::Result<()> {
        while !done(self) {
            want_room(self.board.wants_room());
            if done(self) {
                self.board.wants_room().store(0, Ordering::Relaxed);
                break;
            }
            if take_sleeper(self.board.parent_asleep()) {
                self.link.wake_parent()?;
            }
            self.link.receive()?;
        }
        Ok(())
    }
}

impl Answer for Answers<'_> {
    fn begin(&mut self) {
        let now = Instant::now();
        if self
            .cpu_asked
            .is_none_or(|asked| now - asked > CPU_TIME_EVERY)
        {
            self.cpu = u64::try_from(sys::cpu_time().as_nanos()).unwrap_or(u64::MAX);
            self.cpu_asked = Some(now);
        }
        self.board.set_running(Running {
            task: self.task,
            item: u64::from(self.item),
            since: sys::monotonic_ns(),
            cpu: self.cpu,
        });
        self.began = Some(now);
    }

    fn end(&mut self) {
        if let Some(began) = self.began.take() {
            self.took = began.elapsed();
        }
    }

    fn give(&mut self, output: &Writer<'_>) -> Result<(), NotEncoded> {
        self.send(Kind::Output, output)
    }
}
