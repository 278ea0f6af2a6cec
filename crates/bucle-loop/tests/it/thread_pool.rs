//! The thread pool: who runs what, and when.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use bucle_loop::concurrent::{FutureError, Promise, Rejected, ThreadPoolExecutor, wait};

use crate::{WATCHDOG, within};

fn pool_of(max_workers: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder()
        .max_workers(max_workers)
        .build()
        .unwrap()
}

/// A job that runs until what this gives is dropped; it has begun when this returns.
fn block_one(pool: &ThreadPoolExecutor) -> Sender<()> {
    let (free, blocked) = mpsc::channel::<()>();
    let (begun, begin) = mpsc::channel();
    pool.submit(move || {
        begun.send(()).unwrap();
        let _ = blocked.recv();
    })
    .detach();
    begin.recv().unwrap();
    free
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_job_gives_its_result() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let base = 2_u32;
        assert_eq!(pool.submit(move || base.pow(8)).result().unwrap(), 256);
        // Results that can't be copied, or are errors themselves.
        let file = pool.submit(|| std::fs::File::open("/dev/null")).result();
        assert!(file.unwrap().is_ok());
        let number = pool.submit(|| "twelve".parse::<u32>());
        assert!(number.result().unwrap().is_err());
    });
}

#[test]
fn the_defaults() {
    let pool = ThreadPoolExecutor::new();
    let processors = thread::available_parallelism().unwrap().get();
    assert_eq!(pool.max_workers(), (processors + 4).min(32));
    assert_eq!(pool.threads(), 0, "none before there is work");
    let error = ThreadPoolExecutor::builder().max_workers(0).build();
    assert!(error.unwrap_err().to_string().contains("greater than 0"));
    let error = ThreadPoolExecutor::builder()
        .thread_name_prefix("a\0b")
        .build();
    assert!(error.unwrap_err().to_string().contains("NUL"));
}

#[test]
fn no_more_threads_than_it_may_have() {
    within(WATCHDOG, || {
        let pool = pool_of(4);
        let (free, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let futures: Vec<_> = (0..60)
            .map(|_| {
                let blocked = blocked.clone();
                pool.submit(move || blocked.lock().unwrap().recv().is_ok())
            })
            .collect();
        assert_eq!(pool.threads(), 4);
        for _ in 0..60 {
            free.send(()).unwrap();
        }
        let done = futures.into_iter().map(|future| future.result().unwrap());
        assert!(done.into_iter().all(|ok| ok));
    });
}

#[test]
fn an_idle_thread_is_used_before_a_new_one_starts() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        for number in 0..50 {
            assert_eq!(pool.submit(move || number).result().unwrap(), number);
            wait_until(|| pool.idle_threads() == 1);
        }
        assert_eq!(pool.threads(), 1);
    });
}

/// Jobs for which there are threads all run at once: none is kept waiting behind another.
#[test]
fn as_many_jobs_at_once_as_threads() {
    within(WATCHDOG, || {
        for round in 0..50 {
            let pool = pool_of(3);
            if round % 2 == 0 {
                wait(
                    [pool.submit(|| ()), pool.submit(|| ())],
                    None,
                    Default::default(),
                );
            }
            let meeting = Arc::new(Barrier::new(3));
            let jobs: Vec<_> = (0..3)
                .map(|_| {
                    let meeting = meeting.clone();
                    pool.submit(move || {
                        meeting.wait();
                    })
                })
                .collect();
            for job in jobs {
                job.result().unwrap();
            }
        }
    });
}

#[test]
fn jobs_begin_in_the_order_submitted() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..100 {
            let order = order.clone();
            pool.submit(move || order.lock().unwrap().push(number))
                .detach();
        }
        pool.shutdown(true, false);
        assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn threads_have_names() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::builder()
            .max_workers(2)
            .thread_name_prefix("SpecialPool")
            .build()
            .unwrap();
        let meeting = Arc::new(Barrier::new(2));
        let names: HashSet<String> = pool
            .map(
                move |()| {
                    meeting.wait();
                    thread::current().name().unwrap().to_string()
                },
                [(), ()],
            )
            .map(Result::unwrap)
            .collect();
        let expected = ["SpecialPool_0", "SpecialPool_1"].map(String::from);
        assert_eq!(names, HashSet::from(expected));
        let pool = ThreadPoolExecutor::new();
        let name = pool.submit(|| thread::current().name().unwrap().to_string());
        let name = name.result().unwrap();
        let number = name
            .strip_prefix("ThreadPoolExecutor-")
            .and_then(|rest| rest.strip_suffix("_0"));
        assert!(number.unwrap().parse::<u64>().is_ok(), "{name}");
    });
}

