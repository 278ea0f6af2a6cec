//! A worker as the parent sees it: its process, its rings, and the tasks it was handed.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Instant;

use bucle_loop::{Registration, TimerHandle};
use bucle_sys::channel;
use bucle_sys::shared::Segment;

use super::job::{Base, Job, Payload, Sending, Stage};
use super::output::Pipe;
use crate::board::{Board, LONGEST_INLINE};
use crate::error::Cause;
use crate::frame::{Frame, Kind};
use crate::ring::{Producer, take_sleeper, take_waiter};
use crate::start::{Child, Message};

/// What a worker is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It was started and has said nothing yet.
    Starting,
    /// It takes tasks.
    Ready,
    /// It takes no more, and will end by itself when it has run those it has.
    Leaving,
    /// It was told to end, or is about to be killed.
    Dying,
}

/// A task that was handed to a worker.
pub(super) struct Sent {
    pub(super) job: Rc<dyn Job>,
    /// The number of its frame.
    pub(super) task: u64,
    /// Where its frame ends in the ring.
    pub(super) end: u64,
    /// How many items of it are over; of a single call, none.
    pub(super) items_done: Cell<u32>,
}

pub(super) struct Worker {
    pub(super) number: u64,
    pub(super) pid: u32,
    pub(super) child: RefCell<Option<Child>>,
    pub(super) board: Board,
    producer: RefCell<Producer>,
    /// In the order of the ring.
    pub(super) sent: RefCell<VecDeque<Sent>>,
    next_task: Cell<u64>,
    pub(super) phase: Cell<Phase>,
    /// It was seen to run a long task, and has given no result since: nothing is handed ahead.
    pub(super) is_long: Cell<bool>,
    /// Why it is dying.
    pub(super) cause: RefCell<Option<Cause>>,
    pub(super) total_sent: Cell<u64>,
    pub(super) tasks_done: Cell<u64>,
    pub(super) started: Instant,
    pub(super) memory_looked: Cell<Instant>,
    pub(super) resident: Cell<u64>,
    pub(super) stdout: RefCell<Option<Pipe>>,
    pub(super) stderr: RefCell<Option<Pipe>>,
    /// The name of the task that its lines are from.
    pub(super) last_task: RefCell<Option<Rc<str>>>,
    /// Looks after the task that runs.
    pub(super) watch: RefCell<Option<TimerHandle>>,
    /// Kills it if it does not come to life.
    pub(super) start_timer: RefCell<Option<TimerHandle>>,
    /// Kills it if it does not go.
    pub(super) kill_timer: RefCell<Option<TimerHandle>>,
    pub(super) registrations: RefCell<Registrations>,
    /// The parent's shared memory that it knows.
    known: RefCell<HashSet<u64>>,
    /// Its own, with outputs, when nobody reads them.
    outputs: RefCell<HashMap<u64, Segment>>,
    /// Messages that found no room in the channel.
    unsaid: RefCell<VecDeque<Message>>,
}

/// What the loop watches of a worker.
#[derive(Default)]
pub(super) struct Registrations {
    pub(super) channel: Option<Registration>,
    pub(super) pidfd: Option<Registration>,
    pub(super) stdout: Option<Registration>,
    pub(super) stderr: Option<Registration>,
}

impl Worker {
    pub(super) fn new(number: u64, child: Child, board: Board) -> Worker {
        Worker {
            number,
            pid: child.pid(),
            child: RefCell::new(Some(child)),
            board,
            producer: RefCell::default(),
            sent: RefCell::default(),
            next_task: Cell::new(0),
            phase: Cell::new(Phase::Starting),
            is_long: Cell::new(false),
            cause: RefCell::new(None),
            total_sent: Cell::new(0),
            tasks_done: Cell::new(0),
            started: Instant::now(),
            memory_looked: Cell::new(Instant::now()),
            resident: Cell::new(0),
            stdout: RefCell::new(None),
            stderr: RefCell::new(None),
            last_task: RefCell::new(None),
            watch: RefCell::new(None),
            start_timer: RefCell::new(None),
            kill_timer: RefCell::new(None),
            registrations: RefCell::default(),
            known: RefCell::default(),
            outputs: RefCell::default(),
            unsaid: RefCell::default(),
        }
    }

    /// How many tasks it has.
    pub(super) fn load(&self) -> usize {
        self.sent.borrow().len()
    }

    /// Hands it a task; false if there is no room now.
    pub(super) fn send(&self, job: &Rc<dyn Job>) -> bool {
        let base = job.base();
        let task = self.next_task.get();
        let end = Cell::new(0);
        let sent = job.sending(&mut |sending| match self.push(base, task, &sending) {
            Some(position) => {
                end.set(position);
                true
            }
            None => false,
        });
        if !sent {
            return false;
        }
        self.next_task.set(task + 1);
        self.total_sent.set(self.total_sent.get() + 1);
        base.stage.set(Stage::Sent(self.number));
        self.sent.borrow_mut().push_back(Sent {
            job: job.clone(),
            task,
            end: end.get(),
            items_done: Cell::new(0),
        });
        if take_sleeper(self.board.worker_asleep()) {
            self.tell(Message::Wake);
        }
        true
    }

