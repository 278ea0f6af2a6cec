//! Queues whose consumers and producers die.

use std::collections::HashSet;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{ChannelError, Process, Queue};

use super::{both, kill};
use crate::support::run;

/// What keeps the loop turning for a moment.
async fn a_moment() {
    bucle_loop::sleep(Duration::from_millis(50)).await;
}

#[process(crate = bucle_pool)]
fn square(jobs: Queue<u64>, results: Queue<u64>) {
    while let Some(job) = jobs.get_blocking().unwrap() {
        results.put_blocking(&(job * job)).unwrap();
    }
}

#[process(crate = bucle_pool)]
fn square_on_loop(jobs: Queue<u64>, results: Queue<u64>) {
    let result = bucle_loop::run(async move {
        // Several tasks use one handle.
        let one = async {
            while let Some(job) = jobs.get().await.unwrap() {
                results.put(&(job * job)).await.unwrap();
            }
        };
        let other = async {
            while let Some(job) = jobs.get().await.unwrap() {
                results.put(&(job * job)).await.unwrap();
            }
        };
        both(one, other).await;
    });
    result.unwrap();
}

#[test]
fn producers_and_consumers() {
    run(async {
        let (jobs, results) = (Queue::new(4).unwrap(), Queue::new(4).unwrap());
        let handles = || (jobs.clone(), results.clone());
        let _one = Process::spawn(square, handles()).await.unwrap();
        let _two = Process::spawn(square, handles()).await.unwrap();
        let _three = Process::spawn(square_on_loop, handles()).await.unwrap();
        let give = async {
            for job in 1..=500 {
                jobs.put(&job).await.unwrap();
                assert!(jobs.qsize().unwrap() <= 4);
            }
            jobs.shutdown();
        };
        let consume = async {
            let mut got = HashSet::new();
            // It ends when all children have ended.
            while let Some(result) = results.get().await.unwrap() {
                assert!(got.insert(result), "{result} twice");
            }
            got
        };
        let ((), got) = both(give, consume).await;
        assert_eq!(got, (1..=500).map(|job| job * job).collect());
        assert!(matches!(jobs.put(&1).await, Err(ChannelError::Closed)));
        assert_eq!(jobs.get().await.unwrap(), None);
    });
}

#[process(crate = bucle_pool)]
fn produce(queue: Queue<(u32, Vec<u8>)>, items: u32) -> bool {
    for item in 0..items {
        // Some are too long for a packet.
        let len = if item % 5 == 0 { 50_000 } else { 10 };
        if queue.put_blocking(&(item, vec![item as u8; len])).is_err() {
            return false;
        }
    }
    true
}

#[test]
fn first_in_first_out_and_bounded() {
    run(async {
        let queue = Queue::new(3).unwrap();
        let child = Process::spawn(produce, (queue.clone(), 100)).await.unwrap();
        a_moment().await;
        assert!(queue.qsize().unwrap() <= 3);
        for expected in 0..100 {
            let (item, bytes) = queue.get().await.unwrap().unwrap();
            assert_eq!(item, expected);
            assert!(bytes.iter().all(|byte| *byte == item as u8));
        }
        assert!(child.join().await.unwrap());
        assert_eq!(queue.get().await.unwrap(), None, "all children are gone");
        // Another child has it: it goes on.
        let again = Process::spawn(produce, (queue.clone(), 1)).await.unwrap();
        assert!(queue.get().await.unwrap().is_some());
        assert!(again.join().await.unwrap());
    });
}

#[test]
fn the_last_handle_of_the_parent_ends_it() {
    run(async {
        let queue = Queue::new(3).unwrap();
        let child = Process::spawn(produce, (queue.clone(), 100)).await.unwrap();
        while queue.qsize() != Some(3) {
            a_moment().await;
        }
        drop(queue);
        assert!(!child.join().await.unwrap(), "its put is an error");
    });
}

/// Takes an item, says so, and never finishes it.
#[process(crate = bucle_pool)]
fn take_one(jobs: Queue<u64>, taken: Queue<u64>) {
    let job = jobs.get_blocking().unwrap().unwrap();
    taken.put_blocking(&job).unwrap();
    super::wait();
}

#[test]
fn a_killed_consumer_takes_its_item_with_it_and_no_other() {
    run(async {
        let (jobs, taken) = (Queue::new(10).unwrap(), Queue::new(10).unwrap());
        for job in 0..10 {
            jobs.put(&job).await.unwrap();
        }
        for expected in 0..3 {
            let args = (jobs.clone(), taken.clone());
            let child = Process::spawn(take_one, args).await.unwrap();
            assert_eq!(taken.get().await.unwrap(), Some(expected));
            kill(&child).await;
        }
        // One that waits is no obstacle either.
        let other = Queue::<u64>::new(1).unwrap();
        let args = (other.clone(), taken.clone());
        let child = Process::spawn(take_one, args).await.unwrap();
        a_moment().await;
        kill(&child).await;
        other.put(&77).await.unwrap();
        assert_eq!(other.get().await.unwrap(), Some(77));
        for expected in 3..10 {
            assert_eq!(jobs.get().await.unwrap(), Some(expected));
        }
        assert_eq!(jobs.get().await.unwrap(), None);
        for job in 0..10 {
            jobs.put(&job).await.unwrap();
        }
        let error = jobs.put(&10).await.unwrap_err();
        assert!(
            matches!(error, ChannelError::Closed),
            "full, and nobody there"
        );
    });
}

