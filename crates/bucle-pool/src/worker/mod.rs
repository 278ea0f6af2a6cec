//! The worker's side: takes tasks from its ring, runs them one after the other in the main thread,
//! and puts what became of them into the other ring.
//!
//! It never decides anything: who gets which task, what is too slow or too large, and what is tried
//! again is the parent's affair. It waits in one place only ([`Worker::sleep`]), where the end of
//! the channel is its own end; while it is busy the watcher's thread sees to that.

mod answer;
mod link;
pub(crate) mod panics;

use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bucle_sys::channel;
use bucle_sys::worker as sys;

use crate::board::Board;
use crate::frame::{Frame, ITEM, Kind};
use crate::function::{CallError, at_index};
use crate::payload::{AlignedBytes, Reader};
use crate::ring::{self, Garbage};
use crate::start::{ChildSide, Message};

use answer::Answers;
use link::Link;
pub(crate) use panics::PanicReport;

/// A worker that has found nothing to do so often in vain stays awake for half as long.
const LEAST_PATIENCE: Duration = Duration::from_micros(2);

/// The life of a worker. Returns if something is wrong that a worker can't do anything about.
pub(crate) fn run(mut side: ChildSide, nice: i32) -> io::Result<Infallible> {
    let board = match side.fds.pop() {
        Some(fd) => Board::from_fd(fd)?,
        None => return Err(invalid("the parent has sent no board")),
    };
    if nice != 0
        && let Err(error) = sys::nice(nice)
    {
        let mut message = Message::Failed.to_bytes().to_vec();
        message.extend_from_slice(format!("can't set nice {nice}: {error}").as_bytes());
        channel::send(&side.channel, &message, &[])?;
    }
    panics::install();
    side.ready()?;
    let worker = Worker {
        board: &board,
        payload: AlignedBytes::default(),
        answers: Answers::new(&board, Link::new(side.channel)),
        limit: 0,
        patience: LEAST_PATIENCE,
    };
    worker.serve()
}

struct Worker<'a> {
    board: &'a Board,
    payload: AlignedBytes,
    answers: Answers<'a>,
    /// The limit on memory that holds; 0 for none.
    limit: u64,
    /// For how long it has been worth staying awake.
    patience: Duration,
}

impl Worker<'_> {
    fn serve(mut self) -> io::Result<Infallible> {
        loop {
            match ring::pop(self.board.requests(), &mut self.payload) {
                Ok(Some(header)) => {
                    let frame = Frame::from_words(header).ok_or_else(garbage)?;
                    self.run(frame)?;
                }
                Ok(None) => {
                    if !self.stay_awake() {
                        self.sleep()?;
                    }
                }
                Err(Garbage) => return Err(garbage()),
            }
        }
    }

    fn run(&mut self, frame: Frame) -> io::Result<()> {
        if frame.figure != self.limit {
            self.limit = frame.figure;
            sys::limit_data((self.limit != 0).then_some(self.limit))?;
        }
        if frame.segment == 0 {
            let inline = std::mem::take(&mut self.payload);
            self.call_all(frame, inline.bytes())?;
            self.payload = inline;
        } else {
            // A worker that never sleeps is to read its messages, too.
            self.answers.link.receive_all()?;
            let segment = self.answers.link.take_arguments(frame.segment)?;
            self.call_all(frame, segment.bytes())?;
            self.answers.link.put_arguments(frame.segment, segment);
        }
        if self.limit != 0 {
            self.limit = 0;
            sys::limit_data(None)?;
        }
        Ok(())
    }

    fn call_all(&mut self, frame: Frame, payload: &[u8]) -> io::Result<()> {
        let len = usize::try_from(frame.len).unwrap_or(usize::MAX);
        let payload = payload.get(..len).ok_or_else(garbage)?;
        match frame.kind {
            Kind::Call => self.call(frame, 0, payload, frame.head as usize),
            Kind::Chunk => self.call_each(frame, payload),
            _ => Err(garbage()),
        }
    }

    fn call_each(&mut self, frame: Frame, mut payload: &[u8]) -> io::Result<()> {
        for item in 0..frame.head {
            let (lengths, rest) = payload.split_at_checked(ITEM).ok_or_else(garbage)?;
            let length = |at: usize| {
                let bytes = lengths[at..at + 8].try_into().unwrap_or_default();
                usize::try_from(u64::from_ne_bytes(bytes)).unwrap_or(usize::MAX)
            };
            let (head, len) = (length(0), length(8));
            let arguments = rest.get(..len).ok_or_else(garbage)?;
            self.call(frame, item, arguments, head)?;
            payload = rest.get(len.next_multiple_of(ITEM)..).unwrap_or_default();
        }
        Ok(())
    }

    fn call(&mut self, frame: Frame, item: u32, payload: &[u8], head: usize) -> io::Result<()> {
        let answers = &mut self.answers;
        answers.of(frame.task, item);
        let Some(entry) = at_index(frame.index) else {
            return Err(garbage());
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut reader = Reader::new(payload, head)?;
            (entry.call)(&mut reader, answers)
        }));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(CallError::Arguments(error))) => {
                answers.text(Kind::BadArguments, &error.to_string());
            }
            Ok(Err(CallError::Output(error))) => {
                answers.text(Kind::BadOutput, &error.of_the_output());
            }
            Err(payload) => {
                answers.panicked(&panics::taken(&*payload));
                // Its destructor is the user's, too.
                if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                    std::mem::forget(second);
                }
            }
        }
        answers.done()
    }

    /// Waits for a task without sleeping, for a moment: what has just had one is likely to have
    /// the next one soon, and to wake a sleeping processor takes longer than most tasks. The parent
    /// says for how long at most, and not at all where others want the processor.
    fn stay_awake(&mut self) -> bool {
        let most = Duration::from_nanos(self.board.spin().load(Ordering::Relaxed));
        if most.is_zero() {
            return false;
        }
        let ring = self.board.requests();
        let until = Instant::now() + self.patience.min(most);
        loop {
            for _ in 0..16 {
                if ring.has_frames() {
                    self.patience = (self.patience * 2).min(most);
                    return true;
                }
                std::hint::spin_loop();
            }
            if Instant::now() >= until {
                self.patience = (self.patience / 2).max(LEAST_PATIENCE);
                return false;
            }
        }
    }

    /// Sleeps until there is a message, or a task.
    fn sleep(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        if ring::fall_asleep(self.board.worker_asleep(), self.board.requests()) {
            self.answers.link.receive()?;
            self.board.worker_asleep().store(0, Ordering::Relaxed);
            // It would have been worth to stay awake.
            if begun.elapsed() < Duration::from_micros(50) {
                self.patience = Duration::from_micros(50);
            }
        }
        Ok(())
    }
}

fn garbage() -> io::Error {
    invalid("the parent's words are not understood: something has written over them")
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
