//! `TaskGroup`.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{
    ExceptionGroup, GroupHandle, Panic, TaskBuilder, TaskError, TaskGroup, all_tasks, catch_cancel,
    current_task, get_running_loop, on_cancel, sleep, spawn, spawn_named, timeout, yield_now,
};

use crate::{Log, drive, quiet_panic, told, turns};

#[derive(Debug, PartialEq)]
struct Broken(u32);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken {}", self.0)
    }
}

impl std::error::Error for Broken {}

async fn breaks_after(count: usize, number: u32) -> Result<(), Broken> {
    turns(count).await;
    Err(Broken(number))
}

/// The numbers of the `Broken` errors, in order; another error fails the test.
fn numbers(group: &ExceptionGroup) -> Vec<u32> {
    let leaves = group.leaves().into_iter();
    leaves
        .map(|error| error.downcast_ref::<Broken>().expect("a Broken").0)
        .collect()
}

/// Sets the flag when its future is dropped.
struct Ended(Rc<Cell<u32>>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn all_tasks_end_before_it_does_also_those_spawned_late() {
    drive(|| async {
        let group = TaskGroup::new();
        let one = group.spawn(async {
            turns(3).await;
            Ok::<_, Broken>(42)
        });
        turns(2).await;
        let two = group.spawn(async {
            turns(4).await;
            Ok::<_, Broken>("eleven")
        });
        assert_eq!(group.len(), 2);
        group.join().await.unwrap();
        assert!(one.done() && two.done());
        assert_eq!(one.await.unwrap(), 42);
        assert_eq!(two.await.unwrap(), "eleven");
        TaskGroup::new().join().await.unwrap();
    });
}

#[test]
fn the_body_s_value_comes_back_after_the_tasks() {
    drive(|| async {
        let ended = Rc::new(Cell::new(0));
        let inside = Ended(ended.clone());
        let value = TaskGroup::run(async |group| {
            group.spawn(async move {
                let _inside = inside;
                turns(5).await;
            });
            "the body's"
        })
        .await;
        assert_eq!(value.unwrap(), "the body's");
        assert_eq!(ended.get(), 1);
        let none = TaskGroup::run(async |_| Ok::<_, Broken>(())).await;
        none.unwrap();
    });
}

#[test]
fn cancelling_one_task_is_no_error() {
    drive(|| async {
        let group = TaskGroup::new();
        let one = group.spawn(pending::<()>());
        turns(2).await;
        one.cancel("this one alone");
        let two = group.spawn(async {
            turns(2).await;
            11
        });
        group.join().await.unwrap();
        assert!(one.cancelled());
        assert_eq!(two.await.unwrap(), 11);
    });
}

#[test]
fn an_error_cancels_the_others_and_the_body() {
    drive(|| async {
        let passed = Rc::new(Cell::new(0));
        let ended = Rc::new(Cell::new(0));
        let (in_task, in_body) = (Ended(ended.clone()), Ended(ended.clone()));
        let (count_task, count_body) = (passed.clone(), passed.clone());
        let result = TaskGroup::run(async |group| {
            let failing = group.spawn_named("failing", breaks_after(2, 1));
            let other = group.spawn(async move {
                let _in_task = in_task;
                pending::<()>().await;
                count_task.set(1);
            });
            let _ = (failing, other);
            let _in_body = in_body;
            pending::<()>().await;
            count_body.set(10);
        })
        .await;
        let errors = result.unwrap_err();
        assert_eq!(numbers(&errors), [1]);
        assert_eq!(
            errors.exceptions()[0].task().unwrap().name(),
            Some("failing")
        );
        assert_eq!((passed.get(), ended.get()), (0, 2));
    });
}

#[test]
fn the_tasks_are_told_who_failed() {
    drive(|| async {
        let group = TaskGroup::new();
        group.spawn_named("culprit", breaks_after(1, 7));
        let other = group.spawn(pending::<()>());
        let failed = group.join().await.unwrap_err();
        assert_eq!(numbers(&failed), [7]);
        let error = other.await.unwrap_err();
        let why = error.cancelled().unwrap();
        assert_eq!(why.by().unwrap().name(), Some("culprit"));
        assert_eq!(why.reason(), "task culprit of its group failed: broken 7");
    });
}

#[test]
fn all_errors_are_kept_in_order() {
    drive(|| async {
        let group = TaskGroup::new();
        for number in 1..=3 {
            group.spawn(async move {
                // These fail while they are being cancelled.
                let _ = catch_cancel(pending::<()>()).await;
                breaks_after(number, number as u32).await
            });
        }
        group.spawn(breaks_after(2, 0));
        let errors = group.join().await.unwrap_err();
        assert_eq!(numbers(&errors), [0, 1, 2, 3]);
        assert!(
            errors
                .to_string()
                .starts_with("4 errors in the task group at ")
        );
        assert_eq!(format!("{errors:#}").lines().count(), 5);
    });
}

#[test]
fn a_failed_task_s_handle_says_that_the_group_has_the_error() {
    drive(|| async {
        let group = TaskGroup::new();
        let failed = group.spawn(breaks_after(1, 1));
        let same_turn = group.spawn(breaks_after(1, 2));
        let panicked = group.spawn(async {
            let _ = catch_cancel(pending::<()>()).await;
            quiet_panic("the other way")
        });
        let errors = group.join().await.unwrap_err();
        assert_eq!(errors.exceptions().len(), 2);
        assert!(matches!(failed.await, Err(TaskError::Failed(_))));
        // Its sibling's error came first, in the same turn: it was cancelled before its own.
        assert!(same_turn.cancelled());
        let Err(error) = panicked.await;
        assert_eq!(error.panicked().unwrap().message(), "the other way");
        assert_eq!(errors.find::<Panic>().unwrap().message(), "the other way");
    });
}

#[test]
fn an_error_of_the_body_cancels_the_tasks() {
    drive(|| async {
        for wait in [false, true] {
            let ended = Rc::new(Cell::new(0));
            let tasks = [Ended(ended.clone()), Ended(ended.clone())];
            let result = TaskGroup::run(async |group| {
                for task in tasks {
                    group.spawn(async move {
                        let _task = task;
                        pending::<()>().await;
                    });
                }
                if wait {
                    turns(2).await;
                }
                Err::<(), _>(Broken(5))
            })
            .await;
            let errors = result.unwrap_err();
            assert_eq!(numbers(&errors), [5]);
            assert!(errors.exceptions()[0].task().is_none());
            assert_eq!(ended.get(), 2);
        }
    });
}

#[test]
fn a_panic_of_the_body_passes_through_and_drops_the_tasks() {
    drive(|| async {
        let ended = Rc::new(Cell::new(0));
        let inside = Ended(ended.clone());
        let task = spawn(async move {
            let result = TaskGroup::run(async |group| {
                group.spawn(async move {
                    let _inside = inside;
                    pending::<()>().await;
                });
                turns(2).await;
                quiet_panic("the body")
            });
            let _ = result.await;
        });
        assert!(task.await.unwrap_err().panicked().is_some());
        assert_eq!(ended.get(), 1);
    });
}

#[test]
fn cancelling_who_waits_cancels_the_tasks_and_waits_for_them() {
    drive(|| async {
        let log = Log::<&str>::default();
        for in_body in [false, true] {
            let seen = log.clone();
            let end = log.clone();
            let parent = spawn(async move {
                let result = TaskGroup::run(async |group| {
                    for _ in 0..3 {
                        let seen = seen.clone();
                        group.spawn(async move {
                            let why = catch_cancel(pending::<()>()).await.unwrap_err();
                            assert_eq!(why.reason(), "test");
                            turns(3).await;
                            seen.borrow_mut().push("task");
                        });
                    }
                    if in_body {
                        pending::<()>().await;
                    }
                })
                .await;
                end.borrow_mut().push("not reached");
                result
            });
            turns(2).await;
            assert!(!parent.done());
            parent.cancel("test");
            let error = parent.await.unwrap_err();
            assert_eq!(error.cancelled().unwrap().reason(), "test");
            assert_eq!(*log.borrow(), ["task"; 3]);
            log.borrow_mut().clear();
        }
    });
}

#[test]
fn cancelled_right_when_the_tasks_fail_it_is_cancelled() {
    drive(|| async {
        let reached = Rc::new(Cell::new(false));
        let flag = reached.clone();
        let parent = spawn(async move {
            let result = TaskGroup::run(async |group| {
                for _ in 0..5 {
                    group.spawn(breaks_after(2, 1));
                }
                pending::<()>().await;
            })
            .await;
            drop(result);
            yield_now().await;
            flag.set(true);
        });
        turns(3).await;
        parent.cancel("test");
        let error = parent.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "test");
        assert!(!reached.get());
    });
}