    fn push(&self, base: &Base, task: u64, sending: &Sending<'_>) -> Option<u64> {
        let mut frame = Frame {
            kind: if sending.chunk {
                Kind::Chunk
            } else {
                Kind::Call
            },
            task,
            index: base.function,
            head: sending.head,
            len: sending.payload.len() as u64,
            figure: base.options.memory_limit.unwrap_or(0),
            segment: 0,
        };
        let bytes = match sending.payload {
            Payload::Own(bytes) => &bytes[..],
            Payload::Common(bytes) => bytes,
            Payload::Lease(lease, _) => {
                frame.segment = lease.number();
                if !self.known.borrow().contains(&frame.segment) {
                    let message = Message::Segment(frame.segment).to_bytes();
                    let fd = lease.memory()?.as_fd();
                    let channel = self.child.borrow();
                    channel::send(&channel.as_ref()?.channel, &message, &[fd]).ok()?;
                    self.known.borrow_mut().insert(frame.segment);
                }
                &[]
            }
        };
        debug_assert!(bytes.len() <= LONGEST_INLINE, "it was not made ready");
        let mut producer = self.producer.borrow_mut();
        producer.push(self.board.requests(), frame.to_words(), bytes)
    }

    /// Takes back all tasks that it has not begun.
    pub(super) fn take_back(&self) -> Vec<Rc<dyn Job>> {
        let from = self.producer.borrow_mut().reclaim(self.board.requests());
        let mut sent = self.sent.borrow_mut();
        let first = sent.partition_point(|sent| sent.end <= from);
        let back = sent.drain(first..).map(|sent| sent.job);
        let back: Vec<Rc<dyn Job>> = back.filter(|job| job.is_for_any()).collect();
        self.total_sent
            .set(self.total_sent.get() - back.len() as u64);
        back
    }

    /// Whether it has tasks that it has not begun.
    pub(super) fn has_unbegun(&self) -> bool {
        let claimed = self.board.requests().claimed();
        let sent = self.sent.borrow();
        sent.back().is_some_and(|sent| sent.end > claimed)
    }

    /// Sends a message. If its channel is full it is awake, and has its rings to look into; what
    /// has to be said all the same is kept until there is room.
    pub(super) fn tell(&self, message: Message) {
        self.tell_unsaid();
        if message != Message::Wake && !self.unsaid.borrow().is_empty() || !self.try_tell(message) {
            self.unsaid.borrow_mut().push_back(message);
        }
    }

    /// Sends what was kept.
    pub(super) fn tell_unsaid(&self) {
        loop {
            let next = self.unsaid.borrow().front().copied();
            if !next.is_some_and(|message| self.try_tell(message)) {
                return;
            }
            self.unsaid.borrow_mut().pop_front();
        }
    }

    /// False if there is no room for it and it has to be said.
    fn try_tell(&self, message: Message) -> bool {
        let Some(child) = &*self.child.borrow() else {
            return true;
        };
        match channel::send(&child.channel, &message.to_bytes(), &[]) {
            Err(error) => message == Message::Wake || error.kind() != io::ErrorKind::WouldBlock,
            Ok(()) => true,
        }
    }

    /// It has said that it waits for room among its results; there is some now.
    pub(super) fn tell_of_room(&self) {
        if take_waiter(self.board.wants_room()) {
            self.tell(Message::Wake);
        }
    }

    /// Shared memory with an output was announced.
    pub(super) fn output_came(&self, number: u64, memory: Segment) {
        self.outputs.borrow_mut().insert(number, memory);
    }

    pub(super) fn take_output(&self, number: u64) -> Option<Segment> {
        self.outputs.borrow_mut().remove(&number)
    }

    /// Nobody reads an output any more: the worker may use its memory again.
    pub(super) fn output_is_read(&self, number: u64, memory: Segment) {
        if self.child.borrow().is_some() {
            self.outputs.borrow_mut().insert(number, memory);
            self.tell(Message::Free(number));
        }
    }

    /// Shared memory that nobody uses any more.
    pub(super) fn forget(&self, numbers: &[u64]) {
        for number in numbers {
            if self.known.borrow_mut().remove(number) {
                self.tell(Message::Forget(*number));
            }
        }
    }

    /// Kills it and all it has started.
    pub(super) fn kill(&self) {
        if let Some(child) = &*self.child.borrow() {
            child.kill();
        }
    }

    pub(super) fn signal(&self, signal: i32) {
        if let Some(child) = &*self.child.borrow() {
            child.signal(signal);
        }
    }

    /// What is seen of standard error.
    pub(super) fn stderr_tail(&self) -> String {
        self.stderr
            .borrow()
            .as_ref()
            .map_or_else(String::new, Pipe::tail)
    }

    /// The time since the front task began, if it has.
    pub(super) fn front_has_begun(&self) -> Option<crate::board::Running> {
        let running = self.board.running()?;
        let sent = self.sent.borrow();
        (sent.front()?.task == running.task).then_some(running)
    }
}
