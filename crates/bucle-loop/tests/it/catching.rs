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
    TaskGroup, catch_cancel, current_task, sleep, spawn, spawn_eager, timeout, yield_now,
};

use crate::{Log, drive, told, turns};

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
    poll_fn(|cx| Poll::Ready(drop(future.as_mut().poll(cx)))).await;
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
