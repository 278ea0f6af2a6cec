//! The cases, by name.

mod echo;
mod memory;
mod ping_pong;
mod sleeps;
mod spawning;
mod sync;
mod threads;
mod yielding;

use crate::plan::{Figures, Plan};
use crate::runtime::{Runtime, Sync, Threads, Timers};

/// How much of each case is done when nothing is said: enough for some ten milliseconds a repetition.
pub(crate) fn plan(case: &str) -> Option<Plan> {
    let (count, repetitions) = match case {
        "spawn-one" | "spawn-batch" => (100_000, 7),
        "yield-one" | "yield-hundred" => (500_000, 7),
        "slot" => (400_000, 7),
        "oneshot" | "lock" | "queue" => (200_000, 7),
        "sleep-fired" | "sleep-cancelled" => (1_000_000, 1),
        "memory-pending" | "memory-sleeping" => (200_000, 1),
        "thread-items" | "thread-channel" => (200_000, 5),
        "thread-latency" => (2_000, 1),
        "echo" => (20_000, 1),
        _ => return None,
    };
    Some(Plan { count, repetitions })
}

/// A case that needs no more than tasks and wakers.
pub(crate) fn bare<R: Runtime>(case: &str, plan: Plan) -> Option<Figures> {
    Some(match case {
        "spawn-one" => spawning::one_by_one::<R>(plan),
        "spawn-batch" => spawning::in_batches::<R>(plan),
        "yield-one" => yielding::tasks::<R>(plan, 1),
        "yield-hundred" => yielding::tasks::<R>(plan, 100),
        "slot" => ping_pong::over_slots::<R>(plan),
        _ => return None,
    })
}

/// A case that only Bucle has, to count instructions by.
pub(crate) fn own(case: &str, plan: Plan) -> Option<Figures> {
    (case == "echo").then(|| echo::protocol(plan))
}

/// Any other case.
pub(crate) fn full<R: Sync + Threads + Timers>(
    case: &str,
    plan: Plan,
    live_bytes: Option<fn() -> usize>,
) -> Option<Figures> {
    Some(match case {
        "oneshot" => ping_pong::over_oneshots::<R>(plan),
        "lock" => sync::lock::<R>(plan),
        "queue" => sync::queue::<R>(plan),
        "sleep-fired" => sleeps::fired::<R>(plan),
        "sleep-cancelled" => sleeps::cancelled::<R>(plan),
        "thread-items" => threads::items::<R>(plan),
        "thread-channel" => threads::channel::<R>(plan),
        "thread-latency" => threads::latency::<R>(plan),
        "memory-pending" => memory::pending::<R>(plan, live_bytes?),
        "memory-sleeping" => memory::sleeping::<R>(plan, live_bytes?),
        _ => return bare::<R>(case, plan),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{bucle::Bucle, floor::Floor, smol::Smol, tokio::Tokio};

    /// All but those on memory, which end the process.
    const CASES: &[&str] = &[
        "spawn-one",
        "spawn-batch",
        "yield-one",
        "yield-hundred",
        "slot",
        "oneshot",
        "lock",
        "queue",
        "sleep-fired",
        "sleep-cancelled",
        "thread-items",
        "thread-channel",
        "thread-latency",
    ];

    fn all<R: Sync + Threads + Timers>() {
        for case in CASES {
            assert!(plan(case).is_some(), "{case}");
            let plan = Plan {
                count: 200,
                repetitions: 2,
            };
            let figures = full::<R>(case, plan, None).expect(case);
            assert!(figures.values().all(|figure| figure.is_finite()), "{case}");
            assert!(figures.get("early").is_none_or(|&early| early == 0.0));
        }
    }

    #[test]
    fn every_case_ends_on_bucle() {
        all::<Bucle>();
        let plan = Plan {
            count: 200,
            repetitions: 1,
        };
        assert!(own("echo", plan).is_some());
    }

    #[test]
    fn every_case_ends_on_the_peers_that_run_everywhere() {
        all::<Tokio>();
        all::<Smol>();
    }

    #[test]
    fn the_floor_has_what_needs_only_tasks() {
        let plan = Plan {
            count: 2_000,
            repetitions: 2,
        };
        for case in &CASES[..5] {
            assert!(bare::<Floor>(case, plan).is_some(), "{case}");
        }
        assert!(bare::<Floor>("sleep-fired", plan).is_none());
    }
}