#[test]
fn errors_that_come_while_it_is_cancelled_are_kept_and_the_cancellation_comes_after() {
    drive(|| async {
        let errors = Rc::new(Cell::new(None));
        let keep = errors.clone();
        let parent = spawn(async move {
            let group = TaskGroup::new();
            group.spawn(async {
                let _ = catch_cancel(pending::<()>()).await;
                Err::<(), _>(Broken(3))
            });
            keep.set(Some(group.join().await.unwrap_err()));
            pending::<()>().await;
        });
        turns(3).await;
        parent.cancel("test");
        assert!(parent.await.unwrap_err().cancelled().is_some());
        assert_eq!(numbers(&errors.take().unwrap()), [3]);
    });
}

#[test]
fn groups_nest() {
    drive(|| async {
        // The outer one's task fails: the inner group is in its body, and goes.
        let outer = TaskGroup::run(async |group| {
            group.spawn(breaks_after(2, 1));
            TaskGroup::run(async |inner| {
                inner.spawn(breaks_after(50, 2));
            })
            .await
        });
        assert_eq!(numbers(&outer.await.unwrap_err()), [1]);
        // The inner one fails: its group of errors is the body's error.
        let outer = TaskGroup::run(async |group| {
            group.spawn(breaks_after(50, 1));
            TaskGroup::run(async |inner| {
                inner.spawn(breaks_after(2, 2));
            })
            .await
        });
        let errors = outer.await.unwrap_err();
        assert_eq!(numbers(&errors), [2]);
        assert_eq!(errors.exceptions().len(), 1);
        assert!(errors.exceptions()[0].error().is::<ExceptionGroup>());
        assert_eq!(format!("{errors:#}").lines().count(), 3);
    });
}

