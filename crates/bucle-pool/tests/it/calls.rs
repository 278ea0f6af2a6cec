//! Arguments, outputs, panics.

use std::collections::BTreeMap;

use bucle_macros::process;
use bucle_pool::{ProcessError, ProcessPoolExecutor, Shared};
use serde::{Deserialize, Serialize};

use crate::support::{pool, run};

#[process(crate = bucle_pool)]
fn nothing() {}

#[process(crate = bucle_pool)]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[process(crate = bucle_pool)]
fn own_pid() -> u32 {
    std::process::id()
}

#[process(crate = bucle_pool)]
fn sum(numbers: &[f64]) -> f64 {
    numbers.iter().sum()
}

#[process(crate = bucle_pool)]
fn double(numbers: Vec<f64>, name: &str) -> Vec<f64> {
    assert_eq!(name, "twice");
    numbers.into_iter().map(|number| number * 2.0).collect()
}

#[process(crate = bucle_pool)]
fn plus(numbers: &[u64], more: u64) -> Shared<u64> {
    let mut out = Shared::new(numbers.len()).expect("memory");
    assert!(out.iter().all(|number| *number == 0));
    for (out, number) in out.iter_mut().zip(numbers) {
        *out = number + more;
    }
    out
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    name: String,
    amounts: BTreeMap<String, i64>,
    note: Option<Box<Order>>,
}

#[process(crate = bucle_pool)]
fn total(order: &Order, factor: Option<i64>) -> Result<i64, String> {
    let all: i64 = order.amounts.values().sum();
    match factor {
        Some(0) => Err(format!("{} can't be had for nothing", order.name)),
        factor => Ok(all * factor.unwrap_or(1)),
    }
}

#[process(crate = bucle_pool)]
fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        n
    } else {
        fibonacci(n - 1) + fibonacci(n - 2)
    }
}

#[process(crate = bucle_pool)]
fn panics(text: &str) {
    panic!("oh no: {text}");
}

#[test]
fn functions_are_called_here_and_there() {
    assert_eq!(add(1, 2), 3);
    run(async {
        let pool = pool(2);
        assert_eq!(pool.submit(add, (1, 2)).await.unwrap(), 3);
        pool.submit(nothing, ()).await.unwrap();
        assert_eq!(pool.submit(fibonacci, 15).await.unwrap(), 610);
        assert_ne!(pool.submit(own_pid, ()).await.unwrap(), std::process::id());
        assert_eq!(pool.submit(sum, &[1.0, 2.5][..]).await.unwrap(), 3.5);
        let doubled = pool.submit(double, (vec![1.0, 2.0], "twice")).await;
        assert_eq!(doubled.unwrap(), [2.0, 4.0]);
    });
}

#[test]
fn structures_and_results() {
    run(async {
        let pool = pool(1);
        let inner = Order {
            name: "inner".into(),
            amounts: BTreeMap::new(),
            note: None,
        };
        let order = Order {
            name: "tea".into(),
            amounts: [("a".to_string(), 2), ("b".to_string(), -5)].into(),
            note: Some(Box::new(inner)),
        };
        assert_eq!(pool.submit(total, (&order, Some(3))).await.unwrap(), Ok(-9));
        let refused = pool.submit(total, (&order, Some(0))).await.unwrap();
        assert_eq!(refused.unwrap_err(), "tea can't be had for nothing");
    });
}

#[test]
fn large_arguments_and_outputs() {
    run(async {
        let pool = pool(2);
        for len in [0, 1, 2000, 2048, 2049, 100_000, 1_000_000] {
            let numbers: Vec<f64> = (0..len).map(f64::from).collect();
            let expected: f64 = numbers.iter().sum();
            assert_eq!(pool.submit(sum, &numbers).await.unwrap(), expected);
            let doubled = pool
                .submit(double, (numbers.clone(), "twice"))
                .await
                .unwrap();
            assert_eq!(doubled.len(), numbers.len());
            assert!(
                doubled
                    .iter()
                    .zip(&numbers)
                    .all(|(two, one)| *two == one * 2.0)
            );
        }
    });
}

#[test]
fn an_output_stays_where_it_lies() {
    run(async {
        let pool = pool(1);
        let mut kept = Vec::new();
        for round in 0..20 {
            for len in [0, 3, 10_000, 100_000] {
                let numbers: Vec<u64> = (0..len).collect();
                let out = pool.submit(plus, (&numbers, round)).await.unwrap();
                assert!(
                    out.iter()
                        .zip(&numbers)
                        .all(|(out, number)| *out == number + round)
                );
                assert_eq!(out.len(), numbers.len());
                if round % 5 == 0 {
                    kept.push((round, out));
                }
            }
        }
        // What is read still was not used again, and is there when the worker is gone.
        drop(pool);
        for (round, mut out) in kept {
            let mut numbers = 0..;
            assert!(
                out.iter()
                    .all(|out| Some(*out) == numbers.next().map(|n: u64| n + round))
            );
            if let Some(first) = out.first_mut() {
                *first += 1;
                assert_eq!(out[0], round + 1);
            }
        }
    });
}

