//! Who of a pool's threads runs what: the queue, and the protocol around it.
//!
//! This file starts no thread and knows none: it says when one is to be started, and the thread
//! then calls [`Workers::next`] until that gives nothing more. Nobody's code runs under its lock.
//!
//! ```text
//!   submit ─▶ queue ─▶ next ─▶ (the job runs) ─▶ next ...
//!                       │ queue empty: idle, wait for a notification
//!                       └ queue empty and the pool is closed: end
//! ```
//!
//! What holds, under the lock:
//! - a worker is idle only while the queue was empty when it last looked, or it has a notification
//!   coming: a push notifies one idle worker for each job that idle workers are to take;
//! - the queue is longer than the number of idle workers only if every thread that may exist does:
//!   so an idle thread is always used before a new one is started, and no job lies about while a
//!   thread could have been started for it;
//! - `alive` counts a worker from the moment it is promised to the moment it ends.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::error::{BrokenThreadPool, FutureError, Rejected};
use super::job::Job;
use super::state::guard;
use crate::primitives::{Condvar, Mutex, MutexGuard, lock, wait_until};

pub(super) struct Workers {
    max: usize,
    state: Mutex<State>,
    /// For the idle workers.
    work: Condvar,
    /// For who waits for the end of the last one.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    idle: usize,
    alive: usize,
    /// How many were ever promised: the next one's number.
    started: usize,
    shut_down: bool,
    broken: Option<BrokenThreadPool>,
    /// The length of the queue at which it is looked through for cancelled jobs.
    compact_at: usize,
    /// Threads that wait for `ended`.
    waiting: usize,
    wakers: Vec<Waker>,
}

/// A queue shorter than this may keep cancelled jobs.
const COMPACT: usize = 128;

/// What the submitter has to do next.
#[must_use]
pub(super) enum Submitted {
    Nothing,
    /// Start a worker, which has this number.
    StartWorker(usize),
}

impl Workers {
    pub(super) fn new(max: usize) -> Workers {
        Workers {
            max,
            state: Mutex::new(State {
                compact_at: COMPACT,
                ..State::default()
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// How many workers are alive, how many of them idle, and how many jobs wait.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let state = lock(&self.state);
        (state.alive, state.idle, state.queue.len())
    }

    // Verbs of the submitter.

    /// Queues a job; a closed or broken pool ends it in place of that.
    pub(super) fn submit(&self, job: Job) -> Submitted {
        let mut state = lock(&self.state);
        if state.is_closed() {
            let why = match &state.broken {
                Some(broken) => FutureError::Broken(broken.clone()),
                None => FutureError::Rejected(Rejected::Shutdown),
            };
            drop(state);
            job.refuse(why);
            return Submitted::Nothing;
        }
        if state.queue.len() >= state.compact_at {
            state.queue.retain(|job| !job.phase().is_done());
            state.compact_at = COMPACT.max(2 * state.queue.len());
        }
        state.queue.push_back(job);
        if state.queue.len() <= state.idle {
            // After the lock: who wakes needs it first thing.
            drop(state);
            self.work.notify_one();
        } else if state.alive < self.max {
            let number = state.started;
            state.started += 1;
            state.alive += 1;
            return Submitted::StartWorker(number);
        }
        Submitted::Nothing
    }

    /// The worker that was asked for could not be started. Jobs that nobody is left to run end.
    pub(super) fn start_failed(&self, error: io::Error) {
        let mut state = lock(&self.state);
        let jobs = if state.alive == 1 {
            std::mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        };
        self.leave(state);
        let error = Arc::new(error);
        for job in jobs {
            job.refuse(FutureError::Rejected(Rejected::NoThread(error.clone())));
        }
    }

    // Verbs of a worker.

    /// The next job; waits for one. `None` when there will be no more: the worker then says
    /// [`end`](Workers::end).
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.is_closed() {
                return None;
            }
            state.idle += 1;
            (state, _) = wait_until(&self.work, state, None);
            state.idle -= 1;
        }
    }

    /// A worker's initializer failed: the pool takes no jobs any more, and those that wait end.
    pub(super) fn break_down(&self, cause: &str) {
        let broken = BrokenThreadPool::new(cause);
        let mut state = lock(&self.state);
        state.broken = Some(broken.clone());
        let jobs = std::mem::take(&mut state.queue);
        self.work.notify_all();
        drop(state);
        for job in jobs {
            job.refuse(FutureError::Broken(broken.clone()));
        }
    }

    /// A worker has run its last job.
    pub(super) fn end(&self) {
        self.leave(lock(&self.state));
    }

    fn leave(&self, mut state: MutexGuard<'_, State>) {
        state.alive -= 1;
        let mut wakers = Vec::new();
        if state.is_ended() {
            wakers = std::mem::take(&mut state.wakers);
            if state.waiting > 0 {
                self.ended.notify_all();
            }
        }
        drop(state);
        for waker in wakers {
            guard("a waker", || waker.wake());
        }
    }

    // Verbs of who ends the pool.

    /// Takes no jobs from now on. Those that wait run still, or are given back if `take_back`.
    pub(super) fn shut_down(&self, take_back: bool) -> VecDeque<Job> {
        let mut state = lock(&self.state);
        state.shut_down = true;
        self.work.notify_all();
        if take_back {
            std::mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        }
    }

    pub(super) fn is_shut_down(&self) -> bool {
        lock(&self.state).shut_down
    }

    /// Blocks until the pool is closed and its last worker has ended, or until `deadline`; whether
    /// it has.
    pub(super) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        while !state.is_ended() {
            state.waiting += 1;
            let (guard, in_time) = wait_until(&self.ended, state, deadline);
            state = guard;
            state.waiting -= 1;
            if !in_time {
                break;
            }
        }
        state.is_ended()
    }

    /// The same for a task.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.state);
        if state.is_ended() {
            drop(state);
            return Poll::Ready(());
        }
        let known = state.wakers.iter().any(|known| known.will_wake(&waker));
        if !known {
            state.wakers.push(waker);
        }
        Poll::Pending
    }
}

impl State {
    /// No more jobs are taken; workers end once the queue is empty.
    fn is_closed(&self) -> bool {
        self.shut_down || self.broken.is_some()
    }

    fn is_ended(&self) -> bool {
        self.is_closed() && self.alive == 0
    }
}
