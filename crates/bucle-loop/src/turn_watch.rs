//! [`TurnWatch`]: how long a loop is at work between two times that it asks the system what is ready.
//!
//! It reads the precise clock twice each time the system is asked, and only while somebody wants to
//! know; else it is one look at a flag.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::LoopRef;

type Told = Rc<dyn Fn(Duration)>;

#[derive(Default)]
pub(crate) struct TurnWatch {
    on: Cell<bool>,
    /// When the system answered last; `None` before it has.
    begun: Cell<Option<u64>>,
    told: RefCell<Option<Told>>,
}

impl LoopRef {
    /// Has `told` called with how long this loop was at work, each time it is done: from what the
    /// system reported until it is asked again, sleep not counted. That is a turn, or several short
    /// ones where the system is not [asked](LoopRef::select) in between. What comes in waits for so
    /// long at most.
    ///
    /// There is one such watch a loop; the one before is let go. It costs two readings of the clock
    /// each time the system is asked, and nothing where there is none. `told` is called by the loop
    /// between two turns, and has to be short; a panic in it goes to the exception handler.
    pub fn set_turn_watch(&self, told: impl Fn(Duration) + 'static) {
        let watch = &self.core.turn_watch;
        watch.on.set(true);
        let before = watch.told.replace(Some(Rc::new(told)));
        drop(before);
    }

    /// Lets the watch go, which may hold the loop.
    pub(crate) fn end_turn_watch(&self) {
        let watch = &self.core.turn_watch;
        watch.on.set(false);
        let told = watch.told.take();
        drop(told);
    }

    /// The system is about to be asked.
    #[inline]
    pub(crate) fn turn_ended(&self) {
        if self.core.turn_watch.on.get() {
            self.tell_turn();
        }
    }

    #[inline(never)]
    fn tell_turn(&self) {
        let watch = &self.core.turn_watch;
        let Some(begun) = watch.begun.take() else {
            return;
        };
        let took = self.precise_time().saturating_sub(begun);
        let told = watch.told.borrow().clone();
        if let Some(told) = told {
            self.guard("turn watch", None, || told(Duration::from_nanos(took)));
        }
    }

    /// The system has answered.
    #[inline]
    pub(crate) fn turn_begun(&self) {
        let watch = &self.core.turn_watch;
        if watch.on.get() {
            watch.begun.set(Some(self.precise_time()));
        }
    }

    /// Of no clock that anybody else reads: only differences count.
    fn precise_time(&self) -> u64 {
        match self.core.clock.is_virtual() {
            true => self.core.clock.now(),
            false => bucle_sys::clock::monotonic(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventLoop, yield_now};

    #[test]
    fn work_is_told_and_sleep_is_not() {
        let event_loop = EventLoop::new().unwrap();
        let turns = Rc::new(RefCell::new(Vec::new()));
        let told = turns.clone();
        event_loop.set_turn_watch(move |took| told.borrow_mut().push(took));
        let work = Duration::from_millis(20);
        let (begun, asleep) = (std::time::Instant::now(), Duration::from_millis(60));
        event_loop
            .run_until_complete(async move {
                yield_now().await;
                std::thread::sleep(work);
                crate::sleep(asleep).await;
                yield_now().await;
            })
            .unwrap();
        let all = begun.elapsed();
        let told: Duration = turns.borrow().iter().sum();
        assert!(told >= work && told <= all - asleep, "{told:?} of {all:?}");
    }

    #[test]
    fn a_watch_that_panics_or_replaces_itself_harms_nobody() {
        let event_loop = EventLoop::new().unwrap();
        event_loop.set_exception_handler(|_, _| {});
        let counted = Rc::new(Cell::new(0));
        let counts = counted.clone();
        let handle = (*event_loop).clone();
        event_loop.set_turn_watch(move |_| {
            let counts = counts.clone();
            handle.set_turn_watch(move |_| counts.set(counts.get() + 1));
            panic!("a watch");
        });
        let step = || event_loop.run_until_complete(crate::sleep(Duration::from_millis(1)));
        for _ in 0..3 {
            step().unwrap();
        }
        assert!(counted.get() > 0);
        assert_eq!(event_loop.counters().exceptions, 1);
    }
}
