//! The end of a pool.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::worker::Phase;
use super::{Pool, ProcessPoolExecutor, State};
use crate::error::{Cause, ProcessError, Rejected};

/// How long a worker that was killed is waited for. A killed process ends at once, unless the
/// system holds it in the middle of something; then the spawner's thread waits for it.
const LAST_WAIT: Duration = Duration::from_secs(1);

impl ProcessPoolExecutor {
    /// Takes no more tasks, and waits until those it has are done and its workers have ended; true
    /// if all of that came to be within `timeout`.
    ///
    /// What is left then ends: tasks that were not begun with [`Rejected::Shutdown`], those that
    /// run with their workers, politely and then not. This returns after `timeout`, the time that
    /// the polite signal gives ([`kill_after`](super::ProcessPoolExecutorBuilder::kill_after)) and
    /// a second, at the very latest. Dropped before, the pool takes no more tasks, and finishes
    /// those it has.
    pub async fn shutdown(&self, timeout: Duration) -> bool {
        let pool = &self.pool;
        if pool.is_open() {
            pool.state.set(State::ShutDown);
        }
        pool.dismiss_idle();
        if pool.ended_within(timeout).await {
            return true;
        }
        pool.state.set(State::Closed);
        pool.fail_waiting(&ProcessError::Rejected(Rejected::Shutdown));
        let workers = pool.workers.borrow().clone();
        for worker in &workers {
            pool.terminate(worker, Cause::Shutdown);
        }
        if !pool.ended_within(pool.options.kill_after).await {
            for worker in &workers {
                worker.kill();
            }
            pool.ended_within(LAST_WAIT).await;
        }
        pool.abandon();
        false
    }
}

impl Pool {
    /// Waits until nothing is left; false if the time was up before.
    async fn ended_within(self: &Rc<Self>, most: Duration) -> bool {
        let ended = std::future::poll_fn(|cx| self.poll_ended(cx));
        let until = Instant::now().checked_add(most);
        match until {
            Some(_) => bucle_loop::timeout(most, ended).await.is_ok(),
            None => {
                ended.await;
                true
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.queued.get() == 0
            && self
                .parked
                .borrow()
                .iter()
                .all(|job| job.strong_count() == 0)
            && self.starting.get() == 0
            && self.workers.borrow().is_empty()
    }

    fn poll_ended(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_ended() {
            return Poll::Ready(());
        }
        let mut waiting = self.want_idle.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Wakes those who wait for the end, and lets workers go that are not needed for it.
    pub(super) fn tell_idle(self: &Rc<Self>) {
        if self.state.get() == State::Open {
            return;
        }
        self.dismiss_idle();
        for waker in self.want_idle.take() {
            waker.wake();
        }
    }

    fn dismiss_idle(self: &Rc<Self>) {
        if self.queued.get() > 0 {
            return;
        }
        let workers = self.workers.borrow().clone();
        for worker in workers {
            let phase = worker.phase.get();
            if matches!(phase, Phase::Ready | Phase::Starting) && worker.load() == 0 {
                self.let_go(&worker);
            }
        }
    }

    /// Lets go of all workers, which are killed thereby; what they had fails.
    pub(super) fn abandon(self: &Rc<Self>) {
        self.state.set(State::Closed);
        let workers = self.workers.take();
        for worker in workers {
            self.unwatch(&worker);
            drop(worker.child.take());
            for sent in worker.sent.take() {
                sent.job.fail(ProcessError::Rejected(Rejected::Shutdown));
            }
        }
        self.fail_waiting(&ProcessError::Rejected(Rejected::Shutdown));
    }
}

impl Drop for ProcessPoolExecutor {
    fn drop(&mut self) {
        self.pool.abandon();
    }
}
