//! The ready queue: what runs in this turn or the next, in the order it became ready.
//!
//! An entry is at most two words, whatever it stands for, and queueing one allocates nothing once
//! the queue has grown to its working size. The queue runs nothing itself.
//!
//! It has two lanes, each first in, first out: what this thread's own code queues, and what arrives
//! from outside: events, messages of other threads, timers. A turn runs the first, then the second;
//! so the order is that of one queue, unless a long turn is [cut](ReadyQueue::cut).

use std::cell::Cell;
use std::rc::Rc;

use crate::fds::{Readiness, split_token};
use crate::handles::HandleCell;
use crate::sim::SimEventKind;
use crate::task::cell::{Fifo, TaskRef};

/// Something that is ready to run.
pub(crate) enum Entry {
    /// A task that was woken or has just been spawned.
    Task(TaskRef),
    /// A callback of `call_soon`, or of a timer that is due.
    Callback(Rc<HandleCell>),
    /// The next callback of those that other threads have sent, which lie in a queue of their own: it
    /// can't be cancelled, so it needs no handle.
    Call,
    /// An event of a file descriptor, by the selector's token: for the owner it had when the
    /// selector saw it. The readiness is in the variant, so that each carries one whole word: an
    /// entry is then moved as two words, not as bytes, which the processor would have to put
    /// together again.
    Readable(u64),
    Writable(u64),
    Both(u64),
}

impl Entry {
    /// What an event puts into the queue; nothing if there is nothing to be ready for.
    pub(crate) fn io(token: u64, readiness: Readiness) -> Option<Entry> {
        match (readiness.readable(), readiness.writable()) {
            (true, true) => Some(Entry::Both(token)),
            (true, false) => Some(Entry::Readable(token)),
            (false, true) => Some(Entry::Writable(token)),
            (false, false) => None,
        }
    }

    /// What a trace says when it runs; nothing for a callback that was cancelled.
    #[cold]
    pub(crate) fn traced(&self) -> Option<SimEventKind> {
        let ready = |token: &u64, readiness| {
            let (socket, _) = split_token(*token);
            Some(SimEventKind::Ready { socket, readiness })
        };
        match self {
            Entry::Task(task) => Some(SimEventKind::Task(task.tag())),
            // A simulated loop gives each a handle.
            Entry::Call => None,
            Entry::Callback(cell) if cell.is_cancelled() => None,
            Entry::Callback(cell) => Some(SimEventKind::Callback(cell.location())),
            Entry::Readable(token) => ready(token, Readiness::READ),
            Entry::Writable(token) => ready(token, Readiness::WRITE),
            Entry::Both(token) => ready(token, Readiness::BOTH),
        }
    }
}

const _: () = assert!(size_of::<Entry>() <= 2 * size_of::<usize>());

/// See the module.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    entries: Fifo<Entry>,
    arrived: Fifo<Entry>,
    /// Of a turn that was cut: how many entries it has yet to run, and how many it is to run before
    /// it is cut again.
    rest: Cell<usize>,
    least: Cell<usize>,
    /// A task began to wait for another, or in a line, since this was last asked.
    waits: Cell<bool>,
}

impl ReadyQueue {
    #[inline]
    pub(crate) fn push(&self, entry: Entry) {
        self.entries.push(entry);
    }

    /// [`push`](ReadyQueue::push) of a task, to which a reference is made where it is put.
    #[inline]
    pub(crate) fn push_task(&self, task: impl FnOnce() -> TaskRef) {
        self.entries.push_with(|| Entry::Task(task()));
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Entry> {
        self.entries.pop()
    }

    /// Takes the first of what has arrived.
    #[inline]
    pub(crate) fn pop_arrived(&self) -> Option<Entry> {
        self.arrived.pop()
    }

    /// As long as what is returned lives, what is pushed has arrived.
    #[inline]
    pub(crate) fn arriving(&self) -> Arriving<'_> {
        self.entries.swap(&self.arrived);
        Arriving(self)
    }

    /// How many entries the turn is to run that begins or goes on.
    #[inline]
    pub(crate) fn rest_of_turn(&self) -> usize {
        match self.rest.get() {
            0 => self.len(),
            rest => rest,
        }
    }

    /// How many entries of a turn that was cut are yet to run.
    #[inline]
    pub(crate) fn rest(&self) -> usize {
        self.rest.get()
    }

    /// How many of them at least, before it may be cut.
    #[inline]
    pub(crate) fn least(&self) -> usize {
        self.least.get()
    }

    /// The turn ends, or makes way for what has arrived while there is a `rest`; `least` of it are
    /// then run before the turn makes way again.
    #[inline]
    pub(crate) fn cut(&self, rest: usize, least: usize) {
        self.rest.set(rest);
        self.least.set(least);
    }

    /// Puts what is queued into a random order, for simulations. Callbacks stay in the order that
    /// `call_soon` promises among themselves.
    #[cold]
    pub(crate) fn shuffle(&self, rng: &mut fastrand::Rng) {
        let is_callback = |entry: &Entry| matches!(entry, Entry::Callback(_));
        let (callbacks, mut others): (Vec<Entry>, Vec<Entry>) =
            std::iter::from_fn(|| self.pop()).partition(is_callback);
        let mut turns: Vec<bool> = callbacks.iter().map(|_| true).collect();
        turns.resize(callbacks.len() + others.len(), false);
        rng.shuffle(&mut turns);
        rng.shuffle(&mut others);
        let (mut callbacks, mut others) = (callbacks.into_iter(), others.into_iter());
        for callback in turns {
            let next = match callback {
                true => callbacks.next(),
                false => others.next(),
            };
            if let Some(entry) = next {
                self.push(entry);
            }
        }
    }

    /// Notes that the wait-for graph may have a new edge.
    #[inline]
    pub(crate) fn note_wait(&self) {
        self.waits.set(true);
    }

    /// Whether it may.
    #[inline]
    pub(crate) fn has_new_waits(&self) -> bool {
        self.waits.get()
    }

    /// They were looked at.
    pub(crate) fn forget_new_waits(&self) {
        self.waits.set(false);
    }

    /// What has not arrived from outside.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn len_arrived(&self) -> usize {
        self.arrived.len()
    }

    /// Whether nothing is ready, in either lane.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.arrived.is_empty()
    }
}

/// See [`ReadyQueue::arriving`].
#[must_use = "it ends with this"]
pub(crate) struct Arriving<'a>(&'a ReadyQueue);

impl Drop for Arriving<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.entries.swap(&self.0.arrived);
    }
}
