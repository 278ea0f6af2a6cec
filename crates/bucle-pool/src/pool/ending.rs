//! How tasks and workers end before their time: deadlines, limits, deaths, recycling.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bucle_loop::TimerHandle;
use bucle_sys::process::{SIGKILL, SIGTERM, Usage};
use bucle_sys::worker as sys;

use super::Pool;
use super::job::Job;
use super::output::OutputStream;
use super::status::LastExit;
use super::worker::{Phase, Worker};
use crate::board::Running;
use crate::error::{Cause, Failure, ProcessError};
use crate::start::Message;

/// How often the resident size of a worker is looked at while a task with a memory limit runs.
pub const MEMORY_LOOK: Duration = Duration::from_millis(20);

/// How often it is looked at for the sake of `max_memory_per_child`.
const RECYCLE_LOOK: Duration = Duration::from_millis(50);

/// So many workers in a row that end before they are ready, and no more are started.
const FAILED_STARTS: u32 = 3;

/// One that somebody has killed says little about the next: so many of these make one that has
/// ended by itself.
const KILLED_STARTS: u32 = 10;

/// A task under which so many workers have ended is run no more, idempotent or not.
const POISON: u32 = 2;

impl Pool {
    /// Looks after the task that a worker runs now, if there is anything to look after.
    pub(super) fn watch_front(self: &Rc<Self>, worker: &Rc<Worker>) {
        let front = worker.sent.borrow().front().map(|sent| sent.job.clone());
        let watched = front.as_ref().is_some_and(|job| job.base().is_watched());
        if !watched {
            if let Some(timer) = worker.watch.take() {
                timer.cancel();
            }
            return;
        }
        let Some(front) = front else { return };
        let options = &front.base().options;
        let look = options.memory_limit.map(|_| MEMORY_LOOK);
        let soonest = options.deadline.into_iter().chain(look).min();
        let soonest = soonest.unwrap_or(MEMORY_LOOK);
        // What looks already may look for a task before, which had more time.
        let due = self.event_loop.time().checked_add(soonest);
        let looks = worker.watch.borrow().as_ref().map(TimerHandle::when);
        if looks.is_none_or(|looks| due.is_some_and(|due| due < looks)) {
            self.look_after(worker, soonest);
        }
    }

    fn look_after(self: &Rc<Self>, worker: &Rc<Worker>, delay: Duration) {
        let (pool, watched) = (Rc::downgrade(self), Rc::downgrade(worker));
        let timer = self.event_loop.call_later(delay, move || {
            if let (Some(pool), Some(worker)) = (pool.upgrade(), watched.upgrade()) {
                worker.watch.take();
                pool.check_front(&worker);
            }
        });
        if let Some(before) = worker.watch.replace(Some(timer)) {
            before.cancel();
        }
    }

    fn check_front(self: &Rc<Self>, worker: &Rc<Worker>) {
        // What is done is done in time.
        self.drain(worker);
        if worker.phase.get() == Phase::Dying || worker.watch.borrow().is_some() {
            return;
        }
        let Some(job) = worker.sent.borrow().front().map(|sent| sent.job.clone()) else {
            return;
        };
        let options = &job.base().options;
        let ran = worker.front_has_begun().map(ran_for).unwrap_or_default();
        let mut next = Duration::MAX;
        if let Some(deadline) = options.deadline {
            if ran >= deadline {
                return self.terminate(worker, Cause::DeadlineExceeded(deadline));
            }
            next = deadline - ran;
        }
        if let Some(limit) = options.memory_limit {
            if let Some(resident) = sys::resident(worker.pid)
                && resident > limit
            {
                return self.terminate(worker, Cause::ResidentLimit { limit, resident });
            }
            next = next.min(MEMORY_LOOK);
        }
        if options.deadline.is_some() || options.memory_limit.is_some() {
            // Not at once: the clocks of two processes are read apart.
            self.look_after(worker, next.max(Duration::from_micros(100)));
        }
    }

    /// Has a worker end, with the task that it runs: politely, then not.
    pub(super) fn terminate(self: &Rc<Self>, worker: &Rc<Worker>, cause: Cause) {
        if worker.phase.get() == Phase::Dying {
            return;
        }
        worker.phase.set(Phase::Dying);
        worker.cause.replace(Some(cause));
        self.take_back(worker);
        worker.signal(SIGTERM);
        let victim = Rc::downgrade(worker);
        let timer = self
            .event_loop
            .call_later(self.options.kill_after, move || {
                if let Some(worker) = victim.upgrade() {
                    worker.kill();
                }
            });
        worker.kill_timer.replace(Some(timer));
        self.dispatch();
    }