#[test]
fn a_panic_is_the_error_of_its_job_alone() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let number = 13;
        let line = line!() + 1;
        let job = pool.submit(move || -> u32 { panic!("number {number}") });
        let error = job.result().unwrap_err();
        let panic = error.panicked().unwrap();
        assert_eq!(panic.message(), "number 13");
        assert_eq!(panic.location().line(), line);
        assert!(panic.thread().unwrap().ends_with("_0"));
        let told = error.to_string();
        assert!(
            told.contains(file!()) && told.contains("number 13"),
            "{told}"
        );
        let payload = panic.take_payload().unwrap();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "number 13");
        assert!(panic.clone().take_payload().is_none());
        // The thread lives, and is the same.
        assert!(pool.submit(|| ()).result().is_ok());
        assert_eq!(pool.threads(), 1);
    });
}

/// Panics in all the places where somebody else's code runs in a thread of the pool.
#[test]
fn nothing_kills_a_thread() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("a destructor, on purpose");
            }
        }
    }
    within(WATCHDOG, || {
        let pool = pool_of(1);
        // The result, which nobody waits for.
        let (go, wait) = mpsc::channel::<()>();
        pool.submit(move || {
            let _ = wait.recv();
            Bomb
        })
        .detach();
        drop(go);
        // A done callback.
        let job = pool.submit(|| thread::sleep(Duration::from_millis(1)));
        job.add_done_callback(|_| panic!("a callback, on purpose"));
        job.result().unwrap();
        // What the job captured.
        let bomb = Bomb;
        let captured = pool.submit(move || {
            let _bomb = &bomb;
        });
        assert!(captured.result().unwrap_err().panicked().is_some());
        // The payload of a panic.
        pool.submit(|| std::panic::panic_any(Bomb)).detach();
        assert_eq!(pool.submit(|| 5).result().unwrap(), 5);
        assert_eq!(pool.threads(), 1);
    });
}

#[test]
fn a_job_that_waits_can_be_cancelled_and_is_dropped_at_once() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let free = block_one(&pool);
        let held = Arc::new(());
        let captured = held.clone();
        let job = pool.submit(move || drop(captured));
        assert!(!job.running() && !job.done());
        assert!(job.cancel("not needed"));
        assert_eq!(Arc::strong_count(&held), 1, "while the thread is busy");
        assert!(job.result().unwrap_err().cancelled().is_some());
        drop(free);
    });
}

#[test]
fn a_job_that_runs_cannot_be_cancelled() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let (go, wait) = Promise::<u32>::new();
        let job = pool.submit(move || wait.result());
        wait_until(|| job.running());
        assert!(!job.cancel("too late"));
        go.set_result(3).unwrap();
        assert_eq!(job.result().unwrap().unwrap(), 3);
    });
}

#[test]
fn cancelled_jobs_do_not_pile_up() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let free = block_one(&pool);
        for _ in 0..10_000 {
            assert!(pool.submit(|| ()).cancel("not needed"));
        }
        assert!(pool.queued_jobs() <= 256, "{}", pool.queued_jobs());
        drop(free);
        assert_eq!(pool.submit(|| 5).result().unwrap(), 5);
    });
}

#[test]
fn nothing_stays_behind_a_job() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let held = Arc::new(());
        let captured = held.clone();
        pool.submit(move || captured).detach();
        wait_until(|| Arc::strong_count(&held) == 1);
        // Before the job is seen to be done, what it captured is gone.
        for _ in 0..100 {
            let captured = held.clone();
            pool.submit(move || {
                let _captured = &captured;
            })
            .result()
            .unwrap();
            assert_eq!(Arc::strong_count(&held), 1);
        }
    });
}

#[test]
fn jobs_submit_jobs() {
    within(WATCHDOG, || {
        let pool = Arc::new(pool_of(2));
        let inner = pool.clone();
        let outer = pool.submit(move || inner.submit(|| 7).result());
        assert_eq!(outer.result().unwrap().unwrap(), 7);
    });
}

#[test]
fn map_keeps_the_order_and_runs_without_being_asked() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let results: Vec<u32> = pool
            .map(|n| n * n, 0..100_u32)
            .map(Result::unwrap)
            .collect();
        assert_eq!(results, (0..100).map(|n| n * n).collect::<Vec<_>>());
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let map = pool.map(
            move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            },
            0..10,
        );
        wait_until(|| ran.load(Ordering::Relaxed) == 10);
        assert_eq!(map.size_hint(), (10, Some(10)));
    });
}

