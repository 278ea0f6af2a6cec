//! How often, and what came out.

use std::collections::BTreeMap;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Figures by name. `cpu` is nanoseconds of CPU an operation, of all threads of the process; `wall` is nanoseconds of time.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// How much of a case is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Operations in a repetition.
    pub(crate) count: u64,
    /// How many repetitions; the best one counts.
    pub(crate) repetitions: u32,
}

impl Plan {
    /// Does `work`, which is `count` operations, as often as planned. The best repetition is what the machine disturbed
    /// least; the first ones warm up.
    pub(crate) async fn best(self, mut work: impl AsyncFnMut()) -> Figures {
        let mut cpu = f64::INFINITY;
        let mut wall = f64::INFINITY;
        for _ in 0..self.repetitions {
            let started = (Instant::now(), cpu_time());
            work().await;
            cpu = cpu.min((cpu_time() - started.1) as f64);
            wall = wall.min(started.0.elapsed().as_nanos() as f64);
        }
        let each = self.count as f64;
        Figures::from([("cpu", cpu / each), ("wall", wall / each)])
    }
}

/// Nanoseconds of CPU this process has spent, all threads, user and system.
pub(crate) fn cpu_time() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
