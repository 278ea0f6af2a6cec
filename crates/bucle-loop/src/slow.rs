//! The watch over slow callbacks.
//!
//! The clock is read once a step (a callback, or a task to its next await): the end of one is the
//! beginning of the next. By default it is the system's coarse clock, which is as fine as the
//! scheduler's tick; that is enough to tell 100 ms from nothing. It costs a few nanoseconds, which
//! is much where a step costs not many more: as long as steps took under [`SHORT`] nanoseconds on
//! average in the tick before, [`GROUP`] of them are timed together, and [`LARGE_GROUP`] where they
//! took under [`VERY_SHORT`]. A step that is slow after so many that were short is then reported with
//! the few before it, and those that follow are timed one by one again.
//!
//! A group goes on when the system is asked without waiting for it. Around a sleep the clock is read
//! twice.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::clock::nanos;
use crate::exceptions::ExceptionContext;

type Handler = Rc<dyn Fn(&ExceptionContext)>;

/// Coarser than this, the coarse clock would miss or invent slow callbacks.
const PRECISE_BELOW: Duration = Duration::from_millis(50);

/// How many short steps are timed together.
const GROUP: u32 = 8;

/// And how many very short ones.
const LARGE_GROUP: u32 = 32;

/// The averages below which a step is short, and very short, in nanoseconds. Where instructions are
/// counted, everything takes some fifty times as long, and a step is to be found as short as it is
/// without that.
const SHORT: u64 = SLOWED * 10_000;
const VERY_SHORT: u64 = SLOWED * 200;
const SLOWED: u64 = if cfg!(bucle_bench_counted) { 50 } else { 1 };

/// What took too long.
pub(crate) struct Slow {
    pub(crate) took: Duration,
    /// How many steps took it together; the last of them is the one that has just ended.
    pub(crate) steps: u32,
}

pub(crate) struct SlowWatch {
    threshold: Cell<u64>,
    precise: Cell<bool>,
    /// Under virtual time nothing takes time.
    off: bool,
    /// The last reading: the end of the last step, or group of steps.
    since: Cell<u64>,
    /// How many steps are timed together, and how many of these are still to come.
    group: Cell<u32>,
    left: Cell<u32>,
    /// When the clock last ticked, and how many steps have ended since.
    ticked: Cell<u64>,
    steps: Cell<u64>,
    /// The system is to be asked once so many entries have run since the loop was made. The loop says
    /// so; a tick of the clock sets it to 0: at once.
    pub(crate) ask_at: Cell<u64>,
    pub(crate) handler: RefCell<Option<Handler>>,
}

impl SlowWatch {
    pub(crate) fn new(threshold: Duration, off: bool) -> SlowWatch {
        SlowWatch {
            threshold: Cell::new(nanos(threshold)),
            precise: Cell::new(false),
            off,
            since: Cell::new(0),
            group: Cell::new(1),
            left: Cell::new(if off { u32::MAX } else { 1 }),
            ticked: Cell::new(0),
            steps: Cell::new(0),
            ask_at: Cell::new(0),
            handler: RefCell::new(None),
        }
    }

    pub(crate) fn threshold(&self) -> Duration {
        Duration::from_nanos(self.threshold.get())
    }

    pub(crate) fn set_threshold(&self, threshold: Duration) {
        self.threshold.set(nanos(threshold));
        self.start(true);
    }

    pub(crate) fn set_precise(&self, precise: bool) {
        self.precise.set(precise);
        self.start(true);
    }

    fn is_precise(&self) -> bool {
        self.precise.get() || self.threshold.get() < nanos(PRECISE_BELOW)
    }

    fn now(&self) -> u64 {
        if self.is_precise() {
            bucle_sys::clock::monotonic()
        } else {
            bucle_sys::clock::monotonic_coarse()
        }
    }

    /// A step begins, and the time before it is nobody's. After a `pause` nothing is known of how
    /// long steps take.
    #[inline]
    pub(crate) fn start(&self, pause: bool) {
        if !self.off {
            self.start_at(self.now(), pause);
        }
    }

    #[inline]
    fn start_at(&self, now: u64, pause: bool) {
        self.since.set(now);
        if pause {
            self.ticked.set(now);
            self.steps.set(0);
            self.group.set(1);
        }
        self.left.set(self.group.get());
    }

    /// Whether steps took under [`VERY_SHORT`] on average of late.
    #[inline]
    pub(crate) fn finds_steps_short(&self) -> bool {
        self.group.get() == LARGE_GROUP
    }

    /// A step has ended, and the next begins: how long it took, if that was too long.
    #[inline]
    pub(crate) fn check(&self) -> Option<Slow> {
        if self.is_counted() {
            return self.read();
        }
        None
    }

