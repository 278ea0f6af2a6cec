//! Bugs that were planted, each in a program of the kind that has it: a deadlock, a lost wake-up, a
//! race with a cancellation. The plain order of things never shows them; a sweep over seeds does, and
//! the seed shows it again, to the byte.

mod cut_short;
mod lost_wake_up;
mod transfers;

use std::future::Future;

use bucle::sim::SimOptions;
use bucle::testing::{self, Failure};

/// How many seeds may be needed.
const SEEDS: u64 = 1_000;

/// Checks that `program` is right in the plain world and in a calm one, that a sweep finds a seed
/// under which it is not, and that this seed is the same run each time; returns how it fails.
fn found<F>(program: impl Fn() -> F + Sync) -> Failure
where
    F: Future<Output = ()> + 'static,
{
    for plain in [SimOptions::default(), SimOptions::calm()] {
        let run = testing::record(plain, program());
        assert_eq!(run.result, Ok(()), "first in, first out it is right");
    }
    let failure = testing::sweep(SEEDS, SimOptions::varied, &program);
    let failure = failure.expect("a seed finds it");
    let replay = || testing::record(SimOptions::varied(failure.seed), program());
    let (once, again) = (replay(), replay());
    assert_eq!(once.result, Err(failure.clone()));
    assert_eq!(again.result, Err(failure.clone()));
    let (once, again) = (once.trace_text(), again.trace_text());
    assert!(once.lines().count() > 20, "{once}");
    assert!(once.as_bytes() == again.as_bytes());
    failure
}

#[test]
fn a_deadlock_of_two_locks_behind_streams() {
    let failure = found(|| transfers::program(transfers::Order::AsAsked));
    assert!(failure.message.contains("deadlock"), "{failure}");
    let told = failure.told.join("\n");
    assert!(told.contains("`stream handler`"), "{told}");
}

#[test]
fn a_wake_up_that_is_lost_behind_tls() {
    let failure = found(|| lost_wake_up::program(lost_wake_up::Care::None));
    assert!(failure.message.contains("deadlock"), "{failure}");
}

#[test]
fn a_job_that_a_time_out_takes_along() {
    let failure = found(|| cut_short::program(cut_short::Care::None));
    assert!(failure.message.contains("jobs were lost"), "{failure}");
}

/// It is the bugs that are found: without them there is nothing to find.
#[test]
fn the_same_programs_done_right_are_right_under_every_seed() {
    let right = [
        testing::sweep(SEEDS / 4, SimOptions::varied, || {
            transfers::program(transfers::Order::ByAccount)
        }),
        testing::sweep(SEEDS / 4, SimOptions::varied, || {
            lost_wake_up::program(lost_wake_up::Care::LooksAgain)
        }),
        testing::sweep(SEEDS / 4, SimOptions::varied, || {
            cut_short::program(cut_short::Care::PutsBack)
        }),
    ];
    assert_eq!(right, [None, None, None]);
}
