//! Deadlines, deaths and shutdowns.

use std::path::PathBuf;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{Cause, ProcessError, ProcessPoolExecutor, TaskOptions};

use super::{note, noted};
use crate::deaths::{failure, one_more};
use crate::support::{WATCHDOG, pool, run};

#[process(crate = bucle_pool)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn a_deadline_is_the_tasks_own_whatever_ran_before() {
    run(async {
        let pool = pool(1);
        pool.submit(one_more, 1).await.unwrap();
        let long = TaskOptions::new().deadline(100 * WATCHDOG);
        let short = Duration::from_millis(50);
        let before = pool.submit_with(long, sleep, Duration::from_millis(5));
        let slow = pool.submit_with(TaskOptions::new().deadline(short), sleep, 2 * WATCHDOG);
        before.await.unwrap();
        let failed = failure(slow.await);
        assert_eq!(failed.cause, Cause::DeadlineExceeded(short), "{failed}");
    });
}

/// The first worker that says it may begin.
#[process(crate = bucle_pool)]
fn once(log: PathBuf) {
    let again = noted(&log) > 0;
    note(&log);
    assert!(!again, "only once");
}

#[process(crate = bucle_pool)]
fn die_later() {
    std::thread::sleep(Duration::from_millis(300));
    std::process::abort()
}

#[test]
fn a_broken_pool_whose_last_worker_dies_ends_what_it_had() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    run(async move {
        for options in [TaskOptions::new(), TaskOptions::new().idempotent()] {
            let _ = std::fs::remove_file(&log);
            let builder = ProcessPoolExecutor::builder().max_workers(2);
            let builder = builder.initializer(once, log.clone()).on_output(|_| {});
            let pool = builder.build().unwrap();
            pool.submit(one_more, 1).await.unwrap();
            let first = pool.submit_with(options, die_later, ());
            // Is handed ahead, and has another worker started.
            let second = pool.submit(one_more, 1);
            let error = first.await.unwrap_err();
            let is_end = matches!(error, ProcessError::Failed(_) | ProcessError::Broken(_));
            assert!(is_end, "{error}");
            let error = second.await.unwrap_err();
            assert!(matches!(error, ProcessError::Broken(_)), "{error}");
            assert!(pool.submit(one_more, 1).await.is_err());
            assert!(pool.shutdown(WATCHDOG).await);
        }
    });
}

#[process(crate = bucle_pool)]
fn noting(log: PathBuf) {
    note(&log);
}

#[process(crate = bucle_pool)]
fn stop_self() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    std::thread::sleep(2 * WATCHDOG);
}

/// A worker ends and makes place while the others take their time to end.
#[test]
fn nothing_begins_once_the_time_for_a_shutdown_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    run(async move {
        let builder = ProcessPoolExecutor::builder()
            .max_workers(4)
            .tasks_ahead(64);
        let pool = builder
            .kill_after(Duration::from_millis(500))
            .build()
            .unwrap();
        pool.submit(one_more, 1).await.unwrap();
        let stopped = pool.submit(stop_self, ());
        while !stopped.running() {
            bucle_loop::sleep(Duration::from_millis(1)).await;
        }
        // They go behind it as long as no other worker is there.
        let behind: Vec<_> = (0..3).map(|_| pool.submit(noting, log.clone())).collect();
        assert!(!pool.shutdown(Duration::ZERO).await);
        let mut done = 0;
        for task in behind {
            done += usize::from(task.await.is_ok());
        }
        assert_eq!(noted(&log), done);
        assert!(stopped.await.is_err());
    });
}

/// Says over and over that there is something to see.
#[process(crate = bucle_pool)]
fn ring_for_ever() {
    for path in crate::hostile::channels() {
        let number: i32 = path.file_name().unwrap().to_string_lossy().parse().unwrap();
        for _ in 0..4 {
            let channel = crate::hostile::borrowed(number);
            std::thread::spawn(move || {
                loop {
                    let _ =
                        rustix::net::send(&channel, b"W12345678", rustix::net::SendFlags::empty());
                }
            });
        }
    }
    std::thread::sleep(2 * WATCHDOG);
}