#[test]
fn a_cancellation_passes_through_nested_groups() {
    drive(|| async {
        let ended = Rc::new(Cell::new(0));
        let (one, two) = (Ended(ended.clone()), Ended(ended.clone()));
        let parent = spawn(async move {
            TaskGroup::run(async |outer| {
                outer.spawn(async move {
                    let _one = one;
                    pending::<()>().await;
                });
                TaskGroup::run(async |inner| {
                    inner.spawn(async move {
                        let _two = two;
                        pending::<()>().await;
                    });
                    pending::<()>().await;
                })
                .await
            })
            .await
        });
        turns(3).await;
        parent.cancel("all of it");
        let error = parent.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "all of it");
        assert_eq!(error.cancelled().unwrap().steps().len(), 2);
        assert_eq!(ended.get(), 2);
    });
}

#[test]
fn a_catch_in_the_body_comes_before_the_group() {
    drive(|| async {
        let parent = spawn(async {
            TaskGroup::run(async |group| {
                let task = group.spawn(async {
                    turns(6).await;
                    "went on"
                });
                assert!(catch_cancel(pending::<()>()).await.is_err());
                task.await.unwrap()
            })
            .await
        });
        turns(3).await;
        parent.cancel("for the catch");
        assert_eq!(parent.await.unwrap().unwrap(), "went on");
    });
}

#[test]
fn a_catch_around_the_group_goes_on_after_its_tasks_have_ended() {
    drive(|| async {
        let ended = Rc::new(Cell::new(0));
        let (inside, seen) = (Ended(ended.clone()), ended.clone());
        let parent = spawn(async move {
            let work = TaskGroup::run(async |group| {
                group.spawn(async move {
                    let _inside = inside;
                    let _ = catch_cancel(pending::<()>()).await;
                    turns(4).await;
                });
            });
            let caught = catch_cancel(work).await;
            assert_eq!(seen.get(), 1);
            caught.unwrap_err()
        });
        turns(3).await;
        parent.cancel("twice");
        turns(2).await;
        parent.cancel("is once");
        assert_eq!(parent.await.unwrap().reason(), "twice");
    });
}