    /// Counts a step; true if the clock is to be read after it.
    #[inline]
    fn is_counted(&self) -> bool {
        let left = self.left.get() - 1;
        self.left.set(left);
        left == 0
    }

    /// As [`check`](SlowWatch::check), for what of a group has run when the loop turns to other
    /// things.
    #[inline]
    pub(crate) fn check_begun(&self) -> Option<Slow> {
        if self.off || self.left.get() == self.group.get() {
            return None;
        }
        self.read()
    }

    #[inline(never)]
    fn read(&self) -> Option<Slow> {
        if self.off {
            self.left.set(u32::MAX);
            return None;
        }
        self.read_at(self.now())
    }

    #[inline]
    fn read_at(&self, now: u64) -> Option<Slow> {
        let group = self.group.get();
        let steps = group - self.left.get();
        let took = now.saturating_sub(self.since.replace(now));
        let ended = self.steps.get() + u64::from(steps);
        self.steps.set(ended);
        if took == 0 {
            self.left.set(group);
            return None;
        }
        self.ask_at.set(0);
        self.regroup(now, ended);
        (took >= self.threshold.get()).then(|| Slow {
            took: Duration::from_nanos(took),
            steps,
        })
    }

    /// The clock has ticked: how many steps are timed together from now on.
    fn regroup(&self, now: u64, ended: u64) {
        let passed = now.saturating_sub(self.ticked.replace(now));
        self.group
            .set(if self.is_precise() || passed >= ended * SHORT {
                1
            } else if passed >= ended * VERY_SHORT {
                GROUP
            } else {
                LARGE_GROUP
            });
        self.steps.set(0);
        self.left.set(self.group.get());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const TICK: u64 = 1_000_000;

    /// Steps that end in the same tick, and one more in the next.
    fn steps_until(watch: &SlowWatch, count: u64, tick: u64) {
        for _ in 0..count {
            if watch.is_counted() {
                let now = watch.since.get();
                assert!(watch.read_at(now).is_none());
            }
        }
        while !watch.is_counted() {}
        assert!(watch.read_at(tick).is_none());
    }

    #[test]
    fn short_steps_are_timed_together_and_a_slow_one_ends_that() {
        let watch = SlowWatch::new(Duration::from_millis(100), false);
        watch.start_at(TICK, true);
        // 10 us each are not short, a little less is.
        steps_until(&watch, TICK / SHORT - 1, 2 * TICK);
        assert_eq!(watch.left.get(), 1);
        steps_until(&watch, TICK / SHORT, 3 * TICK);
        assert_eq!(watch.left.get(), GROUP);
        // 200 ns each are not very short.
        steps_until(&watch, TICK / VERY_SHORT - 1, 4 * TICK);
        assert!(!watch.finds_steps_short());
        steps_until(&watch, TICK / VERY_SHORT, 5 * TICK);
        assert!(watch.finds_steps_short());
        assert_eq!(watch.left.get(), LARGE_GROUP);

        // What has run of a group is looked at when the loop turns to something else.
        assert!(!watch.is_counted());
        assert!(!watch.is_counted());
        let slow = watch.read_at(205 * TICK).expect("it took 200 ms");
        assert_eq!((slow.steps, slow.took), (2, Duration::from_millis(200)));

        // Few steps in a long time: one by one from here.
        assert!(!watch.finds_steps_short());
        assert!(watch.is_counted());
        let slow = watch.read_at(305 * TICK).expect("it took 100 ms");
        assert_eq!((slow.steps, slow.took), (1, Duration::from_millis(100)));
    }

    #[test]
    fn a_pause_says_nothing_of_steps() {
        let watch = SlowWatch::new(Duration::from_millis(100), false);
        watch.start_at(TICK, true);
        steps_until(&watch, TICK, 2 * TICK);
        assert!(watch.finds_steps_short());
        watch.start_at(3 * TICK, false);
        assert!(watch.finds_steps_short());
        watch.start_at(1000 * TICK, true);
        assert!(!watch.finds_steps_short());
        assert!(watch.check_begun().is_none(), "nothing has run");
    }

    #[test]
    fn a_precise_watch_times_each_step() {
        let watch = SlowWatch::new(Duration::from_millis(1), false);
        watch.start_at(TICK, true);
        steps_until(&watch, TICK, TICK + 100);
        assert!(!watch.finds_steps_short());
    }

    #[test]
    fn virtual_time_is_not_watched() {
        let watch = SlowWatch::new(Duration::from_nanos(1), true);
        watch.start(true);
        assert!((0..1000).all(|_| watch.check().is_none()));
        assert!(watch.check_begun().is_none());
    }
}