#[test]
fn a_worker_that_rings_without_end_holds_up_nobody() {
    run(async {
        let pool = pool(2);
        let ringing = pool.submit_with(
            TaskOptions::new().deadline(Duration::from_millis(200)),
            ring_for_ever,
            (),
        );
        let failed = failure(ringing.await);
        assert!(
            matches!(failed.cause, Cause::DeadlineExceeded(_)),
            "{failed}"
        );
        assert_eq!(pool.submit(one_more, 1).await.unwrap(), 2);
    });
}

/// Bytes of memory that are resident here.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// In a process of its own, whose memory is nobody else's.
#[process(crate = bucle_pool)]
fn submit_and_drop(times: usize, queue: usize) -> u64 {
    run(async move {
        let builder = ProcessPoolExecutor::builder().max_workers(1).tasks_ahead(1);
        let pool = builder.queue_size(queue).build().unwrap();
        let _busy = pool.submit(sleep, 2 * WATCHDOG);
        let _first: Vec<_> = (0..queue.min(10))
            .map(|n| pool.submit(one_more, n as u32))
            .collect();
        let before = resident();
        for _ in 0..times {
            drop(pool.submit(one_more, 1));
        }
        resident().saturating_sub(before)
    })
}

#[test]
fn tasks_that_were_cancelled_while_they_waited_take_no_memory() {
    run(async {
        let pool = pool(1);
        for queue in [4096, 10] {
            let grown = pool
                .submit(submit_and_drop, (200_000, queue))
                .await
                .unwrap();
            assert!(grown < 16 << 20, "{grown} bytes more, with {queue} places");
        }
    });
}

#[test]
fn a_deadline_during_a_shutdown_ends_its_task_and_no_other() {
    run(async {
        let pool = std::rc::Rc::new(pool(1));
        pool.submit(one_more, 1).await.unwrap();
        let short = TaskOptions::new().deadline(Duration::from_millis(50));
        let slow = pool.submit_with(short, sleep, 2 * WATCHDOG);
        let others: Vec<_> = (0..20).map(|n| pool.submit(one_more, n)).collect();
        let end = pool.clone();
        let end = bucle_loop::spawn(async move { end.shutdown(WATCHDOG).await });
        failure(slow.await);
        for (n, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap(), n as u32 + 1);
        }
        assert!(end.await.unwrap());
    });
}

#[test]
fn times_without_an_end_are_none() {
    run(async {
        let builder = ProcessPoolExecutor::builder().max_workers(1);
        let pool = builder.kill_after(Duration::MAX).build().unwrap();
        let endless = TaskOptions::new().deadline(Duration::MAX);
        let task = pool.submit_with(endless.clone(), one_more, 1);
        assert_eq!(task.await.unwrap(), 2);
        let cancelled = pool.submit_with(endless, sleep, 2 * WATCHDOG);
        while !cancelled.running() {
            bucle_loop::sleep(Duration::from_millis(1)).await;
        }
        cancelled.cancel("enough");
        failure(cancelled.await);
        assert!(pool.shutdown(Duration::MAX).await);
    });
}

/// The soft limit on its own memory that a process has.
#[process(crate = bucle_pool)]
fn data_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Data).current
}

/// In a process of its own, which has a limit already.
#[process(crate = bucle_pool)]
fn limits_within(limit: u64) -> [Option<u64>; 3] {
    let maximum = rustix::process::getrlimit(rustix::process::Resource::Data).maximum;
    let lower = rustix::process::Rlimit {
        current: Some(limit),
        maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Data, lower).expect("lower");
    run(async move {
        let pool = pool(1);
        let mut seen = [None; 3];
        for (seen, most) in seen.iter_mut().zip([limit / 2, 2 * limit, 0]) {
            let options = match most {
                0 => TaskOptions::new(),
                most => TaskOptions::new().memory_limit(most),
            };
            *seen = pool.submit_with(options, data_limit, ()).await.unwrap();
        }
        seen
    })
}

#[test]
fn a_memory_limit_ends_with_its_task_and_raises_none() {
    run(async {
        let pool = pool(1);
        let limit = 1 << 30;
        let seen = pool.submit(limits_within, limit).await.unwrap();
        assert_eq!(seen, [Some(limit / 2), Some(limit), Some(limit)]);
    });
}
