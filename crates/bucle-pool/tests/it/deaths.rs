//! Workers that end, in every way there is, and what becomes of their tasks.

use std::process;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{Cause, Failure, ProcessError, TaskOptions};

use crate::support::{WATCHDOG, children_settled, open_fds, open_fds_settled, pool, run};

#[process(crate = bucle_pool)]
pub(crate) fn one_more(n: u32) -> u32 {
    n + 1
}

#[process(crate = bucle_pool)]
fn kill_self(signal: i32) {
    eprintln!("goodbye by {signal}");
    let signal = rustix::process::Signal::from_named_raw(signal).expect("a signal");
    loop {
        // The first SIGSEGV is the standard library's, which lets the fault happen again.
        rustix::process::kill_process(rustix::process::getpid(), signal).expect("no permission");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[process(crate = bucle_pool)]
fn abort() {
    process::abort();
}

#[process(crate = bucle_pool)]
fn exit(code: i32) {
    process::exit(code);
}

#[process(crate = bucle_pool)]
fn overflow(depth: u64) -> u64 {
    let space = [depth; 512];
    if depth == u64::MAX {
        return 0;
    }
    overflow(std::hint::black_box(depth + 1)) + std::hint::black_box(space)[7]
}

#[process(crate = bucle_pool)]
fn allocate(bytes: usize, touch: bool) -> usize {
    let fill = u8::from(touch);
    let much = vec![fill; bytes];
    std::thread::sleep(Duration::from_secs(if touch { 30 } else { 0 }));
    std::hint::black_box(&much).len()
}

#[process(crate = bucle_pool)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

pub(crate) fn failure(result: Result<impl Sized, ProcessError>) -> Failure {
    match result {
        Err(ProcessError::Failed(failure)) => (*failure).clone(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it did not fail"),
    }
}

#[test]
fn only_the_task_that_ran_fails_and_says_how() {
    run(async {
        let pool = pool(2);
        for signal in [9, 11, 6, 15] {
            let others: Vec<_> = (0..50).map(|n| pool.submit(one_more, n)).collect();
            let failed = failure(pool.submit(kill_self, signal).await);
            assert_eq!(failed.cause, Cause::Died);
            assert_eq!(failed.signal(), Some(signal), "{failed}");
            assert_eq!(failed.stderr, format!("goodbye by {signal}\n"));
            assert_eq!((failed.task.as_str(), failed.arguments), ("kill_self", 1));
            assert!(failed.peak_resident > 4096 && failed.pid > 0);
            for (n, other) in (1..).zip(others) {
                assert_eq!(other.await.unwrap(), n);
            }
        }
        let failed = failure(pool.submit(abort, ()).await);
        assert_eq!(failed.signal(), Some(6));
        for code in [0, 3] {
            let failed = failure(pool.submit(exit, code).await);
            assert_eq!(failed.exit_code(), Some(code));
        }
        let failed = failure(pool.submit(overflow, 0).await);
        assert!(
            failed.stderr.contains("has overflowed its stack"),
            "{failed}"
        );
        assert_eq!(pool.submit(one_more, 1).await.unwrap(), 2);
        assert!(pool.shutdown(WATCHDOG).await);
    });
}

#[test]
fn a_deadline_ends_the_task_and_its_worker() {
    run(async {
        let pool = pool(1);
        let deadline = Duration::from_millis(50);
        let options = TaskOptions::new().deadline(deadline).name("snooze");
        let behind = pool.submit(one_more, 1);
        let slow = pool.submit_with(options.clone(), sleep, WATCHDOG);
        let after = pool.submit(one_more, 2);
        let failed = failure(slow.await);
        assert_eq!(failed.cause, Cause::DeadlineExceeded(deadline));
        assert!(failed.elapsed >= deadline);
        assert_eq!(failed.task, "snooze");
        assert_eq!((behind.await.unwrap(), after.await.unwrap()), (2, 3));
        // In time is in time.
        let options = options.deadline(WATCHDOG);
        pool.submit_with(options, sleep, Duration::ZERO)
            .await
            .unwrap();
    });
}

#[test]
fn memory_limits_say_which_it_was() {
    run(async {
        let pool = pool(1);
        let limit = 200 << 20;
        let options = TaskOptions::new().memory_limit(limit);
        let within = pool.submit_with(options.clone(), allocate, (1 << 20, false));
        assert_eq!(within.await.unwrap(), 1 << 20);
        let failed = failure(
            pool.submit_with(options.clone(), allocate, (1 << 30, true))
                .await,
        );
        assert_eq!(failed.cause, Cause::DataLimit(limit), "{failed}");
        // The limit is the task's, not the worker's.
        assert_eq!(
            pool.submit(allocate, (1 << 30, false)).await.unwrap(),
            1 << 30
        );
    });
}

#[test]
fn a_task_that_is_idempotent_is_run_again_once() {
    run(async {
        let pool = pool(1);
        let options = TaskOptions::new().idempotent();
        let failed = failure(pool.submit_with(options, kill_self, 9).await);
        assert_eq!(failed.attempts, 2);
        assert!(failed.to_string().contains("2 workers have ended under it"));
        let failed = failure(pool.submit(kill_self, 9).await);
        assert_eq!(failed.attempts, 1);
    });
}

#[test]
fn cancelling_and_dropping() {
    run(async {
        let pool = pool(1);
        let running = pool.submit(sleep, WATCHDOG);
        while !running.running() {
            bucle_loop::sleep(Duration::from_millis(1)).await;
        }
        let waiting = pool.submit(sleep, WATCHDOG);
        let kept = pool.submit(one_more, 1);
        assert!(waiting.cancel("changed my mind"));
        let error = waiting.await.unwrap_err();
        assert!(error.to_string().contains("changed my mind"), "{error}");
        assert!(matches!(error, ProcessError::Cancelled(_)), "{error}");
        assert!(running.cancel("no more"));
        let failed = failure(running.await);
        assert_eq!(failed.cause, Cause::Cancelled("no more".into()));
        assert_eq!(kept.await.unwrap(), 2);
        drop(pool.submit(sleep, WATCHDOG));
        assert_eq!(pool.submit(one_more, 2).await.unwrap(), 3);
    });
}

#[test]
fn shutdown_ends_whatever_runs() {
    run(async {
        let pool = pool(2);
        let _busy: Vec<_> = (0..4).map(|_| pool.submit(sleep, WATCHDOG)).collect();
        assert!(!pool.shutdown(Duration::from_millis(50)).await);
        let error = pool.submit(one_more, 1).await.unwrap_err();
        assert!(error.to_string().contains("shut down"), "{error}");
    });
}

/// In a process of its own, whose descriptors and children are nobody else's.
#[process(crate = bucle_pool)]
fn make_and_drop_pools() -> (usize, usize, usize) {
    let before = run(async {
        // What a process has once, from its first pool on.
        let pool = pool(1);
        pool.submit(one_more, 1).await.unwrap();
        drop(pool);
        open_fds()
    });
    run(async move {
        for _ in 0..5 {
            let pool = pool(2);
            let tasks: Vec<_> = (0..10).map(|n| pool.submit(one_more, n)).collect();
            for task in tasks {
                task.await.unwrap();
            }
            let _ = pool.submit(exit, 1).await;
            let large = pool.submit(sleep, WATCHDOG);
            drop(pool);
            large.await.unwrap_err();
        }
        (before, open_fds_settled(before), children_settled())
    })
}

#[test]
fn nothing_is_left_of_a_pool() {
    run(async {
        let pool = pool(1);
        let (before, after, children) = pool.submit(make_and_drop_pools, ()).await.unwrap();
        assert!(after <= before, "{after} descriptors, {before} before");
        assert_eq!(children, 0);
    });
}

#[process(crate = bucle_pool)]
fn say(text: &str) {
    eprintln!("{text}");
}

#[test]
fn a_failure_shows_no_standard_error_of_tasks_before_it() {
    let lines = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let seen = lines.clone();
    run(async move {
        let pool = bucle_pool::ProcessPoolExecutor::builder()
            .max_workers(1)
            .on_output(move |_| {
                seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            })
            .build()
            .unwrap();
        pool.submit(say, "of another").await.unwrap();
        while lines.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            bucle_loop::sleep(Duration::from_millis(1)).await;
        }
        let failed = failure(pool.submit(kill_self, 9).await);
        assert_eq!(failed.stderr, "goodbye by 9\n");
        let failed = failure(pool.submit(exit, 0).await);
        assert!(failed.to_string().contains("`exit(0)`"), "{failed}");
    });
}
