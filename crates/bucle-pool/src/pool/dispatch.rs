//! Who gets which task.
//!
//! | | |
//! |---|---|
//! | a worker is idle | it gets the task at once |
//! | none is, and there may be more | one is started |
//! | all are busy | those whose tasks are short are handed some ahead |
//! | one is idle and nothing waits | what another has not begun is taken back and shared out anew |
//! | one runs a long task | what it has not begun is taken back, before what was submitted later |

use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bucle_loop::Cancelled;
use bucle_sys::process::is_scarce;

use super::ending::ran_for;
use super::job::{Initialize, Job, Stage};
use super::worker::{Phase, Worker};
use super::{Pool, State};
use crate::board::Board;
use crate::error::{Cause, ProcessError, Rejected};
use crate::payload::NotEncoded;
use crate::start::{Launch, Role};

/// A worker is handed as many tasks ahead as it will run in about this time.
const AHEAD: Duration = Duration::from_micros(500);

/// A worker whose task has run for longer keeps nothing ahead: what waits behind it would be overtaken
/// by all that comes later. For a task as long as this, what is handed ahead saves next to nothing.
const LONG: Duration = Duration::from_millis(5);

/// How often it is looked for long tasks, at most: each look costs the workers a cache line.
const LOOK: Duration = Duration::from_millis(1);

/// So many tasks that are over may lie in a queue.
pub(super) const KEPT_DONE: usize = 128;

/// When a worker that had no room is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// When it is tried again to start a worker where none is there and the system had no room for one.
const LAUNCH_AGAIN: Duration = Duration::from_millis(20);

/// So often, and the pool is broken.
const FAILED_LAUNCHES: u32 = 50;

impl Pool {
    pub(super) fn has_room(&self) -> bool {
        self.queued.get() < self.options.queue_size && self.parked.borrow().is_empty()
    }

    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_room() || self.refusal().is_some() {
            return Poll::Ready(());
        }
        let mut waiting = self.want_room.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes a new task.
    pub(super) fn accept(self: &Rc<Self>, job: Rc<dyn Job>) {
        if !self.has_room() {
            self.parked.borrow_mut().push_back(Rc::downgrade(&job));
            return;
        }
        self.enqueue(job);
        self.dispatch();
    }

    fn enqueue(&self, job: Rc<dyn Job>) {
        job.base().stage.set(Stage::Queued);
        let place = self.next_place.get();
        self.next_place.set(place + 1);
        job.base().place.set(Some(place));
        self.queue.borrow_mut().push_back(job);
        self.queued.set(self.queued.get() + 1);
    }

    /// Puts a task that found no room into the queue all the same: nobody holds it any more.
    pub(super) fn unpark(self: &Rc<Self>, job: &Rc<dyn Job>) {
        if job.base().stage.get() == Stage::Parked {
            self.parked
                .borrow_mut()
                .retain(|parked| !std::ptr::addr_eq(parked.as_ptr(), Rc::as_ptr(job)));
            self.enqueue(job.clone());
            self.dispatch();
        }
    }

    /// Puts tasks back to where they came from: in the order of submission.
    pub(super) fn requeue(&self, jobs: Vec<Rc<dyn Job>>) {
        let mut queue = self.queue.borrow_mut();
        for job in jobs.into_iter().rev() {
            if job.base().stage.get() != Stage::Done {
                job.base().stage.set(Stage::Queued);
                self.queued.set(self.queued.get() + 1);
                // Near the front, as what was submitted earlier is handed out earlier.
                let place = job.base().place.get();
                let later = |other: &Rc<dyn Job>| other.base().place.get() > place;
                let at = queue.iter().position(later).unwrap_or(queue.len());
                queue.insert(at, job);
            }
        }
    }