#[test]
fn dropping_it_drops_the_futures_before_the_drop_returns() {
    drive(|| async {
        let ended = Rc::new(Cell::new(0));
        let group = TaskGroup::new();
        let handles: Vec<_> = (0..4)
            .map(|n| {
                let inside = Ended(ended.clone());
                group.spawn(async move {
                    let _inside = inside;
                    if n == 0 {
                        // Can't hold a drop up.
                        let _ = catch_cancel(pending::<()>()).await;
                    }
                    pending::<()>().await;
                })
            })
            .collect();
        turns(2).await;
        drop(group);
        assert_eq!(ended.get(), 4);
        assert_eq!(all_tasks().len(), 1);
        for handle in handles {
            let error = handle.await.unwrap_err();
            assert_eq!(
                error.cancelled().unwrap().reason(),
                "the task group was dropped"
            );
        }
    });
}

#[test]
fn a_timeout_around_it_ends_the_tasks_at_once() {
    drive(|| async {
        let ended = Rc::new(Cell::new(0));
        let inside = Ended(ended.clone());
        let work = TaskGroup::run(async |group| {
            group.spawn(async move {
                let _inside = inside;
                pending::<()>().await;
            });
        });
        assert!(timeout(Duration::from_millis(1), work).await.is_err());
        assert_eq!(ended.get(), 1);
    });
}

#[test]
fn errors_that_nobody_could_take_are_told_of() {
    drive(|| async {
        let told = told();
        let group = TaskGroup::new();
        group.spawn_named("unheard", breaks_after(0, 4));
        turns(2).await;
        drop(group);
        let told = told.borrow();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("`unheard`") && told[0].contains("broken 4"));
    });
}

#[test]
fn tasks_spawn_into_their_group() {
    async fn hydra(group: GroupHandle, heads: Rc<Cell<u32>>) {
        heads.set(heads.get() + 1);
        turns(2).await;
        for _ in 0..2 {
            let head = Box::pin(hydra(group.clone(), heads.clone()));
            group.spawn(head as std::pin::Pin<Box<dyn Future<Output = ()>>>);
        }
    }
    drive(|| async {
        let heads = Rc::new(Cell::new(0));
        let seen = heads.clone();
        let result = TaskGroup::run(async |group| {
            group.spawn(hydra(group.handle(), heads.clone()));
            group.spawn(async move {
                while seen.get() < 10 {
                    yield_now().await;
                }
                Err::<(), _>(Broken(1))
            });
        })
        .await;
        assert_eq!(numbers(&result.unwrap_err()), [1]);
        assert!(heads.get() >= 10);
        assert_eq!(all_tasks().len(), 1);
    });
}

#[test]
fn a_group_that_ends_takes_no_more() {
    drive(|| async {
        let refused = Rc::new(Cell::new(0));
        let count = refused.clone();
        let group = TaskGroup::new();
        let handle = group.handle();
        group.spawn(breaks_after(1, 1));
        group.spawn(async move {
            let _ = catch_cancel(pending::<()>()).await;
            let ended = Ended(count.clone());
            let late = handle.spawn(async move { drop(ended) });
            assert_eq!(count.get(), 1, "its future is gone at once");
            assert!(late.cancelled());
            assert!(late.await.is_err());
        });
        let handle = group.handle();
        assert_eq!(numbers(&group.join().await.unwrap_err()), [1]);
        let late = handle.spawn(async {});
        assert!(late.cancelled());
        assert_eq!(all_tasks().len(), 1);
    });
}

#[test]
fn finished_tasks_are_not_kept() {
    drive(|| async {
        let group = TaskGroup::new();
        for _ in 0..100 {
            drop(group.spawn(async {}));
            turns(2).await;
            assert!(group.is_empty());
        }
        group.join().await.unwrap();
    });
}

