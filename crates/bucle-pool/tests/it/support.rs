//! What the tests share.

use std::future::Future;
use std::time::Duration;

use bucle_pool::ProcessPoolExecutor;

/// No wait in these tests is shorter; none of them is about speed.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

/// Runs a test on a loop, with an end to it.
pub(crate) fn run<T: 'static>(body: impl Future<Output = T> + 'static) -> T {
    run_for(WATCHDOG, body)
}

/// The same with another end.
pub(crate) fn run_for<T: 'static>(most: Duration, body: impl Future<Output = T> + 'static) -> T {
    let result = bucle_loop::run(async move {
        bucle_loop::timeout(most, body)
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

/// How many descriptors this process has.
pub(crate) fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The same, once there are no more than `expected`, or they don't become fewer.
pub(crate) fn open_fds_settled(expected: usize) -> usize {
    settle(open_fds, expected)
}

/// How many children this process has, dead ones that were not waited for among them.
pub(crate) fn children_settled() -> usize {
    let children = || {
        let tasks = std::fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .map(|text| text.split_ascii_whitespace().count())
            .sum()
    };
    settle(children, 0)
}

/// What was dropped is waited for by another thread, in its own time.
fn settle(count: impl Fn() -> usize, expected: usize) -> usize {
    for _ in 0..1000 {
        if count() <= expected {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    count()
}
