//! When a turn asks the system what is ready, and the question.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use super::LoopRef;
use crate::exceptions::ExceptionContext;

/// Under `run_forever`, as long as something is ready: how many entries may run between two times
/// that the system is asked. What waits there waits so much longer at most, if they are short; if
/// they are not, the clock's tick comes first.
pub(super) const ASK_AFTER: u64 = 64;

/// The same while they are so short that the slow watch times them together: a tenth of a
/// millisecond at most.
pub(super) const ASK_AFTER_SHORT: u64 = 512;

/// A loop that has nothing to do looks at what is ready, before it prepares to sleep, as long as that
/// finds something. Where it didn't, this many sleeps begin without.
const LOOK_AFTER: u32 = 64;

/// Whether to look before a sleep. Where events come faster than they are served, as in a busy
/// server, the loop never sleeps: it need not tell other threads that it does, nor read the clock on
/// both sides.
#[derive(Debug)]
pub(super) struct LookFirst {
    sleeps: Cell<u32>,
}

impl Default for LookFirst {
    fn default() -> LookFirst {
        LookFirst {
            sleeps: Cell::new(LOOK_AFTER),
        }
    }
}

impl LookFirst {
    /// Whether to look before the sleep that begins.
    fn is_due(&self) -> bool {
        match self.sleeps.get() {
            0 => true,
            sleeps => {
                self.sleeps.set(sleeps - 1);
                false
            }
        }
    }

    /// There was nothing.
    fn was_in_vain(&self) {
        self.sleeps.set(LOOK_AFTER);
    }
}

/// Asking the system.
impl LoopRef {
    /// Waits for the system, or asks it only, as there is or isn't something to do.
    #[inline(never)]
    pub(super) fn ask(&self) {
        let core = &*self.core;
        let runs_forever = core.ask_after.get() != 0;
        self.turn_ended();
        let mut timeout = self.timeout();
        let mut asleep = timeout != Some(Duration::ZERO);
        if asleep && runs_forever && !self.knows_nothing_to_ask() && core.look_first.is_due() {
            let result = self.ask_system(Some(Duration::ZERO));
            if result.is_err() || !core.events.borrow().is_empty() {
                return self.asked(result);
            }
            core.look_first.was_in_vain();
        }
        // Who takes the turns himself may do other things between them.
        let pauses = asleep || !runs_forever;
        if pauses {
            self.end_group_of_steps();
        }
        if asleep {
            timeout = self.before_sleep(timeout);
            asleep = timeout != Some(Duration::ZERO);
        }
        if asleep && !core.inbox.prepare_sleep() {
            timeout = Some(Duration::ZERO);
        }
        let result = match !asleep && self.knows_nothing_to_ask() {
            true => Ok(()),
            false => self.ask_system(timeout),
        };
        if asleep {
            core.inbox.awake();
        }
        if pauses {
            core.slow.start(asleep);
        }
        self.asked(result);
    }

    fn ask_system(&self, timeout: Option<Duration>) -> io::Result<()> {
        let core = &*self.core;
        core.counters.selects.add(1);
        let mut fds = core.fds.borrow_mut();
        fds.selector.select(timeout, &mut core.events.borrow_mut())
    }

    /// Reports those steps of a group that is timed together that have run, if they were slow.
    pub(super) fn end_group_of_steps(&self) {
        if let Some(slow) = self.core.slow.check_begun() {
            self.report_slow("step", None, None, slow);
        }
    }

    /// The system was asked: when it is asked next, and what came of it if that was no event.
    fn asked(&self, result: io::Result<()>) {
        let core = &*self.core;
        self.turn_begun();
        // Not before what was found has run, and what that has woken: a descriptor that nobody has read
        // from yet would be found again, and read from in vain.
        let found = core.events.borrow().len() as u64;
        let ran = core.counters.ran.get() + found;
        core.slow.ask_at.set(match core.ask_after.get() {
            0 => 0,
            ASK_AFTER if core.slow.finds_steps_short() => ran + found.max(ASK_AFTER_SHORT),
            after => ran + found.max(after),
        });
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::Deadlock => self.end_simulated(),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => self.end_endless(),
            Err(error) => self.call_exception_handler(ExceptionContext::new(
                "selector",
                format!("waiting for events failed: {error}"),
            )),
        }
    }

    /// Whether the system has nothing to say while the loop is awake: no descriptor is watched but
    /// the one that ends its sleep. (An embedder's turns ask all the same, as who takes them may
    /// want to see that they do.)
    fn knows_nothing_to_ask(&self) -> bool {
        self.core.ask_after.get() != 0 && self.watched_fds() == 0
    }

    #[inline]
    pub(super) fn asked_lately(&self) -> bool {
        self.core.counters.ran.get() < self.core.slow.ask_at.get()
    }

    /// Has the next turn ask the system, whatever it has ready.
    pub(crate) fn ask_next_turn(&self) {
        self.core.slow.ask_at.set(0);
    }

    /// How long `select` may wait.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let core = &*self.core;
        if !core.ready.is_empty()
            || core.stopping.get()
            || core.inbox.has_pending()
            || !core.to_flush.borrow().is_empty()
        {
            return Some(Duration::ZERO);
        }
        // Nobody sleeps in the simulated world, so it jumps to where the timer is.
        let wake_at = match &core.sim {
            None => core.timers.wake_at(),
            Some(_) => core.timers.next_deadline(),
        };
        wake_at.map(|deadline| Duration::from_nanos(deadline.saturating_sub(core.clock.now())))
    }
}
