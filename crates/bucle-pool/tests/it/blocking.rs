//! The pool without a loop, and from several threads.

use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{ProcessError, ProcessPool, TaskOptions};

use crate::support::WATCHDOG;

#[process(crate = bucle_pool)]
fn add(a: u64, b: &[u64]) -> u64 {
    a + b.iter().sum::<u64>()
}

#[process(crate = bucle_pool)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

fn pool() -> ProcessPool {
    ProcessPool::blocking_with(|builder| builder.max_workers(2)).unwrap()
}

#[test]
fn threads_share_a_pool() {
    let pool = pool();
    std::thread::scope(|scope| {
        for base in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                let large = vec![1; 10_000];
                let tasks: Vec<_> = (0..100)
                    .map(|n| pool.submit(add, (base + n, &large)))
                    .collect();
                for (n, task) in (0..).zip(tasks) {
                    assert_eq!(task.result().unwrap(), base + n + 10_000);
                }
            });
        }
    });
    let one: &[u64] = &[1];
    let sums = pool.map(add, (0..10).map(|n| (n, one)));
    assert_eq!(
        sums.collect::<Result<Vec<_>, _>>().unwrap(),
        (1..=10).collect::<Vec<_>>()
    );
    assert_eq!(pool.status().unwrap().workers.len(), 2);
    assert!(pool.shutdown(WATCHDOG));
}

#[test]
fn its_end_is_the_end_of_its_tasks() {
    let pool = pool();
    let options = TaskOptions::new().deadline(Duration::from_millis(20));
    let late = pool
        .submit_with(options, sleep, WATCHDOG)
        .result()
        .unwrap_err();
    assert!(late.to_string().contains("deadline"), "{late}");
    let long = pool.submit(sleep, WATCHDOG);
    assert!(!pool.shutdown(Duration::from_millis(20)));
    assert!(long.result().is_err());
    let pool = self::pool();
    let long = pool.submit(sleep, WATCHDOG);
    drop(pool);
    let error = long.result().unwrap_err();
    let rejected = bucle_loop::concurrent::FutureError::Exception(ProcessError::Rejected(
        bucle_pool::Rejected::Shutdown,
    ));
    assert_eq!(error.to_string(), rejected.to_string());
}
