//! Deadlocks: a loop that is about to sleep looks whether anybody is left to wake it.
//!
//! | what is found | what is done |
//! |---|---|
//! | nothing can wake any task any more | the run ends, with the wait-for graph |
//! | tasks that wait for each other, while others go on | the exception handler is told, once |
//!
//! Only what is known counts: a waker in a place that the loop can't see into, and a
//! [`Remote`](crate::Remote) that was ever given out, stand for somebody who may wake at any time.
//! `docs/design/deadlock.md` has the argument. A look costs as much as there are tasks, so it is
//! taken when a multiple of that has run since the last one, or when all is quiet.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::LoopRef;
use crate::exceptions::ExceptionContext;
use crate::task::Cancelled;
use crate::task::cell::TaskRef;
use crate::wait_graph::Look;

/// A look is taken when so many ready entries have run for each thing that the last one looked at.
const RAN_PER_THING: u64 = 64;

/// A loop that has no more tasks than this takes its first look at once.
const FEW: u64 = 4096;

/// If fewer have, the loop sleeps for so long first: if nothing has come by then, a look is cheap.
const QUIET: Duration = Duration::from_millis(20);

const NOTHING_CAN: &str = "deadlock: nothing can wake any task of this loop any more";
const NOTHING_CAN_SIMULATED: &str = "deadlock: nothing is ready, no timer is armed and no traffic is under way, so nothing can \
     wake any task of this simulated loop any more (threads outside of it are not waited for: \
     `to_thread` and `run_in_executor` run in the simulation, other threads need the real world, \
     `#[bucle::test(real)]`)";
const ENDLESS: &str = "deadlock, or a run without an end: the simulated clock has jumped as often as \
     `SimOptions::max_jumps` allows; these tasks are left";
const CIRCLE: &str = "deadlock: tasks wait for each other";
const HELP: &str = "only a cancellation can help them, unless one of them gave a lock's guard away";

/// What a loop remembers of its looks.
#[derive(Default)]
pub(super) struct DeadlockWatch {
    /// The task that the run waits for.
    main: RefCell<Option<TaskRef>>,
    /// Why the run ended, if that was why.
    ended: RefCell<Option<Cancelled>>,
    remote: Cell<bool>,
    /// What the last look cost, and how many entries had run then.
    cost: Cell<u64>,
    looked_at: Cell<u64>,
    /// How many entries had run when the loop last went to sleep without a look.
    slept_at: Cell<Option<u64>>,
    /// The circles that were told of and are still there.
    told: RefCell<Vec<Vec<u64>>>,
}

/// While it lives a task is the one that the run waits for.
pub(super) struct Watched<'a>(&'a DeadlockWatch);

impl DeadlockWatch {
    pub(super) fn watch(&self, main: &TaskRef) -> Watched<'_> {
        self.main.replace(Some(main.clone()));
        // Of a run that had no main task.
        self.ended.take();
        Watched(self)
    }

    /// Another thread was given the means to wake the loop. Whether it has them still isn't known.
    pub(super) fn note_remote(&self) {
        self.remote.set(true);
    }
}

impl Watched<'_> {
    /// Why the run ended, if a deadlock was the reason.
    pub(super) fn end(self) -> Option<Cancelled> {
        self.0.ended.take()
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let main = self.0.main.take();
        drop(main);
    }
}

impl LoopRef {
    /// The loop is about to sleep for `timeout`: gives how long it may, after a look for deadlocks
    /// if one is due.
    #[inline]
    pub(super) fn before_sleep(&self, timeout: Option<Duration>) -> Option<Duration> {
        let core = &*self.core;
        let new_waits = core.ready.has_new_waits();
        if !new_waits && (timeout.is_some() || self.watched_fds() > 0) {
            return timeout;
        }
        self.look_before_sleep(timeout, new_waits)
    }

    #[cold]
    fn look_before_sleep(&self, timeout: Option<Duration>, new_waits: bool) -> Option<Duration> {
        let core = &*self.core;
        let watch = &core.deadlock;
        let simulated = core.sim.is_some();
        let quiet = timeout.is_none() && self.nothing_but_wakers();
        // The simulated selector knows by itself that nothing can come.
        let worth = new_waits && !(simulated && timeout.is_none()) || quiet;
        let ran = core.counters.ran.get();
        if !worth || ran == watch.looked_at.get() && !new_waits {
            return timeout;
        }
        let since = ran - watch.looked_at.get();
        let all_quiet = watch.slept_at.get() == Some(ran);
        let cost = match watch.cost.get() {
            0 => core.tasks.len() as u64 / FEW * FEW,
            cost => cost,
        };
        if since < cost.saturating_mul(RAN_PER_THING) && !all_quiet {
            if simulated {
                return timeout;
            }
            if let Some(soon) = timeout.filter(|timeout| *timeout < QUIET) {
                return Some(soon);
            }
            watch.slept_at.set(Some(ran));
            return Some(QUIET);
        }
        watch.slept_at.set(None);
        watch.looked_at.set(ran);
        core.ready.forget_new_waits();
        let look = Look::at(self, quiet);
        watch.cost.set(look.size as u64);
        if look.dead {
            self.end_run(NOTHING_CAN);
            return Some(Duration::ZERO);
        }
        self.tell_circles(look.cycles);
        // The exception handler may have scheduled something, or armed a timer.
        self.timeout()
    }

    /// Whether no timer, descriptor, signal, child or other thread is there that could bring
    /// anything to run but by a task's waker.
    fn nothing_but_wakers(&self) -> bool {
        let core = &*self.core;
        core.sim.is_none()
            && !core.deadlock.remote.get()
            && core.deadlock.main.borrow().is_some()
            && self.watched_fds() == 0
            && !core.inbox.has_pending()
    }

    /// Tells the exception handler of circles that it wasn't told of.
    fn tell_circles(&self, cycles: Vec<Vec<u64>>) {
        let watch = &self.core.deadlock;
        let told = watch.told.replace(cycles);
        let news = watch
            .told
            .borrow()
            .iter()
            .any(|cycle| !told.contains(cycle));
        if news {
            let graph = self.wait_graph();
            let message = format!("{CIRCLE}; {HELP}\n{graph}");
            self.call_exception_handler(ExceptionContext::new("loop", message));
        }
    }

    /// Nothing can ever happen in the simulated world.
    #[cold]
    pub(super) fn end_simulated(&self) {
        self.end_run(NOTHING_CAN_SIMULATED);
    }

    /// Something happens for ever in the simulated world, but not the end.
    #[cold]
    pub(super) fn end_endless(&self) {
        self.end_run(ENDLESS);
    }

    /// Ends the run, and says who waits in vain.
    fn end_run(&self, why: &str) {
        let report = format!("{why}\n{}", self.wait_graph());
        let told = ExceptionContext::new("loop", report.clone());
        self.core
            .deadlock
            .ended
            .replace(Some(Cancelled::by_deadlock(report)));
        self.call_exception_handler(told);
        self.stop();
    }
}