    /// A worker's channel is closed and the worker is not known to have ended: it soon will have.
    pub(super) fn channel_closed(self: &Rc<Self>, worker: &Rc<Worker>) {
        let registration = worker.registrations.borrow_mut().channel.take();
        if let (Some(registration), Some(child)) = (registration, &*worker.child.borrow()) {
            self.event_loop.deregister(&child.channel, registration);
        }
        let ended = match &*worker.child.borrow() {
            Some(child) => child
                .pidfd()
                .is_none_or(|pidfd| pidfd.has_ended().unwrap_or(true)),
            None => true,
        };
        if ended {
            return;
        }
        // An ending process closes its descriptors first. One that lives on without its channel
        // can't be spoken to.
        let (pool, victim) = (Rc::downgrade(self), Rc::downgrade(worker));
        let timer = self
            .event_loop
            .call_later(Duration::from_millis(50), move || {
                if let (Some(pool), Some(worker)) = (pool.upgrade(), victim.upgrade()) {
                    pool.broke_protocol(&worker, "it has closed its channel".into());
                }
            });
        if worker.kill_timer.borrow().is_none() {
            worker.kill_timer.replace(Some(timer));
        }
    }

    /// A worker's process may have ended.
    pub(super) fn has_died(self: &Rc<Self>, worker: &Rc<Worker>) {
        let waited = match worker.child.borrow_mut().as_mut() {
            Some(child) => {
                if matches!(
                    child.pidfd().map(|pidfd| pidfd.has_ended()),
                    Some(Ok(false))
                ) {
                    return;
                }
                // Before it is waited for, after which its descriptor is gone.
                let registration = worker.registrations.borrow_mut().pidfd.take();
                if let (Some(registration), Some(pidfd)) = (registration, child.pidfd()) {
                    self.event_loop.deregister(pidfd, registration);
                }
                child.try_wait()
            }
            None => return,
        };
        let (status, usage) = match waited {
            Ok(Some((status, usage))) => (Some(status), usage),
            // Waited for by somebody else.
            Ok(None) | Err(_) => (None, Usage::default()),
        };
        // What it had finished is finished.
        while self.take_results(worker, usize::MAX) > 0 {}
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            self.read_output(worker, stream, 64);
        }
        self.unwatch(worker);
        self.workers
            .borrow_mut()
            .retain(|other| other.number != worker.number);
        self.last_exit.set(Some(LastExit {
            pid: worker.pid,
            status,
        }));
        drop(worker.child.take());
        self.settle(worker, status, usage);
        self.count_death(worker, status);
        self.take_back_behind_long();
        self.dispatch();
        self.balance();
        self.tell_idle();
        self.tell_progress();
    }

    /// What becomes of the tasks that a dead worker had.
    fn settle(self: &Rc<Self>, worker: &Worker, status: Option<ExitStatus>, usage: Usage) {
        let running = worker.board.running();
        let claimed = worker.board.requests().claimed();
        let of_itself = matches!(*worker.cause.borrow(), None | Some(Cause::BrokeProtocol(_)));
        let mut back = Vec::new();
        for sent in worker.sent.take() {
            let begun = running.filter(|running| {
                running.task == sent.task && running.item == u64::from(sent.items_done.get())
            });
            let base = sent.job.base();
            // One that was read and not begun may be what the worker has died of: its arguments,
            // which are the user's code, too. Given to one worker after the other, it would end
            // them all.
            let is_suspect = begun.is_some() || of_itself && sent.end <= claimed;
            if is_suspect {
                base.attempts.set(base.attempts.get() + 1);
            }
            let may_again = match begun {
                None => true,
                Some(_) => of_itself && base.options.idempotent && self.is_open(),
            };
            let is_poison = is_suspect && base.attempts.get() >= POISON;
            if may_again && !is_poison && !base.cancelled.get() {
                if sent.job.is_for_any() {
                    sent.job.back();
                    back.push(sent.job);
                }
                continue;
            }
            self.tasks_done.set(self.tasks_done.get() + 1);
            let failure = self.failure_of(worker, &*sent.job, begun, status, usage);
            if base.cancelled.get() {
                sent.job.fail(failure);
            } else if !sent.job.died(failure) {
                base.attempts.set(0);
                back.push(sent.job);
            }
        }
        self.requeue(back);
    }

    fn failure_of(
        &self,
        worker: &Worker,
        job: &dyn Job,
        running: Option<Running>,
        status: Option<ExitStatus>,
        usage: Usage,
    ) -> ProcessError {
        let base = job.base();
        let stderr = worker.stderr_tail();
        let mut cause = worker.cause.borrow().clone().unwrap_or(Cause::Died);
        if let (Cause::Died, Some(limit)) = (&cause, base.options.memory_limit)
            && stderr.contains("memory allocation of ")
        {
            cause = Cause::DataLimit(limit);
        }
        let used = usage.user + usage.system;
        let (elapsed, cpu_time) = match running {
            Some(running) => (
                ran_for(running),
                used.saturating_sub(Duration::from_nanos(running.cpu)),
            ),
            None => Default::default(),
        };
        ProcessError::Failed(Arc::new(Failure {
            task: base.name().to_string(),
            function: base.path,
            arguments: job.arguments(),
            pid: worker.pid,
            cause,
            status,
            begun: running.is_some(),
            elapsed,
            cpu_time,
            peak_resident: usage.peak_resident,
            stderr,
            attempts: base.attempts.get(),
        }))
    }

    /// Deaths before the first task are counted: no worker may come to life at all.
    fn count_death(self: &Rc<Self>, worker: &Worker, status: Option<ExitStatus>) {
        self.restarts.set(self.restarts.get() + 1);
        let never_ready = worker.phase.get() == Phase::Starting
            || worker.phase.get() == Phase::Dying
                && worker.total_sent.get() == 0
                && worker.tasks_done.get() == 0
                && matches!(*worker.cause.borrow(), Some(Cause::BrokeProtocol(_)));
        if !never_ready {
            return;
        }
        let cause = worker.cause.borrow();
        let killed = status.and_then(|status| status.signal()) == Some(SIGKILL) && cause.is_none();
        let failed = self.failed_starts.get() + if killed { 1 } else { KILLED_STARTS };
        self.failed_starts.set(failed);
        if failed >= FAILED_STARTS * KILLED_STARTS {
            let mut text =
                "workers have ended, one after the other, before they were ready".to_string();
            if let Some(status) = status {
                text.push_str(&format!(" ({status})"));
            }
            if let Some(Cause::BrokeProtocol(what)) = &*cause {
                text.push_str(&format!("; of the last, {what}"));
            }
            let stderr = worker.stderr_tail();
            if let Some(line) = stderr.trim_end().lines().last() {
                text.push_str(&format!("; the last said: {line}"));
            }
            self.break_down(&text);
        }
    }

    /// Lets a worker go that has run as many tasks, or has as much memory, as it may.
    pub(super) fn recycle(self: &Rc<Self>, worker: &Rc<Worker>) {
        if worker.phase.get() == Phase::Ready {
            let enough = worker.total_sent.get() >= self.options.max_tasks_per_child;
            if enough || self.is_too_large(worker) {
                worker.phase.set(Phase::Leaving);
                self.take_back(worker);
            }
        }
        if worker.phase.get() == Phase::Leaving && worker.load() == 0 {
            self.let_go(worker);
        }
    }

    /// Tells a worker that has nothing to do to end.
    pub(super) fn let_go(self: &Rc<Self>, worker: &Rc<Worker>) {
        worker.phase.set(Phase::Dying);
        worker.tell(Message::Exit);
        let victim = Rc::downgrade(worker);
        let timer = self
            .event_loop
            .call_later(self.options.kill_after, move || {
                if let Some(worker) = victim.upgrade() {
                    worker.kill();
                }
            });
        worker.kill_timer.replace(Some(timer));
    }

    fn is_too_large(&self, worker: &Worker) -> bool {
        let Some(most) = self.options.max_memory_per_child else {
            return false;
        };
        let now = Instant::now();
        if now - worker.memory_looked.get() < RECYCLE_LOOK && worker.load() > 0 {
            return false;
        }
        worker.memory_looked.set(now);
        let resident = sys::resident(worker.pid).unwrap_or(0);
        worker.resident.set(resident);
        resident > most
    }
}

pub(super) fn ran_for(running: Running) -> Duration {
    Duration::from_nanos(sys::monotonic_ns().saturating_sub(running.since))
}
