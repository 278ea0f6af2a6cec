//! What became of a task, on its way to the parent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use bucle_sys::worker as sys;

use super::link::Link;
use super::panics::PanicReport;
use crate::board::{Board, LONGEST_INLINE, Running};
use crate::frame::{Frame, Kind};
use crate::function::Answer;
use crate::payload::{NotEncoded, Writer};
use crate::ring::{Producer, take_sleeper};
use crate::shared::Piece;

/// The processor's time is asked for no more often than this: it is a system call.
const CPU_TIME_EVERY: Duration = Duration::from_millis(1);

/// The worker's end of the ring of results.
pub(super) struct Answers<'a> {
    board: &'a Board,
    pub(super) link: Link,
    producer: Producer,
    /// The task at hand, and the item of it.
    task: u64,
    item: u32,
    began: Option<Instant>,
    took: Duration,
    cpu: u64,
    cpu_asked: Option<Instant>,
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
            task: 0,
            item: 0,
            began: None,
            took: Duration::ZERO,
            cpu: 0,
            cpu_asked: None,
            failed: None,
            buffer: Vec::new(),
        }
    }

    /// What comes next is about this task.
    pub(super) fn of(&mut self, task: u64, item: u32) {
        (self.task, self.item) = (task, item);
        (self.began, self.took) = (None, Duration::ZERO);
    }

    /// The task is over and all is said about it.
    pub(super) fn done(&mut self) -> io::Result<()> {
        self.board.set_idle();
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    pub(super) fn text(&mut self, kind: Kind, text: &str) {
        self.report(kind, text);
    }

    pub(super) fn panicked(&mut self, report: &PanicReport) {
        self.report(Kind::Panicked, report);
    }

    fn report<T: serde::Serialize + ?Sized>(&mut self, kind: Kind, what: &T) {
        self.end();
        let mut writer = Writer::with_buffer(std::mem::take(&mut self.buffer));
        if let Err(error) = writer.value(what) {
            self.failed = Some(io::Error::other(error));
        } else if let Err(error) = self.send(kind, &writer) {
            self.failed = Some(error);
        }
        self.buffer = writer.into_buffer();
    }

    fn send(&mut self, kind: Kind, payload: &Writer<'_>) -> io::Result<()> {
        let len = payload.len();
        let mut frame = Frame {
            kind,
            task: self.task,
            index: self.item,
            head: u32::try_from(payload.head_len()).map_err(io::Error::other)?,
            len: len as u64,
            figure: u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX),
            segment: 0,
        };
        if len > LONGEST_INLINE {
            // What the parent has read can be used again.
            self.link.receive_all()?;
            let piece = match payload.piece() {
                Some(piece) => piece.clone(),
                None => {
                    let mut piece = Piece::take(len)?;
                    payload.write(&mut piece.bytes_mut()[..len]);
                    Arc::new(piece)
                }
            };
            frame.segment = self.link.lend(piece)?;
            self.push(frame, &[])
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
        while self
            .producer
            .push(self.board.responses(), words, payload)
            .is_none()
        {
            let wants_room = self.board.wants_room();
            wants_room.store(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if self
                .producer
                .push(self.board.responses(), words, payload)
                .is_some()
            {
                wants_room.store(0, Ordering::Relaxed);
                break;
            }
            if take_sleeper(self.board.parent_asleep()) {
                self.link.wake_parent()?;
            }
            self.link.receive()?;
        }
        if take_sleeper(self.board.parent_asleep()) {
            self.link.wake_parent()?;
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
        if let Err(error) = self.send(Kind::Output, output) {
            self.failed = Some(error);
        }
        Ok(())
    }
}
