//! `Barrier` as asyncio has it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use bucle_loop::sync::{Barrier, BrokenBarrierError};
use bucle_loop::{Task, gather, run, spawn, yield_now};

use super::turns;
use crate::{WATCHDOG, within};

const N: usize = 5;

fn state(barrier: &Barrier) -> String {
    let text = format!("{barrier:?}");
    let rest = text.split("state: ").nth(1).unwrap();
    rest.split(',').next().unwrap().to_string()
}

/// `n` tasks of the same body, all gathered.
async fn all<F: Future + 'static>(n: usize, body: impl Fn() -> F) -> Vec<F::Output> {
    gather((0..n).map(|_| body())).await.unwrap()
}

fn waiter(barrier: &Rc<Barrier>) -> Task<Result<usize, BrokenBarrierError>> {
    let barrier = barrier.clone();
    spawn(async move { barrier.wait().await })
}

#[test]
fn making_the_future_of_wait_counts_nothing() {
    let barrier = Barrier::new(N);
    drop(barrier.wait());
    assert_eq!(barrier.n_waiting(), 0);
    assert_eq!(state(&barrier), "Filling");
}

#[test]
fn its_states_can_be_seen() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let mut tasks = vec![waiter(&barrier), waiter(&barrier)];
            yield_now().await;
            assert_eq!(state(&barrier), "Filling");
            assert!(format!("{barrier:?}").contains("waiting: 2 of 5"));
            tasks.extend((2..N).map(|_| waiter(&barrier)));
            yield_now().await;
            assert_eq!(state(&barrier), "Draining");
            barrier.reset();
            assert_eq!(state(&barrier), "Resetting");
            tasks.extend([waiter(&barrier), waiter(&barrier)]);
            barrier.abort();
            assert_eq!(state(&barrier), "Broken");
            assert!(barrier.broken());
            let results: Vec<_> = gather(tasks).await.unwrap();
            assert_eq!(results.iter().filter(|r| matches!(r, Ok(Ok(_)))).count(), 1);
        })
        .unwrap();
    });
}

#[test]
#[should_panic(expected = "one party at least")]
fn none_is_no_number_of_parties() {
    let _ = Barrier::new(0);
}

#[test]
fn each_gets_another_number() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(3));
            assert_eq!(barrier.parties(), 3);
            let numbers = all(3, || {
                let barrier = barrier.clone();
                async move { barrier.wait().await.unwrap() }
            })
            .await;
            assert_eq!(numbers, [0, 1, 2]);
            assert_eq!(barrier.n_waiting(), 0);
            assert!(!barrier.broken());
        })
        .unwrap();
    });
}

#[test]
fn one_party_never_waits() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Barrier::new(1);
            for _ in 0..3 {
                assert_eq!(barrier.wait().await, Ok(0));
                assert_eq!(barrier.n_waiting(), 0);
            }
            assert!(!barrier.broken());
        })
        .unwrap();
    });
}

#[test]
fn it_fills_one_by_one() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(3));
            let mut tasks = Vec::new();
            for waiting in 1..=2 {
                tasks.push(waiter(&barrier));
                yield_now().await;
                assert_eq!(barrier.n_waiting(), waiting);
                assert_eq!(state(&barrier), "Filling");
            }
            tasks.push(waiter(&barrier));
            gather(tasks).await.unwrap();
            assert_eq!(barrier.n_waiting(), 0);
        })
        .unwrap();
    });
}

#[test]
fn it_is_passed_again_and_again() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let log = Rc::new(RefCell::new(Vec::new()));
            let mut numbers = all(N, || {
                let (barrier, log) = (barrier.clone(), log.clone());
                async move {
                    barrier.wait().await.unwrap();
                    log.borrow_mut().push(1);
                    let number = barrier.wait().await.unwrap();
                    log.borrow_mut().push(2);
                    number
                }
            })
            .await;
            numbers.sort_unstable();
            assert_eq!(numbers, [0, 1, 2, 3, 4]);
            assert_eq!(*log.borrow(), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
            assert_eq!(barrier.n_waiting(), 0);
        })
        .unwrap();
    });
}

#[test]
fn it_drains_until_the_last_has_left() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let states = Rc::new(RefCell::new(Vec::new()));
            all(N, || {
                let (barrier, states) = (barrier.clone(), states.clone());
                async move {
                    barrier.wait().await.unwrap();
                    states.borrow_mut().push(state(&barrier));
                }
            })
            .await;
            let states = states.borrow();
            assert!(states[..N - 1].iter().all(|state| state == "Draining"));
            assert_eq!(states[N - 1], "Filling");
        })
        .unwrap();
    });
}

