//! What may catch or hold back a cancellation, where that is tricky: nothing waits for ever, and no
//! request is lost or made twice.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bucle_loop::sync::Event;
use bucle_loop::{
    Cancelled, TaskGroup, TaskHandle, catch_cancel, current_task, spawn, timeout, yield_now,
};

use crate::{drive, turns};

/// Both, side by side in one task, each polled whenever the task is.
async fn both(one: impl Future, other: impl Future) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut one_is_done, mut other_is_done) = (false, false);
    poll_fn(|cx| {
        one_is_done = one_is_done || one.as_mut().poll(cx).is_ready();
        other_is_done = other_is_done || other.as_mut().poll(cx).is_ready();
        match one_is_done && other_is_done {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// Polls `future` once.
async fn once(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

#[test]
fn who_is_cancelled_twice_in_one_turn_is_woken() {
    drive(|| async {
        let task = spawn(async { catch_cancel(pending::<()>()).await.unwrap_err() });
        turns(2).await;
        task.cancel("first");
        // Comes after the first was given to the catch, and before the task runs again.
        let handle = task.handle();
        let second = spawn(async move { handle.cancel("second") });
        assert_eq!(task.await.unwrap().reason(), "first");
        assert!(second.await.unwrap());
    });
}

#[test]
fn the_end_of_the_run_leaves_time_for_a_catch_that_was_just_asked() {
    let saved = Arc::new(AtomicBool::new(false));
    let save = saved.clone();
    drive(|| async {
        let worker = spawn(async move {
            let _ = catch_cancel(pending::<()>()).await;
            save.store(true, Ordering::SeqCst);
        });
        turns(2).await;
        worker.cancel("bye");
        // `run` cancels it again, before it has run.
    });
    assert!(saved.load(Ordering::SeqCst));
}

#[test]
fn a_request_does_not_hide_the_end_of_a_group_s_last_task() {
    drive(|| async {
        let go_on = Rc::new(Event::new());
        let wait = go_on.clone();
        let task = spawn(async move {
            let group = TaskGroup::new();
            group.spawn(async move {
                let _ = catch_cancel(pending::<()>()).await;
                wait.wait().await;
            });
            group.join().await
        });
        turns(3).await;
        task.cancel("first");
        turns(5).await;
        // In the next turn the child ends, which wakes the group; then the second request comes.
        go_on.set();
        let handle = task.handle();
        let second = spawn(async move { handle.cancel("second") });
        let why = task.await.unwrap_err();
        assert_eq!(why.cancelled().unwrap().reason(), "first");
        second.await.unwrap();
    });
}

#[test]
fn two_groups_in_one_task_hold_one_request() {
    for clean_up in 0..3 {
        drive(move || async move {
            let task = spawn(async move {
                let (one, other) = (TaskGroup::new(), TaskGroup::new());
                one.spawn(pending::<()>());
                other.spawn(async move {
                    if clean_up == 0 {
                        pending::<()>().await;
                    }
                    let _ = catch_cancel(pending::<()>()).await;
                    turns(clean_up - 1).await;
                });
                both(one.join(), other.join()).await;
                unreachable!("it was cancelled");
            });
            turns(4).await;
            task.cancel("once");
            let why = task.await.unwrap_err();
            assert_eq!(why.cancelled().unwrap().reason(), "once");
        });
    }
}

#[test]
fn a_group_that_is_dropped_while_it_holds_a_request_passes_it_on() {
    drive(|| async {
        let task = spawn(async {
            let group = TaskGroup::new();
            group.spawn(async {
                let _ = catch_cancel(pending::<()>()).await;
                pending::<()>().await;
            });
            let joined = timeout(Duration::from_millis(50), group.join()).await;
            assert!(joined.is_err());
            pending::<()>().await;
        });
        turns(3).await;
        task.cancel("please end");
        let why = task.await.unwrap_err();
        assert_eq!(why.cancelled().unwrap().reason(), "please end");
    });
}

#[test]
fn a_catch_around_a_dropped_group_gets_what_that_held() {
    drive(|| async {
        let task = spawn(async {
            catch_cancel(async {
                let group = TaskGroup::run(async |group| {
                    group.spawn(async {
                        let _ = catch_cancel(pending::<()>()).await;
                        pending::<()>().await;
                    });
                    pending::<()>().await;
                });
                let _ = timeout(Duration::from_millis(50), group).await;
                pending::<()>().await;
            })
            .await
            .unwrap_err()
        });
        turns(3).await;
        task.cancel("please end");
        assert_eq!(task.await.unwrap().reason(), "please end");
    });
}

#[test]
fn a_catch_that_outlives_the_one_around_it_leaves_nothing_behind() {
    drive(|| async {
        let mut inner = Box::pin(catch_cancel(pending::<()>()));
        // Begun inside of an outer place, which is left; another one takes its number.
        let _ = catch_cancel(once(inner.as_mut())).await;
        let mut outer = Box::pin(catch_cancel(pending::<()>()));
        once(outer.as_mut()).await;
        drop(inner);
        drop(outer);
    });
}

#[test]
fn a_catch_is_within_the_one_it_is_polled_in_now() {
    drive(|| async {
        let task = spawn(async {
            let mut inner = Box::pin(catch_cancel(pending::<()>()));
            // Begun outside of the other.
            once(inner.as_mut()).await;
            let outer = catch_cancel(async {
                let caught = inner.await.unwrap_err();
                yield_now().await;
                caught
            });
            outer.await.expect("only the inner one caught it")
        });
        turns(3).await;
        task.cancel("for the inner one");
        assert_eq!(task.await.unwrap().reason(), "for the inner one");
    });
}

#[test]
fn a_catch_that_outlives_the_one_around_it_is_within_the_next_one() {
    drive(|| async {
        let task = spawn(async {
            let mut inner = Box::pin(catch_cancel(pending::<()>()));
            let outer = catch_cancel(async {
                let _ = catch_cancel(once(inner.as_mut())).await;
                // The middle one is left; nothing polls the inner one before it is cancelled.
                yield_now().await;
                inner.await.unwrap_err()
            });
            outer.await.expect("only the inner one caught it")
        });
        yield_now().await;
        task.cancel("for the inner one");
        assert_eq!(task.await.unwrap().reason(), "for the inner one");
    });
}

#[test]
fn errors_of_a_cancelled_group_reach_who_awaits_the_task() {
    drive(|| async {
        let task = spawn(async {
            TaskGroup::run(async |group| {
                group.spawn(async {
                    let _ = catch_cancel(pending::<()>()).await;
                    Err::<(), _>("the data could not be saved")
                });
                pending::<()>().await;
            })
            .await
        });
        turns(4).await;
        task.cancel("stop");
        let errors = task.await.expect("the errors go first").unwrap_err();
        let error = errors.exceptions()[0].error().to_string();
        assert_eq!(error, "the data could not be saved");
    });
}

#[test]
fn who_waits_after_the_errors_of_a_cancelled_group_is_cancelled_there() {
    drive(|| async {
        let seen = Rc::new(Cell::new(false));
        let saw = seen.clone();
        let task = spawn(async move {
            let group = TaskGroup::new();
            group.spawn(async {
                let _ = catch_cancel(pending::<()>()).await;
                Err::<(), _>("not saved")
            });
            saw.set(group.join().await.is_err());
            assert!(current_task().unwrap().cancelling());
            pending::<()>().await;
        });
        turns(4).await;
        task.cancel("stop");
        let why = task.await.unwrap_err();
        assert_eq!(why.cancelled().unwrap().reason(), "stop");
        assert!(seen.get());
    });
}

/// Takes the request back as soon as the task has it, and not one of its places.
async fn uncancel(task: &TaskHandle) {
    while task.uncancel().is_none() {
        assert!(!task.done(), "too late");
        yield_now().await;
    }
}

#[test]
fn a_request_that_a_group_passed_on_can_be_taken_back() {
    drive(|| async {
        let task = spawn(async {
            let group = TaskGroup::new();
            group.spawn(pending::<()>());
            group.join().await.map(|()| "went on")
        });
        turns(2).await;
        task.cancel("a mistake");
        // From now on it is the group's, which passes it on when its task has ended.
        yield_now().await;
        uncancel(&task.handle()).await;
        assert_eq!(task.await.unwrap().unwrap(), "went on");
    });
}

#[test]
fn a_body_that_a_request_dropped_is_an_error_when_that_is_taken_back() {
    drive(|| async {
        let task = spawn(TaskGroup::run(async |group| {
            group.spawn(pending::<()>());
            pending::<()>().await;
        }));
        turns(2).await;
        task.cancel("a mistake");
        yield_now().await;
        uncancel(&task.handle()).await;
        let errors = task.await.unwrap().unwrap_err();
        let why = errors.exceptions()[0].error();
        assert_eq!(
            why.downcast_ref::<Cancelled>().unwrap().reason(),
            "a mistake"
        );
    });
}

#[test]
fn what_a_group_passed_on_may_be_absorbed_beside_it() {
    for absorb in [true, false] {
        drive(move || async move {
            let task = spawn(async move {
                let group = TaskGroup::new();
                group.spawn(pending::<()>());
                let catches = async {
                    // The first is that of the task, the second what the group passes on.
                    let _ = catch_cancel(pending::<()>()).await;
                    if absorb {
                        let _ = catch_cancel(pending::<()>()).await;
                    }
                };
                both(group.join(), catches).await;
                "went on"
            });
            turns(2).await;
            task.cancel("stop");
            let ended = task.await;
            assert_eq!(ended.is_ok(), absorb, "{ended:?}");
        });
    }
}