#[test]
fn names_places_and_eager_starts() {
    drive(|| async {
        let group = TaskGroup::new();
        let named = group.spawn_named("yolo", yield_now());
        assert_eq!(named.handle().get_name(), "yolo");
        let line = line!() + 1;
        let plain = group.spawn(yield_now());
        assert_eq!(plain.handle().tag().location().line(), line);
        let eager = TaskBuilder::new().eager_start(true);
        let done = group.spawn_with(eager.clone(), async { 3 });
        assert!(done.done());
        let failed = group.spawn_with(eager, async { Err::<(), _>(Broken(8)) });
        assert!(failed.done());
        assert_eq!(done.await.unwrap(), 3);
        assert_eq!(numbers(&group.join().await.unwrap_err()), [8]);
        assert!(plain.cancelled(), "its sibling failed at once");
    });
}

#[test]
fn an_eager_task_whose_eager_sibling_fails_is_cancelled() {
    drive(|| async {
        let group = TaskGroup::new();
        let handle = group.handle();
        let eager = TaskBuilder::new().eager_start(true);
        let outer = group.spawn_with(eager, async move {
            let failing = handle.spawn(async { Err::<(), _>(Broken(2)) });
            let _ = failing.await;
            pending::<()>().await;
        });
        assert_eq!(numbers(&group.join().await.unwrap_err()), [2]);
        assert!(outer.cancelled());
    });
}

#[test]
fn it_can_be_cancelled_without_an_error() {
    drive(|| async {
        let value = TaskGroup::run(async |group| {
            let task = group.spawn(pending::<()>());
            turns(2).await;
            group.cancel("we have what we need");
            turns(2).await;
            assert!(task.cancelled());
            assert!(group.spawn(async {}).cancelled());
            "found it"
        })
        .await;
        assert_eq!(value.unwrap(), "found it");
    });
}

#[test]
fn a_task_may_drop_the_group_it_is_in() {
    drive(|| async {
        let place = Rc::new(Cell::new(Some(TaskGroup::new())));
        let group = place.take().unwrap();
        let inside = place.clone();
        let task = group.spawn(async move {
            drop(inside.take());
            yield_now().await;
            unreachable!("it ends at its next await");
        });
        place.set(Some(group));
        turns(3).await;
        assert!(task.cancelled());
    });
}

#[test]
fn clean_up_of_a_dropped_task_runs_outside_of_the_group() {
    drive(|| async {
        let cleaned = Rc::new(Cell::new(false));
        let flag = cleaned.clone();
        let group = TaskGroup::new();
        group.spawn(
            on_cancel(async move {
                turns(2).await;
                flag.set(true);
            })
            .guard(pending::<()>()),
        );
        turns(2).await;
        drop(group);
        assert!(!cleaned.get());
        turns(5).await;
        assert!(cleaned.get());
    });
}

#[test]
fn the_loop_can_close_with_a_group_in_it() {
    let ended = drive(|| async {
        let task = spawn_named("owner", async {
            let group = TaskGroup::new();
            group.spawn(sleep(Duration::from_secs(3600)));
            let _ = group.join().await;
        });
        turns(2).await;
        let owner = task.handle();
        task.detach();
        get_running_loop().call_soon(move || drop(owner));
        current_task().is_some()
    });
    assert!(ended);
}

#[test]
fn who_has_its_errors_is_not_being_cancelled() {
    drive(|| async {
        let result = TaskGroup::run(async |group| {
            group.spawn(breaks_after(1, 1));
            pending::<()>().await;
        });
        assert_eq!(numbers(&result.await.unwrap_err()), [1]);
        assert!(!current_task().unwrap().cancelling());
        turns(2).await;
    });
}

#[test]
fn an_outer_and_an_inner_group_fail_in_the_same_turn() {
    drive(|| async {
        let inner_saw = Rc::new(Cell::new(0));
        let seen = inner_saw.clone();
        let result = TaskGroup::run(async |outer| {
            let inner = TaskGroup::run(async |inner| {
                inner.spawn(breaks_after(1, 1));
                outer.spawn(breaks_after(1, 2));
                pending::<()>().await;
            });
            if let Err(errors) = inner.await {
                seen.set(numbers(&errors)[0]);
            }
            pending::<()>().await;
        });
        assert_eq!(numbers(&result.await.unwrap_err()), [2]);
        assert_eq!(inner_saw.get(), 1, "the body went on until its next wait");
        assert!(!current_task().unwrap().cancelling());
    });
}