#[test]
fn who_comes_while_it_drains_waits_for_the_next_time() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let of_the_others = Rc::new(Barrier::new(N - 2));
            let again = Rc::new(Cell::new(2));
            all(N, || {
                let (barrier, others) = (barrier.clone(), of_the_others.clone());
                let again = again.clone();
                async move {
                    barrier.wait().await.unwrap();
                    if again.get() > 0 {
                        again.set(again.get() - 1);
                    } else {
                        others.wait().await.unwrap();
                    }
                    barrier.wait().await.unwrap();
                }
            })
            .await;
        })
        .unwrap();
    });
}

#[test]
fn one_that_is_cancelled_is_no_longer_counted() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(3));
            let first = waiter(&barrier);
            let second = waiter(&barrier);
            yield_now().await;
            assert_eq!(barrier.n_waiting(), 2);
            super::cancel(first).await;
            assert_eq!(barrier.n_waiting(), 1);
            let third = waiter(&barrier);
            yield_now().await;
            assert_eq!(barrier.n_waiting(), 2);
            let fourth = waiter(&barrier);
            let numbers = gather([second, third, fourth]).await.unwrap();
            let numbers: Vec<_> = numbers.into_iter().map(|n| n.unwrap().unwrap()).collect();
            assert_eq!(numbers, [0, 1, 2], "each another one, in spite of the gap");
            assert_eq!(barrier.n_waiting(), 0);
            assert!(!barrier.broken());
        })
        .unwrap();
    });
}

#[test]
fn resetting_an_empty_one_does_nothing() {
    let barrier = Barrier::new(1);
    barrier.reset();
    assert_eq!(barrier.n_waiting(), 0);
    assert!(!barrier.broken());
    assert_eq!(state(&barrier), "Filling");
}

#[test]
fn resetting_sends_those_that_wait_away() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let tasks: Vec<_> = (1..N).map(|_| waiter(&barrier)).collect();
            yield_now().await;
            barrier.reset();
            for task in tasks {
                assert_eq!(task.await.unwrap(), Err(BrokenBarrierError));
            }
            assert_eq!(barrier.n_waiting(), 0);
            assert_eq!(state(&barrier), "Filling");
        })
        .unwrap();
    });
}

#[test]
fn resetting_sends_those_away_that_were_yet_to_leave() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let left = Rc::new(Cell::new(0));
            let results = all(N, || {
                let (barrier, left) = (barrier.clone(), left.clone());
                async move {
                    let result = barrier.wait().await;
                    if result.is_ok() {
                        left.set(left.get() + 1);
                        if left.get() == N - N / 2 {
                            barrier.reset();
                        }
                    }
                    result
                }
            })
            .await;
            assert_eq!(results.iter().filter(|r| r.is_err()).count(), N / 2);
            assert_eq!(state(&barrier), "Filling");
        })
        .unwrap();
    });
}

#[test]
fn a_reset_spares_those_that_came_for_the_next_time() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let (left, sent_away, spoilt) = (Cell::new(0), Cell::new(0), Cell::new(0));
            let counts = Rc::new((left, sent_away, spoilt));
            all(N, || {
                let (barrier, counts) = (barrier.clone(), counts.clone());
                async move {
                    let (left, sent_away, spoilt) = &*counts;
                    if barrier.wait().await.is_err() {
                        sent_away.set(sent_away.get() + 1);
                        barrier.wait().await.unwrap();
                        return;
                    }
                    left.set(left.get() + 1);
                    if left.get() > N / 2 {
                        barrier.reset();
                        barrier.wait().await.unwrap();
                    } else if barrier.wait().await.is_err() {
                        spoilt.set(spoilt.get() + 1);
                    }
                }
            })
            .await;
            let (_, sent_away, spoilt) = &*counts;
            assert_eq!((sent_away.get(), spoilt.get()), (N / 2, 0));
            assert_eq!(barrier.n_waiting(), 0);
            assert!(!barrier.broken());
        })
        .unwrap();
    });
}

