//! The end of a thread pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bucle_loop::concurrent::{FutureError, Rejected, ThreadPoolExecutor};

use crate::{WATCHDOG, within};

fn pool_of(max_workers: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder()
        .max_workers(max_workers)
        .build()
        .unwrap()
}

fn short_jobs(pool: &ThreadPoolExecutor, count: usize) -> Arc<AtomicUsize> {
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..count {
        let ran = ran.clone();
        pool.submit(move || {
            thread::sleep(Duration::from_micros(200));
            ran.fetch_add(1, Ordering::Relaxed);
        })
        .detach();
    }
    ran
}

#[test]
fn nothing_is_taken_after_it() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        pool.shutdown(true, false);
        let late = pool.submit(|| ());
        assert!(late.done());
        let error = late.result().unwrap_err();
        assert!(matches!(error, FutureError::Rejected(Rejected::Shutdown)));
        assert!(error.to_string().contains("shut down"));
        assert!(pool.map(|n| n, 0..3).all(|result| result.is_err()));
    });
}

#[test]
fn waiting_for_the_end_is_waiting_for_every_job() {
    within(WATCHDOG, || {
        let pool = pool_of(5);
        let ran = short_jobs(&pool, 50);
        pool.shutdown(true, false);
        assert_eq!(ran.load(Ordering::Relaxed), 50);
        assert_eq!(pool.threads(), 0);
        // Again, and with nothing left to do.
        pool.shutdown(true, true);
        assert!(pool.shutdown_timeout(Duration::ZERO, false));
    });
}

#[test]
fn dropping_is_waiting() {
    within(WATCHDOG, || {
        let pool = pool_of(5);
        let map = pool.map(|n: i32| n.abs(), -5..5);
        let ran = short_jobs(&pool, 20);
        drop(pool);
        assert_eq!(ran.load(Ordering::Relaxed), 20);
        let results: Vec<i32> = map.map(Result::unwrap).collect();
        assert_eq!(results, [5, 4, 3, 2, 1, 0, 1, 2, 3, 4]);
    });
}

#[test]
fn without_waiting_the_jobs_run_still() {
    within(WATCHDOG, || {
        let pool = pool_of(5);
        let map = pool.map(|n: i32| n.abs(), -5..5);
        pool.shutdown(false, false);
        drop(pool);
        let results: Vec<i32> = map.map(Result::unwrap).collect();
        assert_eq!(results, [5, 4, 3, 2, 1, 0, 1, 2, 3, 4]);
    });
}

#[test]
fn jobs_that_have_not_begun_can_be_cancelled_with_it() {
    within(WATCHDOG, || {
        let pool = pool_of(2);
        let (begun, begin) = mpsc::channel();
        let jobs: Vec<_> = (0..50)
            .map(|_| {
                let begun = begun.clone();
                pool.submit(move || begun.send(()).unwrap())
            })
            .collect();
        begin.recv().unwrap();
        pool.shutdown(true, true);
        let cancelled = jobs.iter().filter(|job| job.cancelled()).count();
        assert!(jobs.iter().all(|job| job.done()));
        assert!(cancelled < 50);
        for job in jobs {
            let cancelled = job.cancelled();
            match job.result() {
                Ok(()) => assert!(!cancelled),
                Err(FutureError::Cancelled(why)) => {
                    assert_eq!(why.reason(), "the executor was shut down");
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
}

#[test]
fn a_job_that_was_cancelled_just_before_does_not_hang_it() {
    within(WATCHDOG, || {
        for _ in 0..100 {
            let pool = pool_of(1);
            pool.submit(|| ()).result().unwrap();
            pool.submit(|| ()).cancel("not needed");
            pool.shutdown(true, false);
        }
    });
}

#[test]
fn idle_threads_end_too() {
    within(WATCHDOG, || {
        let pool = pool_of(3);
        let map: Vec<_> = pool.map(|n| n, 0..30).collect();
        assert_eq!(map.len(), 30);
        pool.shutdown(true, false);
        assert_eq!(pool.threads(), 0);
    });
}

#[test]
fn a_limit_on_the_waiting() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let (free, blocked) = mpsc::channel::<()>();
        let job = pool.submit(move || blocked.recv().is_err());
        assert!(!pool.shutdown_timeout(Duration::from_millis(5), false));
        assert!(!job.done());
        drop(free);
        assert!(pool.shutdown_timeout(WATCHDOG, false));
        assert!(job.result().unwrap());
    });
}

/// A thread that waited for its own end would wait for ever.
#[test]
fn from_a_job_of_its_own() {
    within(WATCHDOG, || {
        let pool = Arc::new(pool_of(2));
        let inner = pool.clone();
        let job = pool.submit(move || {
            inner.shutdown(true, false);
            inner.shutdown_timeout(WATCHDOG, false)
        });
        assert!(!job.result().unwrap());
        // The last reference is dropped by a job.
        let pool = Arc::new(pool_of(2));
        let inner = pool.clone();
        let (go, wait) = mpsc::channel::<()>();
        let job = pool.submit(move || {
            let _ = wait.recv();
            drop(inner);
        });
        drop(pool);
        drop(go);
        job.result().unwrap();
    });
}

#[test]
fn several_threads_wait_for_it() {
    within(WATCHDOG, || {
        let pool = Arc::new(pool_of(2));
        let ran = short_jobs(&pool, 20);
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let (pool, ran) = (pool.clone(), ran.clone());
                thread::spawn(move || {
                    pool.shutdown(true, false);
                    ran.load(Ordering::Relaxed)
                })
            })
            .collect();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), 20);
        }
    });
}

#[test]
fn submitting_against_shutting_down() {
    within(WATCHDOG, || {
        for _ in 0..100 {
            let pool = Arc::new(pool_of(2));
            let submitter = {
                let pool = pool.clone();
                thread::spawn(move || (0..20).map(|n| pool.submit(move || n)).collect::<Vec<_>>())
            };
            pool.shutdown(true, false);
            for (n, job) in submitter.join().unwrap().into_iter().enumerate() {
                match job.result() {
                    Ok(result) => assert_eq!(result, n),
                    Err(FutureError::Rejected(Rejected::Shutdown)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            pool.shutdown(true, false);
            assert_eq!((pool.threads(), pool.queued_jobs()), (0, 0));
        }
    });
}

#[test]
fn a_destructor_that_panics_does_not_stop_the_cancelling() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a destructor, on purpose");
        }
    }
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let (free, blocked) = mpsc::channel::<()>();
        let (begun, begin) = mpsc::channel();
        pool.submit(move || {
            begun.send(()).unwrap();
            let _ = blocked.recv();
        })
        .detach();
        begin.recv().unwrap();
        let bomb = Bomb;
        let job = pool.submit(move || {
            let _bomb = &bomb;
        });
        let next = pool.submit(|| ());
        pool.shutdown(false, true);
        assert!(job.cancelled() && next.cancelled());
        drop(free);
        pool.shutdown(true, false);
    });
}
