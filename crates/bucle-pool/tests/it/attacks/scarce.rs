//! Few descriptors.

use bucle_macros::process;
use bucle_pool::{Process, ProcessPoolExecutor, Queue};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::deaths::one_more;
use crate::support::{WATCHDOG, pool, run};

/// Has this process have no more than so many descriptors.
fn limit_fds(most: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(most),
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("a lower limit");
}

#[process(crate = bucle_pool)]
fn sum(numbers: &[u64]) -> u64 {
    numbers.iter().sum()
}

#[process(crate = bucle_pool)]
fn echo(numbers: &[u64]) -> Vec<u64> {
    numbers.to_vec()
}

/// In a process of its own. How many tasks came to the right end.
#[process(crate = bucle_pool)]
fn many_large_arguments(tasks: u64) -> u64 {
    limit_fds(256);
    run(async move {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .build()
            .unwrap();
        let numbers = vec![3_u64; 2500];
        let tasks: Vec<_> = (0..tasks).map(|_| pool.submit(sum, &numbers)).collect();
        let mut right = 0;
        for task in tasks {
            match task.await {
                Ok(got) => right += u64::from(got == 7500),
                Err(error) => panic!("{error}"),
            }
        }
        right
    })
}

#[test]
fn arguments_that_wait_take_no_descriptors() {
    run(async {
        let pool = pool(1);
        let right = pool.submit(many_large_arguments, 2000).await.unwrap();
        assert_eq!(right, 2000);
    });
}

/// In a process of its own.
#[process(crate = bucle_pool)]
fn outputs_that_are_kept(tasks: u64) -> u64 {
    limit_fds(256);
    run(async move {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .build()
            .unwrap();
        let numbers = vec![3_u64; 2500];
        let tasks: Vec<_> = (0..tasks).map(|_| pool.submit(echo, &numbers)).collect();
        let mut kept = Vec::new();
        for task in tasks {
            kept.push(task.await.unwrap());
        }
        kept.iter().filter(|kept| **kept == numbers).count() as u64
    })
}

#[test]
fn outputs_that_wait_take_few_descriptors() {
    run(async {
        let pool = pool(1);
        let right = pool.submit(outputs_that_are_kept, 1000).await.unwrap();
        assert_eq!(right, 1000);
    });
}

/// In a process of its own.
#[process(crate = bucle_pool)]
fn map_without_descriptors() -> (usize, usize) {
    run(async {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .build()
            .unwrap();
        pool.submit(one_more, 1).await.unwrap();
        limit_fds(3);
        let numbers = vec![3_u64; 2500];
        let items = vec![&numbers[..]; 10];
        let mut map = pool.map(sum, items.clone()).chunk_size(5);
        let mut ends = 0;
        while map.next().await.is_some() {
            ends += 1;
        }
        limit_fds(256);
        let sums: Vec<u64> = pool.map(sum, items).collect().await.unwrap();
        assert!(pool.shutdown(WATCHDOG).await);
        (ends, sums.len())
    })
}

#[test]
fn a_map_that_has_no_memory_for_its_items_says_so() {
    run(async {
        let pool = pool(1);
        let ends = pool.submit(map_without_descriptors, ()).await.unwrap();
        assert_eq!(ends, (10, 10));
    });
}

/// In a process of its own.
#[process(crate = bucle_pool)]
fn start_when_there_is_room() -> (u32, String) {
    run(async {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .build()
            .unwrap();
        limit_fds(3);
        let task = pool.submit(one_more, 1);
        bucle_loop::sleep(std::time::Duration::from_millis(100)).await;
        limit_fds(256);
        let first = task.await.unwrap();
        drop(pool);
        limit_fds(3);
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .build()
            .unwrap();
        let error = pool.submit(one_more, 1).await.unwrap_err();
        (first, error.to_string())
    })
}

#[test]
fn a_worker_that_has_no_room_now_is_started_later() {
    run(async {
        let pool = pool(1);
        let (first, error) = pool.submit(start_when_there_is_room, ()).await.unwrap();
        assert_eq!(first, 2);
        assert!(error.contains("open files"), "{error}");
    });
}

const LONG: usize = 40_000;

#[process(crate = bucle_pool)]
fn take_and_give(from: Queue<String>, to: Queue<String>) {
    while let Some(text) = from.get_blocking().unwrap() {
        to.put_blocking(&text).unwrap();
    }
}

/// In a process of its own. How many items came back whole, and in order.
#[process(crate = bucle_pool)]
fn queues_of_long_items(items: usize) -> usize {
    limit_fds(100);
    run(async move {
        let (there, back) = (Queue::new(items).unwrap(), Queue::new(items).unwrap());
        let text = |n: usize| format!("{n:05}").repeat(LONG / 5);
        for n in 0..items {
            there.put(&text(n)).await.unwrap();
        }
        there.shutdown();
        let child = Process::spawn(take_and_give, (there.clone(), back.clone()));
        child.await.unwrap().join().await.unwrap();
        assert_eq!(back.qsize(), Some(items));
        let mut right = 0;
        while let Some(item) = back.get().await.unwrap() {
            right += usize::from(item == text(right));
        }
        right
    })
}

#[test]
fn long_items_that_lie_in_a_queue_take_few_descriptors() {
    run(async {
        let pool = pool(1);
        let right = pool.submit(queues_of_long_items, 300).await.unwrap();
        assert_eq!(right, 300);
    });
}
