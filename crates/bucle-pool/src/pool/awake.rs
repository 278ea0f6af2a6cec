//! Staying awake: while results are expected within microseconds, the pool looks into the rings
//! once a turn of the loop instead of sleeping until a worker rings.
//!
//! To wake a sleeping processor takes longer than most short tasks do. The loop goes on with
//! everything else meanwhile: each look is an ordinary callback. It is for [`MOST`] at a time, and
//! not at all where the workers want all processors, or the tasks take long.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::Pool;
use super::worker::Worker;
use crate::ring::fall_asleep;

/// For how long either side stays awake without anything happening.
const MOST: Duration = Duration::from_micros(50);

/// Where nothing came while the pool was awake, others want the processor: it is awake for half as
/// long the next time, and below this not at all, until it tries again.
const LEAST: Duration = Duration::from_micros(3);

/// After so many tasks without being awake, it is tried again.
const TRY_AGAIN: u32 = 64;

/// Results of tasks that take longer are not waited for in this way.
const SHORT: Duration = Duration::from_micros(100);

pub(super) struct Awake {
    /// A look is in the loop's queue.
    looking: Cell<bool>,
    /// When something came last.
    came: Cell<Option<Instant>>,
    /// For how long it has been worth being awake.
    patience: Cell<Duration>,
    /// How many tasks were sent since it was not.
    untried: Cell<u32>,
    processors: usize,
}

impl Default for Awake {
    fn default() -> Awake {
        Awake {
            looking: Cell::new(false),
            came: Cell::new(None),
            patience: Cell::new(MOST),
            untried: Cell::new(0),
            processors: thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Awake {
    /// Whether it has helped lately, or is to be tried again.
    fn is_worth_it(&self) -> bool {
        if self.patience.get() >= LEAST {
            return true;
        }
        let untried = self.untried.get() + 1;
        self.untried.set(untried % TRY_AGAIN);
        if untried == TRY_AGAIN {
            self.patience.set(MOST);
        }
        untried == TRY_AGAIN
    }
}

impl Pool {
    /// Whether there is a processor left for somebody who only waits.
    fn processors_left(&self) -> bool {
        let workers = self.workers.borrow();
        let busy = workers.iter().filter(|worker| worker.load() > 0).count();
        busy < self.awake.processors
    }

    /// For how many nanoseconds a worker may stay awake without a task.
    pub(super) fn worker_may_spin(&self) -> u64 {
        match self.processors_left() {
            true => MOST.as_nanos() as u64,
            false => 0,
        }
    }

    /// A worker that had nothing was handed a task.
    pub(super) fn stay_awake_after_send(self: &Rc<Self>, worker: &Rc<Worker>) {
        let sent = worker.sent.borrow();
        let function = sent.front().map(|sent| sent.job.base().function);
        drop(sent);
        let average = function.and_then(|function| self.averages.of(function));
        let short = average.is_some_and(|average| average < SHORT);
        if short && self.processors_left() && self.awake.is_worth_it() {
            self.stay_awake();
        }
    }

    /// Something has come, or is about to: looks again in the next turn.
    pub(super) fn stay_awake(self: &Rc<Self>) {
        self.awake.came.set(Some(Instant::now()));
        if self.awake.looking.replace(true) {
            return;
        }
        for worker in &*self.workers.borrow() {
            // Nobody needs to ring while somebody looks.
            worker.board.parent_asleep().store(0, Ordering::Relaxed);
        }
        self.look_soon();
    }

    fn look_soon(self: &Rc<Self>) {
        let pool = Rc::downgrade(self);
        self.event_loop.call_soon(move || {
            if let Some(pool) = pool.upgrade() {
                pool.look();
            }
        });
    }

    fn look(self: &Rc<Self>) {
        let now = Instant::now();
        if self.drain_all() > 0 {
            self.awake.came.set(Some(now));
        } else {
            let most = if self.processors_left() {
                MOST
            } else {
                Duration::ZERO
            };
            let quiet = self
                .awake
                .came
                .get()
                .map(|came| now.saturating_duration_since(came));
            let busy = self.workers.borrow().iter().any(|worker| worker.load() > 0);
            if !busy || quiet.is_none_or(|quiet| quiet >= most) {
                if busy {
                    let awake = &self.awake;
                    awake.patience.set(awake.patience.get() / 2);
                }
                self.fall_asleep();
                return;
            }
        }
        self.look_soon();
    }

    /// Lets the workers ring from now on.
    fn fall_asleep(self: &Rc<Self>) {
        self.awake.looking.set(false);
        let mut something = false;
        for worker in &*self.workers.borrow() {
            let board = &worker.board;
            something |= !fall_asleep(board.parent_asleep(), board.responses());
        }
        if something {
            self.stay_awake();
        }
    }

    fn drain_all(self: &Rc<Self>) -> usize {
        let mut drained = 0;
        let mut place = 0;
        loop {
            let worker = self.workers.borrow().get(place).cloned();
            let Some(worker) = worker else {
                return drained;
            };
            drained += self.drain(&worker);
            place += 1;
        }
    }

    /// After results of one worker were taken outside of a look.
    pub(super) fn rang(self: &Rc<Self>, worker: &Worker) {
        if self.awake.looking.get() {
            return;
        }
        if fall_asleep(worker.board.parent_asleep(), worker.board.responses()) {
            return;
        }
        self.stay_awake();
    }
}