#[test]
fn those_that_were_sent_away_may_wait_again() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let tasks: Vec<_> = (1..N)
                .map(|_| {
                    let barrier = barrier.clone();
                    spawn(async move {
                        assert_eq!(barrier.wait().await, Err(BrokenBarrierError));
                        barrier.wait().await
                    })
                })
                .collect();
            yield_now().await;
            barrier.reset();
            let last = waiter(&barrier);
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            last.await.unwrap().unwrap();
            assert_eq!(barrier.n_waiting(), 0);
            assert!(!barrier.broken());
        })
        .unwrap();
    });
}

#[test]
fn a_reset_by_the_last_to_leave_spares_all() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let left = Rc::new(Cell::new(0));
            let third_times = all(N, || {
                let (barrier, left) = (barrier.clone(), left.clone());
                async move {
                    barrier.wait().await.unwrap();
                    left.set(left.get() + 1);
                    if left.get() == N {
                        // The others came again, but are yet to come in.
                        assert_eq!(barrier.n_waiting(), 0);
                        barrier.reset();
                    }
                    barrier.wait().await.unwrap();
                    barrier.wait().await
                }
            })
            .await;
            assert!(third_times.iter().all(Result::is_ok));
            assert_eq!(barrier.n_waiting(), 0);
            assert!(!barrier.broken());
        })
        .unwrap();
    });
}

#[test]
fn an_aborted_one_is_broken_until_it_is_reset() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(2));
            let early = waiter(&barrier);
            yield_now().await;
            barrier.abort();
            assert!(barrier.broken());
            assert_eq!(barrier.n_waiting(), 0);
            assert_eq!(early.await.unwrap(), Err(BrokenBarrierError));
            assert_eq!(barrier.wait().await, Err(BrokenBarrierError));
            barrier.reset();
            assert!(!barrier.broken());
            let both = [waiter(&barrier), waiter(&barrier)];
            for task in both {
                task.await.unwrap().unwrap();
            }
        })
        .unwrap();
    });
}

#[test]
fn aborting_sends_away_those_that_leave_and_those_that_came_early() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(N));
            let left = Rc::new(Cell::new(0));
            let sent_away = Rc::new(RefCell::new((0, 0)));
            all(N, || {
                let (barrier, left, sent_away) = (barrier.clone(), left.clone(), sent_away.clone());
                async move {
                    if barrier.wait().await.is_err() {
                        sent_away.borrow_mut().0 += 1;
                        return;
                    }
                    left.set(left.get() + 1);
                    if left.get() > N / 2 {
                        barrier.abort();
                    } else if barrier.wait().await.is_err() {
                        sent_away.borrow_mut().1 += 1;
                    }
                }
            })
            .await;
            assert!(barrier.broken());
            assert_eq!(*sent_away.borrow(), (N / 2, N - N / 2 - 1));
            assert_eq!(barrier.n_waiting(), 0);
        })
        .unwrap();
    });
}

/// One party fails after the first time, so that the second would wait for ever.
#[test]
fn a_party_that_fails_aborts_it_for_the_others() {
    within(WATCHDOG, || {
        run(async {
            let first = Rc::new(Barrier::new(N));
            let second = Rc::new(Barrier::new(N));
            let aborted = all(N, || {
                let (first, second) = (first.clone(), second.clone());
                async move {
                    let aborted = match first.wait().await {
                        Ok(number) if number == N / 2 => {
                            first.abort();
                            false
                        }
                        Ok(_) => first.wait().await.is_err(),
                        Err(BrokenBarrierError) => true,
                    };
                    // Everybody meets at another one; there the first is mended and used again.
                    if second.wait().await.unwrap() == N / 2 {
                        first.reset();
                    }
                    second.wait().await.unwrap();
                    first.wait().await.unwrap();
                    aborted
                }
            })
            .await;
            assert_eq!(aborted.iter().filter(|aborted| **aborted).count(), N - 1);
            assert!(!first.broken());
            assert_eq!(first.n_waiting(), 0);
        })
        .unwrap();
    });
}

#[test]
fn those_that_came_early_are_enough_for_the_next_time_by_themselves() {
    within(WATCHDOG, || {
        run(async {
            let barrier = Rc::new(Barrier::new(2));
            // Six at once: three pairs, though nobody comes after the first two have left.
            let tasks: Vec<_> = (0..6).map(|_| waiter(&barrier)).collect();
            turns(8).await;
            for (place, task) in tasks.into_iter().enumerate() {
                assert!(task.done());
                assert!(task.await.unwrap().unwrap() < 2, "{place}");
            }
        })
        .unwrap();
    });
}