    /// Hands out what waits, as far as it goes.
    pub(super) fn dispatch(self: &Rc<Self>) {
        if let Some(end) = self.nothing_begins() {
            return self.fail_waiting(&end);
        }
        while let Some(job) = self.next_queued() {
            let worker = self.choose(&job);
            let idle = worker.as_ref().is_some_and(|worker| worker.load() == 0);
            if !idle {
                self.start_more();
            }
            let sent = worker.is_some_and(|worker| {
                let sent = self.is_ready_to_go(&job) && worker.send(&job);
                if sent {
                    self.after_send(&worker);
                }
                sent
            });
            if job.base().stage.get() == Stage::Done {
                continue;
            }
            if !sent {
                self.requeue(vec![job]);
                if idle {
                    self.dispatch_later(RETRY);
                }
                break;
            }
        }
        self.admit();
    }

    /// What all tasks that wait come to, if none will begin any more.
    fn nothing_begins(&self) -> Option<ProcessError> {
        if self.state.get() == State::Closed {
            return Some(ProcessError::Rejected(Rejected::Shutdown));
        }
        let broken = self.broken.borrow();
        let broken = broken.as_ref()?;
        // Those that were ready before it broke go on.
        let workers = self.workers.borrow();
        let mut phases = workers.iter().map(|worker| worker.phase.get());
        match phases.any(|phase| phase == Phase::Ready) {
            true => None,
            false => Some(ProcessError::Broken(broken.clone())),
        }
    }

    /// Whether there is shared memory for a task that needs some. If there will be none, that is
    /// what it comes to.
    fn is_ready_to_go(&self, job: &Rc<dyn Job>) -> bool {
        let Err(error) = job.make_ready(&self.memory) else {
            return true;
        };
        let workers = self.workers.borrow();
        if workers.iter().all(|worker| worker.load() == 0) {
            job.fail(ProcessError::NotEncoded(NotEncoded {
                what: "the arguments",
                why: format!("no shared memory for them: {error}"),
            }));
        }
        // Otherwise those who have some will give it back.
        false
    }

    /// Tries again: for an idle worker that had no room (it has messages to read, and will not say
    /// when it has), or when the system had none for a worker.
    fn dispatch_later(self: &Rc<Self>, delay: Duration) {
        let pool = Rc::downgrade(self);
        self.event_loop.call_later(delay, move || {
            if let Some(pool) = pool.upgrade() {
                pool.dispatch();
                pool.tell_idle();
            }
        });
    }

    /// Forgets tasks that are over, when they are most of the queue.
    fn clear_queue(&self) {
        let mut queue = self.queue.borrow_mut();
        if queue.len() > 2 * self.queued.get() + KEPT_DONE {
            let is_queued = |job: &Rc<dyn Job>| job.base().stage.get() == Stage::Queued;
            let (kept, over) = queue.drain(..).partition(is_queued);
            *queue = kept;
            drop(queue);
            drop::<VecDeque<Rc<dyn Job>>>(over);
        }
    }

    /// The same for those that found no room: each time that they are twice as many as were left.
    fn clear_parked(&self) {
        let mut parked = self.parked.borrow_mut();
        if parked.len() > self.parked_most.get() {
            // The one that is being dropped is there still.
            parked.retain(|job| {
                Weak::upgrade(job).is_some_and(|job| job.base().stage.get() == Stage::Parked)
            });
            self.parked_most.set(2 * parked.len() + KEPT_DONE);
        }
    }

    /// The next task that is to be run, out of the queue.
    fn next_queued(&self) -> Option<Rc<dyn Job>> {
        loop {
            let job = self.queue.borrow_mut().pop_front()?;
            if job.base().stage.get() == Stage::Queued {
                self.queued.set(self.queued.get() - 1);
                return Some(job);
            }
        }
    }

