//! What can be seen of a pool: [`PoolStatus`].

use std::process::ExitStatus;
use std::time::Duration;

use bucle_sys::worker as sys;

use super::ending::ran_for;
use super::worker::{Phase, Worker};
use super::{Pool, ProcessPoolExecutor};

/// A pool at one moment. See [`ProcessPoolExecutor::status`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Each worker, in the order they were started.
    pub workers: Vec<WorkerStatus>,
    /// How many workers are being started and have no process yet.
    pub starting: usize,
    /// How many tasks wait for a worker.
    pub queued: usize,
    /// How many tasks have ended since the pool was made, in whatever way, while a worker had them.
    pub tasks_done: u64,
    /// How many workers have ended: those that died, were killed, or made place for fresh ones.
    pub restarts: u64,
    /// The worker that ended last.
    pub last_exit: Option<LastExit>,
}

/// How far a pool is: see [`on_progress`](super::ProcessPoolExecutorBuilder::on_progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many tasks have ended since the pool was made, in whatever way. A chunk of a map counts
    /// as one.
    pub done: u64,
    /// How many tasks workers have, begun or not.
    pub handed_out: usize,
    /// How many tasks wait for a worker.
    pub queued: usize,
}

impl Pool {
    /// Tells of tasks that have ended.
    pub(super) fn tell_progress(&self) {
        if let Some(take) = &self.options.on_progress {
            let handed_out = self
                .workers
                .borrow()
                .iter()
                .map(|worker| worker.load())
                .sum();
            let progress = Progress {
                done: self.tasks_done.get(),
                handed_out,
                queued: self.queued.get(),
            };
            self.guard("`on_progress`", || take(progress));
        }
    }
}

/// A worker at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its process.
    pub pid: u32,
    /// What it is about.
    pub state: WorkerState,
    /// The task that it runs.
    pub task: Option<String>,
    /// For how long that has run.
    pub elapsed: Option<Duration>,
    /// For how long that may run.
    pub deadline: Option<Duration>,
    /// How many tasks it was handed that it has not begun.
    pub ahead: usize,
    /// How much memory of it is resident, in bytes; `None` if it has just ended.
    pub resident: Option<u64>,
    /// How many tasks it has run.
    pub tasks_done: u64,
    /// How long ago it was started.
    pub age: Duration,
}

/// What a worker is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It was started and is not ready yet.
    Starting,
    /// It has nothing to do.
    Idle,
    /// It runs tasks.
    Busy,
    /// It takes no more tasks, and ends when it has run those it has.
    Leaving,
    /// It was told to end.
    Ending,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastExit {
    /// Its process.
    pub pid: u32,
    /// Its exit code or signal; `None` if somebody else has waited for it.
    pub status: Option<ExitStatus>,
}

impl ProcessPoolExecutor {
    /// What each worker does now, and what waits. Costs a file of `/proc` to be read per worker.
    pub fn status(&self) -> PoolStatus {
        let pool = &*self.pool;
        PoolStatus {
            workers: pool
                .workers
                .borrow()
                .iter()
                .map(|worker| of(worker))
                .collect(),
            starting: pool.starting.get(),
            queued: pool.queued.get(),
            tasks_done: pool.tasks_done.get(),
            restarts: pool.restarts.get(),
            last_exit: pool.last_exit.get(),
        }
    }
}

fn of(worker: &Worker) -> WorkerStatus {
    let running = worker.front_has_begun();
    let sent = worker.sent.borrow();
    let front = sent.front().filter(|_| running.is_some());
    WorkerStatus {
        pid: worker.pid,
        state: match worker.phase.get() {
            Phase::Starting => WorkerState::Starting,
            Phase::Ready if sent.is_empty() => WorkerState::Idle,
            Phase::Ready => WorkerState::Busy,
            Phase::Leaving => WorkerState::Leaving,
            Phase::Dying => WorkerState::Ending,
        },
        task: front.map(|sent| sent.job.base().name().to_string()),
        elapsed: running.map(ran_for),
        deadline: front.and_then(|sent| sent.job.base().options.deadline),
        ahead: sent.len() - usize::from(front.is_some()),
        resident: sys::resident(worker.pid),
        tasks_done: worker.tasks_done.get(),
        age: worker.started.elapsed(),
    }
}
