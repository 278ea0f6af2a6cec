//! What a parked task takes, by the bytes the allocator has given out.

use std::time::Duration;

use crate::plan::{Figures, Plan};
use crate::runtime::{Runtime, Timers};

/// Tasks that wait for nothing that comes.
pub(crate) fn pending<R: Runtime>(plan: Plan, live_bytes: fn() -> usize) -> Figures {
    parked::<R, _>(plan, live_bytes, std::future::pending::<()>)
}

/// Tasks that sleep.
pub(crate) fn sleeping<R: Timers>(plan: Plan, live_bytes: fn() -> usize) -> Figures {
    parked::<R, _>(plan, live_bytes, || R::sleep(Duration::from_secs(1_000)))
}

fn parked<R: Runtime, F>(
    plan: Plan,
    live_bytes: fn() -> usize,
    wait: impl Fn() -> F + 'static,
) -> Figures
where
    F: Future<Output = ()> + 'static,
{
    R::block_on(async move {
        // What the first task makes once, and the handles, are no part of a task.
        let mut tasks = vec![R::spawn(wait())];
        tasks.reserve_exact(plan.count as usize);
        for _ in 0..10 {
            R::yield_now().await;
        }
        let before = live_bytes();
        for _ in 0..plan.count {
            tasks.push(R::spawn(wait()));
        }
        // A runtime polls some of them a turn.
        for _ in 0..plan.count {
            R::yield_now().await;
        }
        let bytes = (live_bytes() - before) as f64 / plan.count as f64;
        // They would never end, and what ending them costs is not asked.
        println!("{}", serde_json::json!(Figures::from([("bytes", bytes)])));
        std::process::exit(0);
    })
}