/// Asks for an item, and is stopped before it reads the answer.
#[process(crate = bucle_pool)]
fn ask_and_stop(jobs: Queue<u64>) {
    let result = bucle_loop::run(async move {
        let mut get = Box::pin(jobs.get());
        let first =
            std::future::poll_fn(|cx| std::task::Poll::Ready(get.as_mut().poll(cx).is_ready()));
        assert!(!first.await, "there was no item");
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::STOP);
        // Another thread may be the one that the signal stops first.
        super::wait();
    });
    result.unwrap();
}

#[test]
fn what_was_on_its_way_to_a_killed_child_comes_back() {
    run(async {
        let jobs = Queue::new(10).unwrap();
        let child = Process::spawn(ask_and_stop, jobs.clone()).await.unwrap();
        super::stopped(child.pid()).await;
        a_moment().await;
        jobs.put(&1).await.unwrap();
        jobs.put(&2).await.unwrap();
        assert_eq!(jobs.qsize(), Some(1), "the first was sent to the child");
        kill(&child).await;
        assert_eq!(jobs.get().await.unwrap(), Some(1));
        assert_eq!(jobs.get().await.unwrap(), Some(2));
    });
}

/// Gives up waiting for items again and again.
#[process(crate = bucle_pool)]
fn impatient(jobs: Queue<u64>, results: Queue<u64>) {
    let result = bucle_loop::run(async move {
        let mut wait = 0;
        loop {
            wait = (wait + 37) % 500;
            match bucle_loop::timeout(Duration::from_micros(wait), jobs.get()).await {
                Ok(Ok(Some(job))) => results.put(&job).await.unwrap(),
                Ok(_) => return,
                Err(_) => {}
            }
        }
    });
    result.unwrap();
}

#[test]
fn a_wait_that_is_given_up_takes_nothing() {
    run(async {
        let (jobs, results) = (Queue::new(2).unwrap(), Queue::new(2).unwrap());
        let args = (jobs.clone(), results.clone());
        let child = Process::spawn(impatient, args).await.unwrap();
        let give = async {
            for job in 0..500 {
                jobs.put(&job).await.unwrap();
                if job % 3 == 0 {
                    bucle_loop::sleep(Duration::from_micros(job)).await;
                }
            }
            jobs.shutdown();
        };
        let take = async {
            for expected in 0..500 {
                // Given up here, too, now and then.
                let got = loop {
                    let get = results.get();
                    match bucle_loop::timeout(Duration::from_micros(expected), get).await {
                        Ok(got) => break got.unwrap(),
                        Err(_) => continue,
                    }
                };
                assert_eq!(got, Some(expected));
            }
        };
        both(give, take).await;
        child.join().await.unwrap();
    });
}

#[test]
fn random_kills_lose_what_was_taken_and_no_more() {
    const JOBS: u64 = 2000;
    run(async {
        let (jobs, results) = (Queue::new(8).unwrap(), Queue::new(8).unwrap());
        let feed = {
            let jobs = jobs.clone();
            bucle_loop::spawn(async move {
                for job in 0..JOBS {
                    // Between two children there may be none.
                    while jobs.put(&job).await.is_err() {
                        a_moment().await;
                    }
                }
                jobs.shutdown();
            })
        };
        let kills = {
            let (jobs, results) = (jobs.clone(), results.clone());
            bucle_loop::spawn(async move {
                let mut kills = 0;
                let start = || Process::spawn(square, (jobs.clone(), results.clone()));
                let steady = start().await.unwrap();
                for round in 0..20 {
                    let child = start().await.unwrap();
                    bucle_loop::sleep(Duration::from_micros(2000 + round * 731)).await;
                    child.kill();
                    kills += usize::from(child.join().await.is_err());
                }
                steady.join().await.unwrap();
                kills
            })
        };
        let mut got = HashSet::new();
        loop {
            match results.get().await.unwrap() {
                Some(result) => assert!(got.insert(result), "{result} twice"),
                None if feed.done() && kills.done() => break,
                None => a_moment().await,
            }
        }
        feed.await.unwrap();
        let kills = kills.await.unwrap();
        let lost = JOBS as usize - got.len();
        assert!(lost <= kills, "{lost} items are lost by {kills} kills");
    });
}

#[test]
fn what_would_hang_is_an_error() {
    run(async {
        assert!(Queue::<u32>::new(0).is_err());
        let queue = Queue::<u32>::new(1).unwrap();
        let ChannelError::Io(error) = queue.get_blocking().unwrap_err() else {
            panic!("another error");
        };
        assert!(error.to_string().contains("await instead"), "{error}");
        assert!(queue.put_blocking(&1).is_err());
        assert_eq!(queue.qsize(), Some(0));
    });
}