    /// Lets tasks that found no room into the queue, and wakes who waits for room.
    fn admit(self: &Rc<Self>) {
        let mut more = false;
        while self.queued.get() < self.options.queue_size {
            let Some(parked) = self.parked.borrow_mut().pop_front() else {
                break;
            };
            if let Some(job) = Weak::upgrade(&parked)
                && job.base().stage.get() == Stage::Parked
            {
                self.enqueue(job);
                more = true;
            }
        }
        if more {
            let pool = Rc::downgrade(self);
            self.event_loop.call_soon(move || {
                if let Some(pool) = pool.upgrade() {
                    pool.dispatch();
                }
            });
        }
        if self.has_room() && !self.want_room.borrow().is_empty() {
            for waker in self.want_room.take() {
                waker.wake();
            }
        }
    }

    /// The worker with the fewest tasks, if it may have one more.
    fn choose(&self, job: &Rc<dyn Job>) -> Option<Rc<Worker>> {
        let workers = self.workers.borrow();
        let mut best: Option<(usize, &Rc<Worker>)> = None;
        for worker in &*workers {
            if worker.phase.get() != Phase::Ready
                || worker.total_sent.get() >= self.options.max_tasks_per_child
            {
                continue;
            }
            let load = worker.load();
            if load > 0 && worker.is_long.get() {
                continue;
            }
            if best.is_none_or(|(least, _)| load < least) {
                best = Some((load, worker));
            }
            if load == 0 {
                break;
            }
        }
        let (load, worker) = best?;
        let may = load == 0 || load < self.window(job.base().function);
        may.then(|| worker.clone())
    }

    /// How many tasks a worker may have at once.
    fn window(&self, function: u32) -> usize {
        let by_time = match self.averages.of(function) {
            Some(each) => (AHEAD.as_nanos() / each.as_nanos().max(1)) as usize,
            None => 0,
        };
        by_time.max(2).min(self.options.tasks_ahead)
    }

    /// What is to be seen to when a worker was handed a task.
    fn after_send(self: &Rc<Self>, worker: &Rc<Worker>) {
        let load = worker.load();
        if load == 1 {
            // How long it may stay awake after this one.
            let spin = self.worker_may_spin();
            worker.board.spin().store(spin, Ordering::Relaxed);
            self.watch_front(worker);
            self.stay_awake_after_send(worker);
        }
    }

    /// Starts workers, if there is work for them and there may be more.
    pub(super) fn start_more(self: &Rc<Self>) {
        if self.broken.borrow().is_some() || self.state.get() == State::Closed {
            return;
        }
        let alive = self.workers.borrow().len();
        let most = self.options.max_workers.saturating_sub(alive);
        // Those that were started and are not ready yet will take one each.
        let coming = self.workers.borrow();
        let coming = coming
            .iter()
            .filter(|worker| worker.phase.get() == Phase::Starting);
        let coming = self.starting.get() + coming.count();
        // The one that is being handed out is counted no more.
        let wanted = (self.queued.get() + 1).saturating_sub(coming);
        for _ in 0..wanted.min(most.saturating_sub(self.starting.get())) {
            self.start_worker();
        }
    }

    fn start_worker(self: &Rc<Self>) {
        let number = self.next_worker.get();
        self.next_worker.set(number + 1);
        self.starting.set(self.starting.get() + 1);
        let board = match Board::new() {
            Ok(board) => board,
            Err(error) => return self.not_started_soon(error),
        };
        board.parent_asleep().store(1, Ordering::Relaxed);
        let mut launch = Launch::new(Role::Worker {
            nice: self.options.nice,
        });
        match std::os::fd::AsFd::as_fd(&board).try_clone_to_owned() {
            Ok(fd) => launch.fds.push(fd),
            Err(error) => return self.not_started_soon(error),
        }
        launch.env.clone_from(&self.options.env);
        launch.current_dir.clone_from(&self.options.current_dir);
        let (id, remote) = (self.id, self.remote);
        launch.start(move |child| {
            // If the loop is closed, the child is dropped, and so killed.
            let _ = remote.call_soon_threadsafe(move || {
                if let Some(pool) = super::find(id) {
                    match child {
                        Ok(child) => pool.started(Worker::new(number, child, board)),
                        Err(error) => pool.not_started(&error),
                    }
                }
            });
        });
    }

