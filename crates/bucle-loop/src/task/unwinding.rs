//! What a future that is being dropped can know: whether a cancellation does it, and which.
//!
//! While the loop drops a cancelled task's future, or a timeout the future whose time is up, the
//! cause lies here. What is dropped with it and hands a cancellation on (a gather, a task group)
//! takes it from here, and adds itself to its biography.

use std::cell::Cell;
use std::panic::Location;
use std::time::Duration;

use super::{CancelPlace, Cancelled};

thread_local! {
    static CAUSE: Cell<Option<Cause>> = const { Cell::new(None) };
}

/// Why a future is being dropped.
enum Cause {
    Cancelled(Cancelled),
    /// Made into a cancellation when somebody asks: most expired timeouts drop nothing that does.
    Timeout {
        after: Duration,
        location: &'static Location<'static>,
    },
}

impl Cause {
    fn into_cancelled(self) -> Cancelled {
        match self {
            Cause::Cancelled(cancelled) => cancelled,
            Cause::Timeout { after, location } => {
                Cancelled::new(format!("not done within {after:?}")).asked_here(location)
            }
        }
    }
}

/// Runs `drop_it` with `cancelled` as the cause, and gives it back with what it met.
pub(crate) fn by_cancelling<R>(
    cancelled: Cancelled,
    drop_it: impl FnOnce() -> R,
) -> (R, Cancelled) {
    let kept = cancelled.clone();
    let (result, cause) = with(Cause::Cancelled(cancelled), drop_it);
    (result, cause.map_or(kept, Cause::into_cancelled))
}

/// Runs `drop_it` with the end of a timeout as the cause.
pub(crate) fn by_timeout<R>(
    after: Duration,
    location: &'static Location<'static>,
    drop_it: impl FnOnce() -> R,
) -> R {
    with(Cause::Timeout { after, location }, drop_it).0
}

fn with<R>(cause: Cause, drop_it: impl FnOnce() -> R) -> (R, Option<Cause>) {
    /// Puts the outer cause back, also when `drop_it` panics.
    struct Restore(Option<Cause>);
    impl Drop for Restore {
        fn drop(&mut self) {
            swap(self.0.take());
        }
    }
    let mut restore = Restore(swap(Some(cause)));
    let result = drop_it();
    let cause = swap(restore.0.take());
    std::mem::forget(restore);
    (result, cause)
}

fn swap(cause: Option<Cause>) -> Option<Cause> {
    // A thread that ends drops its thread-locals; what is dropped later has no cause.
    CAUSE.try_with(|place| place.replace(cause)).ok().flatten()
}

/// If a cancellation is dropping the caller: that cancellation, to which it adds the caller.
pub(crate) fn met(what: CancelPlace, location: &'static Location<'static>) -> Option<Cancelled> {
    let cancelled = swap(None)?.into_cancelled().through(what, location);
    swap(Some(Cause::Cancelled(cancelled.clone())));
    Some(cancelled)
}

/// As [`met`], or a cancellation of its own if none is dropping the caller.
pub(crate) fn met_or(
    what: CancelPlace,
    location: &'static Location<'static>,
    reason: &'static str,
) -> Cancelled {
    met(what, location).unwrap_or_else(|| {
        let mut cancelled = Cancelled::new(reason);
        if let Some(tag) = super::current_tag() {
            cancelled = cancelled.asked_by(tag);
        }
        cancelled.through(what, location)
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn nested_causes_are_told_apart_and_put_back() {
        let here = Location::caller();
        assert!(met(CancelPlace::Gather, here).is_none());
        let ((), outer) = by_cancelling(Cancelled::new("outer"), || {
            assert_eq!(met(CancelPlace::Gather, here).unwrap().reason(), "outer");
            by_timeout(Duration::from_secs(5), here, || {
                let inner = met(CancelPlace::Shield, here).unwrap();
                assert_eq!(inner.reason(), "not done within 5s");
                assert_eq!(inner.asked_at(), Some(here));
            });
            assert_eq!(met(CancelPlace::Timeout, here).unwrap().steps().len(), 2);
        });
        let met_on_the_way: Vec<_> = outer.steps().iter().map(|step| step.what).collect();
        assert_eq!(met_on_the_way, [CancelPlace::Gather, CancelPlace::Timeout]);
        assert!(met(CancelPlace::Gather, here).is_none());
    }

    #[test]
    fn a_panic_leaves_no_cause_behind() {
        let here = Location::caller();
        let panicked = std::panic::catch_unwind(|| {
            by_cancelling(Cancelled::new("x"), || {
                std::panic::resume_unwind(Box::new(1))
            })
        });
        assert!(panicked.is_err());
        assert!(met(CancelPlace::Gather, here).is_none());
    }
}
