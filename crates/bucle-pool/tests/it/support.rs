//! What the tests share.

use std::future::Future;
use std::time::Duration;

use bucle_pool::ProcessPoolExecutor;

/// No wait in these tests is shorter; none of them is about speed.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

/// Runs a test on a loop, with an end to it.
pub(crate) fn run<T: 'static>(body: impl Future<Output = T> + 'static) -> T {
    let result = bucle_loop::run(async {
        bucle_loop::timeout(WATCHDOG, body)
            .await
            .expect("the test hangs")
    });
    result.expect("there is a loop")
}

pub(crate) fn pool(workers: usize) -> ProcessPoolExecutor {
    ProcessPoolExecutor::builder()
        .max_workers(workers)
        .build()
        .expect("a pool")
}