    fn not_started_soon(self: &Rc<Self>, error: std::io::Error) {
        let pool = Rc::downgrade(self);
        self.event_loop.call_soon(move || {
            if let Some(pool) = pool.upgrade() {
                pool.not_started(&error);
            }
        });
    }

    fn not_started(self: &Rc<Self>, error: &std::io::Error) {
        self.starting.set(self.starting.get() - 1);
        let workers = self.workers.borrow().len() + self.starting.get();
        // With others there, the tasks will be run; later there may be room for more.
        if workers == 0 {
            let failed = self.failed_launches.get() + 1;
            self.failed_launches.set(failed);
            if is_scarce(error) && failed < FAILED_LAUNCHES {
                self.dispatch_later(LAUNCH_AGAIN);
            } else {
                self.break_down(&format!("no worker can be started: {error}"));
            }
        }
        self.tell_idle();
    }

    fn started(self: &Rc<Self>, worker: Worker) {
        self.starting.set(self.starting.get() - 1);
        self.failed_launches.set(0);
        if self.broken.borrow().is_some() {
            // Dropped, it is killed.
            return self.tell_idle();
        }
        let worker = Rc::new(worker);
        if let Err(error) = self.watch_worker(&worker) {
            worker.kill();
            self.unwatch(&worker);
            self.break_down(&format!("a worker can't be watched: {error}"));
            return;
        }
        let late = Rc::downgrade(&worker);
        let within = self.options.start_within;
        let timer = self.event_loop.call_later(within, move || {
            if let Some(worker) = late.upgrade()
                && worker.phase.get() == Phase::Starting
            {
                let text = format!("it was not ready within {within:?}");
                worker.cause.replace(Some(Cause::BrokeProtocol(text)));
                worker.kill();
            }
        });
        worker.start_timer.replace(Some(timer));
        self.workers.borrow_mut().push(worker);
        // It may have been shut down meanwhile.
        self.tell_idle();
    }

    /// A worker has said that it is there.
    pub(super) fn is_ready(self: &Rc<Self>, worker: &Rc<Worker>) {
        if worker.phase.get() != Phase::Starting {
            return;
        }
        if let Some(timer) = worker.start_timer.take() {
            timer.cancel();
        }
        let Some(initialize) = Initialize::new(self) else {
            worker.phase.set(Phase::Ready);
            return self.takes_tasks();
        };
        let initialize: Rc<dyn Job> = initialize;
        self.initialize(worker, &initialize);
    }

    /// Has a worker make its first call. It is new, so that there is room; but perhaps no memory.
    fn initialize(self: &Rc<Self>, worker: &Rc<Worker>, initialize: &Rc<dyn Job>) {
        if worker.phase.get() != Phase::Starting {
            return;
        }
        if initialize.make_ready(&self.memory).is_ok() && worker.send(initialize) {
            worker.total_sent.set(0);
            return;
        }
        let (pool, worker) = (Rc::downgrade(self), Rc::downgrade(worker));
        let initialize = initialize.clone();
        self.event_loop.call_later(RETRY, move || {
            if let (Some(pool), Some(worker)) = (pool.upgrade(), worker.upgrade()) {
                pool.initialize(&worker, &initialize);
            }
        });
    }

    /// A worker is ready, and has run its initializer.
    pub(super) fn is_initialized(self: &Rc<Self>, number: u64) {
        let worker = self.worker(number);
        if let Some(worker) = worker.filter(|worker| worker.phase.get() == Phase::Starting) {
            worker.phase.set(Phase::Ready);
            self.takes_tasks();
        }
    }

    fn takes_tasks(self: &Rc<Self>) {
        self.failed_starts.set(0);
        // It is idle: what others have not begun comes before what waits.
        self.take_back_behind(Duration::ZERO);
        self.dispatch();
        // Tasks may have been handed to others before it was there.
        self.balance();
    }