#[test]
fn a_failure_in_a_map_stays_in_its_place() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let divide = |(a, b): (u32, u32)| a / b;
        let pairs = [(1, 2), (6, 3), (1, 0), (10, 5)];
        let results: Vec<Option<u32>> = pool.map(divide, pairs).map(Result::ok).collect();
        assert_eq!(results, [Some(0), Some(2), None, Some(2)]);
        let all: Result<Vec<u32>, FutureError> = pool.map(divide, pairs).collect();
        assert!(all.unwrap_err().panicked().is_some());
    });
}

#[test]
fn a_map_that_is_dropped_cancels_what_has_not_begun() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let free = block_one(&pool);
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let mut map = pool.map(
            move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            },
            0..3,
        );
        let late = map.next_timeout(Duration::ZERO).unwrap_err();
        assert_eq!((late.unfinished, late.total), (3, 3));
        drop(map);
        drop(free);
        pool.shutdown(true, false);
        assert_eq!(ran.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_map_with_a_buffer_takes_no_more_than_that_ahead() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let endless = (0_u64..).inspect(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut map = pool.map_buffered(3, |n| n + 1, endless);
        assert_eq!(taken.load(Ordering::Relaxed), 3);
        for expected in 1..=20 {
            assert_eq!(map.next().unwrap().unwrap(), expected);
            assert!(taken.load(Ordering::Relaxed) <= 3 + expected as usize);
        }
        let least = pool.map_buffered(0, |n| n, 0..5).map(Result::unwrap);
        assert_eq!(least.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let mut none = pool.map(|n: u32| n, []);
        assert!(none.next_timeout(Duration::ZERO).unwrap().is_none());
        assert!(none.next().is_none());
    });
}

#[test]
fn a_map_keeps_no_result_that_it_gave_out() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        for result in pool.map(Arc::new, 0..10) {
            let weak = Arc::downgrade(&result.unwrap());
            assert!(weak.upgrade().is_none());
        }
    });
}

#[test]
fn an_initializer_runs_in_each_thread_first() {
    thread_local!(static READY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    within(WATCHDOG, || {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let pool = ThreadPoolExecutor::builder()
            .max_workers(2)
            .initializer(move || {
                count.fetch_add(1, Ordering::Relaxed);
                READY.set(true);
                Ok(())
            })
            .build()
            .unwrap();
        let meeting = Arc::new(Barrier::new(2));
        let ready = pool.map(
            move |()| {
                meeting.wait();
                READY.get()
            },
            [(), ()],
        );
        assert!(ready.into_iter().all(Result::unwrap));
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_failing_initializer_breaks_the_pool() {
    within(WATCHDOG, || {
        for panics in [false, true] {
            let pool = ThreadPoolExecutor::builder()
                .max_workers(2)
                .initializer(move || {
                    // Lets some jobs be queued.
                    thread::sleep(Duration::from_millis(5));
                    assert!(!panics, "no licence");
                    Err("no licence".into())
                })
                .build()
                .unwrap();
            let held = Arc::new(());
            let jobs: Vec<_> = (0..10)
                .map(|_| {
                    let held = held.clone();
                    pool.submit(move || drop(held))
                })
                .collect();
            for job in jobs {
                match job.result() {
                    Err(FutureError::Broken(broken)) => {
                        assert!(broken.cause().contains("no licence"), "{broken}");
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(Arc::strong_count(&held), 1);
            let late = pool.submit(|| ());
            assert!(late.done());
            assert!(matches!(late.result(), Err(FutureError::Broken(_))));
            pool.shutdown(true, false);
            assert_eq!(pool.threads(), 0);
        }
    });
}

#[test]
fn a_thread_that_cannot_start_is_the_error_of_the_job() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::builder()
            .stack_size(usize::MAX / 4)
            .build()
            .unwrap();
        for _ in 0..3 {
            match pool.submit(|| ()).result() {
                Err(FutureError::Rejected(Rejected::NoThread(error))) => {
                    assert!(!error.to_string().is_empty());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((pool.threads(), pool.queued_jobs()), (0, 0));
        pool.shutdown(true, false);
    });
}

#[test]
fn many_submitters() {
    within(WATCHDOG, || {
        let pool = Arc::new(pool_of(3));
        let sum = Arc::new(AtomicUsize::new(0));
        let submitters: Vec<_> = (0..4)
            .map(|_| {
                let (pool, sum) = (pool.clone(), sum.clone());
                thread::spawn(move || {
                    for n in 0..2_000 {
                        let sum = sum.clone();
                        let job = pool.submit(move || sum.fetch_add(n, Ordering::Relaxed));
                        if n % 100 == 0 {
                            job.result().unwrap();
                        } else {
                            job.detach();
                        }
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        pool.shutdown(true, false);
        assert_eq!(sum.load(Ordering::Relaxed), 4 * (0..2_000).sum::<usize>());
    });
}
