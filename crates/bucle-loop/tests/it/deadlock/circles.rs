//! Circles, while the rest goes on.

use super::*;

#[test]
fn a_circle_is_told_of_once_and_the_others_go_on() {
    drive(|| async {
        let told = told();
        let first = crosswise();
        while told.borrow().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(told.borrow()[0].contains("only a cancellation can help them"));
        says_crosswise(&told.borrow()[..1]);
        // It is not told again of the same, also when others wait meanwhile.
        for _ in 0..100 {
            spawn(async {}).await.unwrap();
            sleep(Duration::from_micros(100)).await;
        }
        assert_eq!(told.borrow().len(), 1);
        let second = crosswise();
        while told.borrow().len() == 1 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(told.borrow().len(), 2);
        for task in first.iter().chain(&second) {
            task.cancel("enough");
        }
        for task in first.into_iter().chain(second) {
            assert!(task.await.is_err());
        }
    });
}

#[test]
fn a_circle_with_the_main_task_in_it_ends_no_run_while_others_live() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            let watched = watch_in_vain();
            b.detach();
            // Nobody has the means to cancel it until then.
            get_running_loop().call_later(SHORT * 2, move || {
                for task in get_running_loop().all_tasks() {
                    if task.get_name() == "b" {
                        task.cancel("it took too long");
                    }
                }
                drop(watched);
            });
            a.await.unwrap();
        })
    });
}

#[test]
fn a_guard_that_was_given_away_ends_no_run() {
    for simulated in [true, false] {
        within(WATCHDOG, move || {
            let event_loop = match simulated {
                true => EventLoop::builder().simulated(SimOptions::default()),
                false => EventLoop::builder(),
            };
            let event_loop = event_loop.build().unwrap();
            event_loop.set_exception_handler(|_, _| {});
            let result = event_loop.run_until_complete(async {
                let left: &Lock = Box::leak(Box::new(Lock::named("left")));
                let right: &Lock = Box::leak(Box::new(Lock::named("right")));
                let held = right.acquire().await;
                spawn(async move {
                    let guard = left.acquire().await;
                    get_running_loop().call_later(SHORT, move || drop(guard));
                    drop(right.acquire().await);
                })
                .detach();
                turns(2).await;
                drop(left.acquire().await);
                drop(held);
            });
            result.unwrap();
        });
    }
}

/// A task in the circle is cancelled by somebody who has the means: that helps, and the run is not
/// ended before.
fn is_helped(
    watchdog: impl FnOnce([Task<()>; 2]) -> Pin<Box<dyn Future<Output = ()>>> + Send + 'static,
) {
    drive(|| async {
        let told = told();
        watchdog(crosswise()).await;
        assert_eq!(told.borrow().len(), 1, "{told:?}");
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_a_handle() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            let handle = b.handle();
            spawn(async move {
                sleep(SHORT * 2).await;
                handle.cancel("it took too long");
            })
            .detach();
            b.detach();
            a.await.unwrap();
        })
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_the_task_itself() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            spawn(async move {
                sleep(SHORT * 2).await;
                b.cancel("it took too long");
            })
            .detach();
            a.await.unwrap();
        })
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_the_group() {
    drive(|| async {
        let told = told();
        let left = Rc::new(Lock::new());
        let right = Rc::new(Lock::new());
        let _left = left.acquire().await;
        let group = TaskGroup::new();
        let worker = group.spawn_named("worker", {
            let (left, right) = (left.clone(), right.clone());
            async move {
                let _right = right.acquire().await;
                let _left = left.acquire().await;
            }
        });
        turns(2).await;
        spawn(async move {
            sleep(SHORT * 2).await;
            group.cancel("it took too long");
            let _ = group.join().await;
        })
        .detach();
        // Held by the worker, until the group is cancelled.
        let _right = right.acquire().await;
        assert!(worker.await.is_err());
        assert_eq!(told.borrow().len(), 1, "{told:?}");
    });
}

#[test]
fn a_simulation_in_which_only_a_heart_beats_ends() {
    within(WATCHDOG, || {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions {
                max_jumps: 1_000,
                ..SimOptions::default()
            })
            .build()
            .unwrap();
        event_loop.set_exception_handler(|_, _| {});
        let beats = Rc::new(Cell::new(0));
        let result = event_loop.run_until_complete({
            let beats = beats.clone();
            async move {
                spawn(async move {
                    loop {
                        sleep(Duration::from_secs(1)).await;
                        beats.set(beats.get() + 1);
                    }
                })
                .detach();
                Event::named("never").wait().await;
            }
        });
        let why = result.unwrap_err().cancelled().unwrap().clone();
        assert!(why.is_deadlock());
        assert!(why.reason().contains("waits for Event \"never\""), "{why}");
        assert_eq!(beats.get(), 1_000);
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_a_list_of_all_tasks() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            let name = b.get_name();
            b.detach();
            let all = get_running_loop().all_tasks();
            spawn(async move {
                sleep(SHORT * 2).await;
                for task in all {
                    if task.get_name() == name {
                        task.cancel("it took too long");
                    }
                }
            })
            .detach();
            a.await.unwrap();
        })
    });
}

#[test]
fn a_lock_held_by_hand_may_be_given_up_by_anybody() {
    drive(|| async {
        let told = told();
        let lock = Rc::new(Lock::new());
        LockGuard::forget(lock.acquire().await);
        let releaser = lock.clone();
        get_running_loop().call_later(SHORT, move || releaser.release().unwrap());
        drop(lock.acquire().await);
        assert_eq!(*told.borrow(), [""; 0]);
    });
}