/// How much shared memory this process has mapped, in MiB.
fn mapped() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let lengths = maps
        .lines()
        .filter(|line| line.contains("bucle-output"))
        .map(|line| {
            let range = line
                .split(' ')
                .next()
                .and_then(|range| range.split_once('-'));
            let (start, end) = range.expect("a range");
            let address = |text| u64::from_str_radix(text, 16).expect("an address");
            address(end) - address(start)
        });
    lengths.sum::<u64>() >> 20
}

/// In a process of its own, whose mappings are nobody else's.
#[process(crate = bucle_pool)]
fn receive_much() -> u64 {
    run(async {
        let pool = pool(1);
        let mut len = 1 << 20;
        // Each fits into no earlier one; more than 800 MiB in all.
        for _ in 0..24 {
            let out = pool.submit(zeros, len).await.unwrap();
            assert_eq!(out.len(), len);
            len += len / 4;
        }
        mapped()
    })
}

#[process(crate = bucle_pool)]
fn zeros(len: usize) -> Shared<u8> {
    Shared::unzeroed(len).expect("memory")
}

#[test]
fn memory_that_fits_nothing_is_given_back() {
    run(async {
        let pool = pool(1);
        let mapped = pool.submit(receive_much, ()).await.unwrap();
        // What is kept, and the last one.
        assert!(mapped < 650, "{mapped} MiB of outputs are mapped still");
    });
}

#[test]
fn many_tasks_at_once() {
    run(async {
        let pool = pool(2);
        let tasks: Vec<_> = (0..20_000).map(|n| pool.submit(add, (n, 1))).collect();
        for (n, task) in (0..).zip(tasks) {
            assert_eq!(task.await.unwrap(), n + 1);
        }
        assert_eq!(pool.workers(), 2);
    });
}

#[test]
fn a_panic_is_the_tasks_error() {
    run(async {
        let pool = pool(1);
        let before = pool.submit(own_pid, ()).await.unwrap();
        let error = pool.submit(panics, "it broke").await.unwrap_err();
        let ProcessError::Panicked(panic) = error else {
            panic!("{error}");
        };
        assert_eq!(panic.message, "oh no: it broke");
        assert_eq!(panic.task, "panics");
        assert_eq!(panic.pid, before);
        let location = panic.location.unwrap();
        assert!(location.contains("calls.rs:"), "{location}");
        // The worker lives on.
        assert_eq!(pool.submit(own_pid, ()).await.unwrap(), before);
    });
}

#[test]
fn without_a_loop_there_is_no_pool() {
    let error = ProcessPoolExecutor::new().unwrap_err();
    assert!(error.to_string().contains("no event loop"), "{error}");
}

#[process(crate = bucle_pool)]
fn pause(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}

#[test]
fn what_waits_behind_a_long_task_is_not_overtaken() {
    run(async {
        for both_there in [false, true] {
            let pool = pool(2);
            pool.submit(pause, 0).await.unwrap();
            if both_there {
                let (one, other) = (pool.submit(pause, 200), pool.submit(pause, 200));
                one.await.unwrap();
                other.await.unwrap();
            }
            let long = pool.submit(pause, 2000);
            let early = pool.submit(pause, 5);
            let busy = pool.submit(pause, 10);
            let late: Vec<_> = (0..100).map(|_| pool.submit(pause, 10)).collect();
            early.await.unwrap();
            busy.await.unwrap();
            assert!(!long.done(), "it waited for the long one");
            let over = late.iter().filter(|late| late.done()).count();
            assert!(over < 50, "{over} later ones were before it");
            drop(late);
            long.cancel("the test is over");
        }
    });
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Number { number: u32 },
}

#[process(crate = bucle_pool)]
fn tagged(tagged: Tagged) -> u32 {
    let Tagged::Number { number } = tagged;
    number
}

#[test]
fn what_asks_the_format_what_comes_is_an_error() {
    run(async {
        let pool = pool(1);
        let error = pool.submit(tagged, Tagged::Number { number: 3 }).await;
        let Err(error @ ProcessError::NotDecoded(_)) = error else {
            panic!("{error:?}");
        };
        assert!(error.to_string().contains("`flatten`"), "{error}");
    });
}
