//! One function over many items.

use std::collections::HashSet;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{ProcessError, TaskOptions};

use crate::support::{pool, run};

#[process(crate = bucle_pool)]
fn square(n: u64) -> u64 {
    n * n
}

#[process(crate = bucle_pool)]
fn length(text: &str) -> usize {
    text.len()
}

#[process(crate = bucle_pool)]
fn dies_at(n: u64, at: u64) -> u64 {
    if n == at {
        std::process::abort();
    }
    n
}

#[process(crate = bucle_pool)]
fn panics_at(n: u64, at: u64) -> u64 {
    assert_ne!(n, at, "not this one");
    n
}

#[process(crate = bucle_pool)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn results_come_in_the_order_of_the_items() {
    run(async {
        let pool = pool(2);
        let expected: Vec<u64> = (0..20_000).map(|n| n * n).collect();
        for size in [None, Some(1), Some(7), Some(100_000)] {
            let mut map = pool.map(square, 0..20_000);
            if let Some(size) = size {
                map = map.chunk_size(size);
            }
            let squares: Vec<u64> = map.collect().await.unwrap();
            assert_eq!(squares, expected, "{size:?}");
        }
        let none: Vec<u64> = pool.map(square, []).collect().await.unwrap();
        assert!(none.is_empty());
    });
}

#[test]
fn a_source_without_an_end_is_taken_from_as_results_are() {
    run(async {
        let pool = pool(2);
        let mut map = pool.map(square, 0..);
        for n in 0..5000 {
            assert_eq!(map.next().await.unwrap().unwrap(), n * n);
        }
    });
}

#[test]
fn as_completed_gives_each_once() {
    run(async {
        let pool = pool(2);
        let texts = ["one", "three", "", "fourteen"];
        let mut stream = pool.as_completed(length, texts);
        let mut seen = HashSet::new();
        while let Some((number, result)) = stream.next().await {
            assert_eq!(result.unwrap(), texts[number].len());
            assert!(seen.insert(number));
        }
        assert_eq!(seen.len(), texts.len());
    });
}

#[test]
fn only_the_item_that_ran_fails() {
    run(async {
        let pool = pool(2);
        for size in [1, 10, 1000] {
            let items = (0..1000).map(|n| (n, 500));
            let mut map = pool.map(dies_at, items.clone()).chunk_size(size);
            for n in 0..1000 {
                let result = map.next().await.unwrap();
                if n == 500 {
                    let error = result.unwrap_err();
                    assert_eq!(error.failure().and_then(|f| f.signal()), Some(6), "{error}");
                } else {
                    assert_eq!(result.unwrap(), n);
                }
            }
            assert!(map.next().await.is_none());
            let mut map = pool.map(panics_at, items).chunk_size(size);
            for n in 0..1000 {
                match map.next().await.unwrap() {
                    Ok(m) => assert!(m == n && n != 500),
                    Err(ProcessError::Panicked(panic)) => {
                        assert!(n == 500 && panic.message.contains("not this one"));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
}

#[test]
fn a_deadline_is_each_items() {
    run(async {
        let pool = pool(1);
        let times = [1, 60_000, 1, 1].map(Duration::from_millis);
        let options = TaskOptions::new().deadline(Duration::from_millis(200));
        let mut map = pool.map(sleep, times).options(options).chunk_size(4);
        let mut failed = Vec::new();
        while let Some(result) = map.next().await {
            failed.push(result.is_err());
        }
        assert_eq!(failed, [false, true, false, false]);
    });
}

#[test]
fn a_dropped_map_leaves_the_workers_free() {
    run(async {
        let pool = pool(2);
        let long = [Duration::from_secs(3600); 100];
        let mut map = pool.map(sleep, long);
        let first = bucle_loop::timeout(Duration::from_millis(50), map.next());
        assert!(first.await.is_err());
        drop(map);
        assert_eq!(pool.submit(square, 3).await.unwrap(), 9);
    });
}