    /// A worker has nothing to do: what others have not begun is shared out anew.
    pub(super) fn balance(self: &Rc<Self>) {
        if self.queued.get() > 0 {
            return;
        }
        let victim = {
            let workers = self.workers.borrow();
            let idle = workers
                .iter()
                .any(|worker| worker.phase.get() == Phase::Ready && worker.load() == 0);
            let most = || workers.iter().max_by_key(|worker| worker.load());
            match idle {
                true => most()
                    .filter(|worker| worker.load() > 1 && worker.has_unbegun())
                    .cloned(),
                false => None,
            }
        };
        if let Some(victim) = victim {
            let back = victim.take_back();
            // The fullest gets the last of them again, as it is not idle.
            self.requeue(back);
            self.dispatch();
        }
    }

    /// Takes back what waits in workers behind a long task, from time to time.
    pub(super) fn take_back_behind_long(self: &Rc<Self>) {
        let now = Instant::now();
        if now - self.looked_for_long.get() >= LOOK {
            self.looked_for_long.set(now);
            self.take_back_behind(LONG);
        }
    }

    /// Takes back what waits in workers behind a task that has run for longer than `long`.
    fn take_back_behind(self: &Rc<Self>, long: Duration) {
        let workers = self.workers.borrow();
        for worker in &*workers {
            // Alone, or with one that has nothing to do, it is cheap to look.
            if workers.len() < 2 || worker.load() == 0 || worker.phase.get() != Phase::Ready {
                continue;
            }
            let is_long = worker
                .board
                .running()
                .is_some_and(|running| ran_for(running) > long);
            if is_long {
                worker.is_long.set(true);
                if worker.has_unbegun() {
                    self.take_back(worker);
                }
            }
        }
    }

    /// Takes from a worker all that it has not begun.
    pub(super) fn take_back(self: &Rc<Self>, worker: &Worker) {
        let back = worker.take_back();
        self.requeue(back);
    }

    /// Ends a task that somebody wants to be ended.
    pub(super) fn cancel(self: &Rc<Self>, job: &Rc<dyn Job>, reason: &str) {
        let base = job.base();
        let not_begun = || ProcessError::Cancelled(Cancelled::new(reason));
        match base.stage.get() {
            Stage::Done => {}
            Stage::Parked => {
                job.fail(not_begun());
                self.clear_parked();
            }
            Stage::Queued => {
                self.queued.set(self.queued.get() - 1);
                job.fail(not_begun());
                self.clear_queue();
                self.admit();
            }
            Stage::Sent(number) => {
                let worker = self.worker(number);
                let Some(worker) = worker else {
                    return job.fail(not_begun());
                };
                base.cancelled.set(true);
                // Perhaps it is done, or was not begun.
                self.drain(&worker);
                self.take_back(&worker);
                match base.stage.get() {
                    Stage::Queued => self.cancel(job, reason),
                    Stage::Sent(now) if now == number => {
                        self.terminate(&worker, Cause::Cancelled(reason.to_string()));
                    }
                    _ => {}
                }
                self.dispatch();
            }
        }
    }

    pub(super) fn worker(&self, number: u64) -> Option<Rc<Worker>> {
        let workers = self.workers.borrow();
        let found = workers.iter().find(|worker| worker.number == number);
        found.cloned()
    }

    /// All tasks that no worker has end so.
    pub(super) fn fail_waiting(self: &Rc<Self>, error: &ProcessError) {
        while let Some(job) = self.next_queued() {
            job.fail(error.clone());
        }
        let parked = self.parked.take();
        for job in parked.iter().filter_map(Weak::upgrade) {
            if job.base().stage.get() == Stage::Parked {
                job.fail(error.clone());
            }
        }
        for waker in self.want_room.take() {
            waker.wake();
        }
        self.tell_idle();
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }
}
