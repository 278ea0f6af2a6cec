//! Values that do harm on their way.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bucle_macros::process;
use bucle_pool::{ProcessError, ProcessPoolExecutor, Rejected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{note, noted};
use crate::deaths::{failure, one_more};
use crate::support::{pool, run};

/// Ends the process that decodes it, if it is true.
struct Bomb(bool);

impl Serialize for Bomb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bomb, D::Error> {
        match bool::deserialize(deserializer)? {
            true => std::process::abort(),
            false => Ok(Bomb(false)),
        }
    }
}

#[process(crate = bucle_pool)]
fn defuse(bomb: Bomb) -> bool {
    bomb.0
}

#[test]
fn arguments_that_end_their_worker_are_not_tried_for_ever() {
    run(async {
        let pool = pool(1);
        let failed = failure(pool.submit(defuse, Bomb(true)).await);
        assert_eq!(failed.signal(), Some(6), "{failed}");
        assert_eq!(failed.attempts, 2);
        assert!(failed.to_string().contains("before it began"), "{failed}");
        assert!(!pool.submit(defuse, Bomb(false)).await.unwrap());
    });
}

#[test]
fn of_a_chunk_only_such_an_item_fails() {
    run(async {
        let pool = pool(2);
        let items = (0..40).map(|n| Bomb(n == 3 || n == 17));
        let mut map = pool.map(defuse, items).chunk_size(20);
        for n in 0..40 {
            let result = map.next().await.unwrap();
            match n == 3 || n == 17 {
                true => assert_eq!(failure(result).signal(), Some(6)),
                false => assert!(!result.unwrap(), "{n}"),
            }
        }
        assert!(map.next().await.is_none());
    });
}

/// Ends the first process that decodes it.
#[derive(Serialize, Deserialize)]
struct FirstTime(#[serde(deserialize_with = "first_time")] PathBuf);

fn first_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if noted(&path) == 0 {
        note(&path);
        std::process::abort();
    }
    Ok(path)
}

static SET_UPS: AtomicU32 = AtomicU32::new(0);

#[process(crate = bucle_pool)]
fn set_up(_log: FirstTime) {
    SET_UPS.fetch_add(1, Ordering::Relaxed);
}

#[process(crate = bucle_pool)]
fn set_ups() -> u32 {
    SET_UPS.load(Ordering::Relaxed)
}

#[test]
fn a_worker_is_initialized_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    run(async move {
        let builder = ProcessPoolExecutor::builder().max_workers(1);
        let pool = builder.initializer(set_up, FirstTime(log)).build().unwrap();
        for _ in 0..3 {
            assert_eq!(pool.submit(set_ups, ()).await.unwrap(), 1);
        }
        assert_eq!(pool.status().restarts, 1);
    });
}

#[process(crate = bucle_pool)]
fn keep(numbers: &[u64]) {
    SET_UPS.store(numbers.len() as u32, Ordering::Relaxed);
}

#[test]
fn an_initializer_takes_arguments_of_any_length() {
    run(async {
        for len in [0, 1, 2047, 2048, 5000, 100_000] {
            let numbers = vec![7_u64; len];
            let builder = ProcessPoolExecutor::builder().max_workers(2);
            let pool = builder.initializer(keep, &numbers).build().unwrap();
            assert_eq!(pool.submit(set_ups, ()).await.unwrap(), len as u32);
        }
    });
}

/// Set in a worker by the function that gives a [`Grumpy`], and nowhere else.
static GRUMPY: AtomicBool = AtomicBool::new(false);

/// Can't be dropped where [`GRUMPY`] is set.
#[derive(Debug, Serialize, Deserialize)]
struct Grumpy(u32);

impl Drop for Grumpy {
    fn drop(&mut self) {
        assert!(!GRUMPY.load(Ordering::Relaxed), "leave me alone");
    }
}

#[process(crate = bucle_pool)]
fn grumble(n: u32) -> Grumpy {
    GRUMPY.store(true, Ordering::Relaxed);
    Grumpy(n)
}

#[test]
fn an_output_that_was_given_is_the_tasks_only_end() {
    run(async {
        let builder = ProcessPoolExecutor::builder().max_workers(1);
        let pool = builder.on_output(|_| {}).build().unwrap();
        let tasks: Vec<_> = (0..20).map(|n| pool.submit(grumble, n)).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap().0, n as u32);
        }
        assert_eq!(pool.status().restarts, 0);
    });
}

/// Can't be dropped in the thread that says so.
#[derive(Debug, Serialize, Deserialize)]
struct Sour(u32);

thread_local! {
    static SOUR: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Drop for Sour {
    fn drop(&mut self) {
        assert!(!SOUR.get(), "sour");
    }
}

#[process(crate = bucle_pool)]
fn sour(n: u32) -> Sour {
    Sour(n)
}

#[test]
fn an_output_that_nobody_wants_and_that_panics_when_dropped_holds_up_nobody() {
    run(async {
        SOUR.set(true);
        let pool = pool(1);
        let _ = pool.submit(one_more, 1).await;
        for _ in 0..20 {
            for n in 0..10 {
                pool.submit(sour, n).detach();
            }
            let tasks: Vec<_> = (0..10).map(|n| pool.submit(one_more, n)).collect();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n as u32 + 1);
            }
        }
        assert!(pool.shutdown(crate::support::WATCHDOG).await);
        SOUR.set(false);
    });
}

#[test]
fn a_map_whose_pool_is_gone_says_so() {
    run(async {
        let gone = pool(1);
        let map = gone.map(one_more, 0..10);
        drop(gone);
        let result: Result<Vec<u32>, _> = map.collect().await;
        let error = result.unwrap_err();
        assert!(
            matches!(error, ProcessError::Rejected(Rejected::Shutdown)),
            "{error}"
        );
        let gone = pool(1);
        let mut map = gone.as_completed(one_more, 0..10).chunk_size(1);
        let mut given = vec![map.next().await.unwrap().0];
        drop(gone);
        while let Some((number, _)) = map.next().await {
            given.push(number);
        }
        given.sort_unstable();
        assert_eq!(given, (0..10).collect::<Vec<_>>());
    });
}

#[process(crate = bucle_pool)]
fn fill_up(log: PathBuf, len: usize) -> Vec<u8> {
    note(&log);
    let none = rustix::process::Rlimit {
        // No descriptor is free below it, and `poll` takes as many.
        current: Some(3),
        maximum: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, none).expect("lowered");
    vec![1; len]
}

#[test]
fn a_task_whose_output_cannot_be_sent_is_not_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    run(async move {
        let pool = pool(1);
        let error = pool
            .submit(fill_up, (log.clone(), 100_000))
            .await
            .unwrap_err();
        assert_eq!(noted(&log), 1);
        assert!(matches!(error, ProcessError::NotEncoded(_)), "{error}");
        assert!(error.to_string().contains("open files"), "{error}");
        // It is the task's error: the worker lives on.
        assert_eq!(pool.submit(one_more, 1).await.unwrap(), 2);
        assert_eq!(pool.status().restarts, 0);
    });
}
