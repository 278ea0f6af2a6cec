//! Cancelling: requests, who catches them, what they meet on their way.

use std::cell::Cell;
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{
    CancelPlace, Cancelled, Gather, TaskError, TaskGroup, catch_cancel, current_task, on_cancel,
    shield, sleep, spawn, spawn_named, timeout, wait_for, yield_now,
};

use crate::{Log, drive, told, turns};

fn why(error: TaskError) -> Cancelled {
    error.cancelled().expect("a cancellation").clone()
}

fn places(cancelled: &Cancelled) -> Vec<CancelPlace> {
    cancelled.steps().iter().map(|step| step.what).collect()
}

#[test]
fn the_first_reason_counts_until_the_task_has_ended() {
    drive(|| async {
        let task = spawn(pending::<()>());
        assert!(!task.cancelling());
        assert!(task.cancel("first"));
        assert!(task.cancelling() && !task.cancelled());
        assert!(task.cancel("second"));
        turns(2).await;
        assert!(task.cancelled() && task.done() && !task.cancelling());
        assert!(!task.cancel("third"));
        assert_eq!(why(task.await.unwrap_err()).reason(), "first");
    });
}

#[test]
fn a_request_that_was_not_obeyed_can_be_taken_back() {
    drive(|| async {
        let task = spawn(async {
            turns(3).await;
            7
        });
        yield_now().await;
        task.cancel("a mistake");
        let taken = task.handle().uncancel().unwrap();
        assert_eq!(taken.reason(), "a mistake");
        assert!(!task.cancelling());
        assert!(task.handle().uncancel().is_none());
        let handle = task.handle();
        assert_eq!(task.await.unwrap(), 7);
        assert!(handle.uncancel().is_none(), "too late is nothing");
    });
}

#[test]
fn a_task_that_asked_for_its_end_and_then_returns_is_cancelled() {
    drive(|| async {
        let task = spawn(async {
            current_task().unwrap().cancel("told so");
            5
        });
        assert_eq!(why(task.await.unwrap_err()).reason(), "told so");
    });
}

#[test]
fn cancelling_the_awaited_future_ends_only_the_await() {
    drive(|| async {
        let future: bucle_loop::Future<u8> = bucle_loop::Future::new();
        let waiter = spawn(future.clone());
        yield_now().await;
        future.cancel("not today");
        let outcome = waiter.await.expect("the task itself was not cancelled");
        assert!(outcome.is_err());
        // And the other way round: the future outlives who waits for it.
        let future: bucle_loop::Future<u8> = bucle_loop::Future::new();
        let waiter = spawn(future.clone());
        yield_now().await;
        waiter.cancel("gone");
        turns(2).await;
        assert!(!future.cancelled());
        future.set_result(1).unwrap();
    });
}

#[test]
fn a_caught_cancellation_is_over() {
    drive(|| async {
        let held = Rc::new(());
        let inside = held.clone();
        let task = spawn(async move {
            let caught = catch_cancel(async move {
                let _held = inside;
                pending::<()>().await;
            })
            .await
            .unwrap_err();
            assert!(!current_task().unwrap().cancelling());
            // It goes on, and awaits again.
            turns(3).await;
            caught
        });
        yield_now().await;
        task.cancel("stop it");
        assert!(task.cancelling());
        let caught = task.await.unwrap();
        assert_eq!(caught.reason(), "stop it");
        assert_eq!(places(&caught), [CancelPlace::CatchCancel]);
        assert_eq!(Rc::strong_count(&held), 1, "what was inside is gone");
    });
}

#[test]
fn the_next_request_after_a_caught_one_is_a_new_one() {
    drive(|| async {
        let task = spawn(async {
            let _ = catch_cancel(pending::<()>()).await;
            pending::<()>().await;
        });
        yield_now().await;
        task.cancel("one");
        turns(3).await;
        assert!(!task.done());
        task.cancel("two");
        assert_eq!(why(task.await.unwrap_err()).reason(), "two");
    });
}

#[test]
fn of_nested_catches_the_innermost_catches() {
    drive(|| async {
        let log = Log::<&str>::default();
        let inner_log = log.clone();
        let task = spawn(async move {
            let outer = catch_cancel(async {
                let inner = catch_cancel(pending::<()>()).await;
                inner_log.borrow_mut().push("inner");
                assert!(inner.is_err());
                pending::<()>().await;
            })
            .await;
            inner_log.borrow_mut().push("outer");
            outer.unwrap_err()
        });
        yield_now().await;
        task.cancel("first");
        turns(3).await;
        assert_eq!(*log.borrow(), ["inner"]);
        task.cancel("second");
        assert_eq!(task.await.unwrap().reason(), "second");
        assert_eq!(*log.borrow(), ["inner", "outer"]);
    });
}

#[test]
fn catches_side_by_side_each_catch() {
    drive(|| async {
        let task = spawn(async {
            let mut one = Box::pin(catch_cancel(pending::<()>()));
            let mut two = Box::pin(catch_cancel(pending::<()>()));
            std::future::poll_fn(move |cx| {
                let one = one.as_mut().poll(cx).is_ready();
                let two = two.as_mut().poll(cx).is_ready();
                assert_eq!(one, two);
                if one {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
        });
        yield_now().await;
        task.cancel("both");
        task.await.unwrap();
    });
}

#[test]
fn a_catch_that_is_dropped_passes_its_cancellation_on() {
    drive(|| async {
        let task = spawn(async {
            let mut catch = Some(Box::pin(catch_cancel(pending::<()>())));
            std::future::poll_fn(|cx| {
                if current_task().unwrap().cancelling() {
                    catch = None;
                }
                if let Some(catch) = &mut catch {
                    assert!(catch.as_mut().poll(cx).is_pending());
                }
                std::task::Poll::<()>::Pending
            })
            .await;
        });
        yield_now().await;
        task.cancel("not lost");
        assert_eq!(why(task.await.unwrap_err()).reason(), "not lost");
    });
}

#[test]
fn a_future_that_is_done_leaves_its_catch() {
    drive(|| async {
        let task = spawn(async {
            assert!(catch_cancel(async { yield_now().await }).await.is_ok());
            pending::<()>().await;
        });
        turns(4).await;
        task.cancel("now");
        assert!(task.await.unwrap_err().cancelled().is_some());
    });
}

#[test]
fn a_timeout_and_a_drop_are_not_caught() {
    drive(|| async {
        let work = catch_cancel(pending::<()>());
        assert!(timeout(Duration::from_millis(1), work).await.is_err());
    });
}

#[test]
fn a_task_that_cancels_itself_in_a_catch_is_caught_at_its_next_await() {
    drive(|| async {
        let task = spawn(async {
            let caught = catch_cancel(async {
                current_task().unwrap().cancel("by itself");
                yield_now().await;
            });
            caught.await.unwrap_err()
        });
        let caught = task.await.unwrap();
        assert_eq!(caught.reason(), "by itself");
        assert!(caught.by().is_some());
    });
}

#[test]
fn clean_up_runs_after_a_cancel_a_timeout_and_a_drop_but_not_after_the_end() {
    drive(|| async {
        let cleaned = Rc::new(Cell::new(0));
        let count = || {
            let cleaned = cleaned.clone();
            on_cancel(async move {
                turns(2).await;
                cleaned.set(cleaned.get() + 1);
            })
        };
        count().guard(async { yield_now().await }).await;
        count().disarm();
        turns(4).await;
        assert_eq!(cleaned.get(), 0);

        let task = spawn(count().guard(pending::<()>()));
        yield_now().await;
        task.cancel("stop");
        let cancelled = why(task.await.unwrap_err());
        assert_eq!(places(&cancelled), [CancelPlace::OnCancel]);
        turns(4).await;
        assert_eq!(cleaned.get(), 1);

        let work = count().guard(pending::<()>());
        assert!(wait_for(work, Duration::from_millis(1)).await.is_err());
        turns(4).await;
        assert_eq!(cleaned.get(), 2);

        drop(count().guard(pending::<()>()));
        turns(4).await;
        assert_eq!(cleaned.get(), 3);
    });
}

#[test]
fn clean_up_is_out_of_reach_and_comes_after_the_work_is_gone() {
    drive(|| async {
        let log = Log::<&str>::default();
        struct Dropped(Log<&'static str>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.borrow_mut().push("work dropped");
            }
        }
        let (work, clean) = (Dropped(log.clone()), log.clone());
        let task = spawn_named("worker", async move {
            on_cancel(async move {
                clean.borrow_mut().push("clean-up began");
                let who = current_task().unwrap();
                assert_eq!(who.get_name(), "on_cancel of worker");
                turns(3).await;
                clean.borrow_mut().push("clean-up ended");
            })
            .guard(async move {
                let _work = work;
                pending::<()>().await;
            })
            .await;
        });
        yield_now().await;
        task.cancel("stop");
        task.cancel("stop again");
        assert!(task.await.is_err());
        turns(6).await;
        assert_eq!(
            *log.borrow(),
            ["work dropped", "clean-up began", "clean-up ended"]
        );
    });
}

#[test]
fn a_clean_up_that_takes_too_long_is_dropped_and_told_of() {
    drive(|| async {
        let told = told();
        let held = Rc::new(());
        let keep = held.clone();
        let clean_up = async move {
            let _keep = keep;
            pending::<()>().await;
        };
        drop(on_cancel(clean_up).deadline(Duration::from_millis(1)));
        while Rc::strong_count(&held) > 1 {
            sleep(Duration::from_millis(1)).await;
        }
        turns(2).await;
        let told = told.borrow();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("not done within 1ms"), "{told:?}");
    });
}

#[test]
fn a_cancellation_tells_its_way_to_the_awaiter() {
    drive(|| async {
        let task = spawn_named("outer", async {
            let children = [1, 2].map(|n| spawn_named(&format!("child-{n}"), pending::<()>()));
            let handles = [&children[0], &children[1]].map(|child| child.handle());
            spawn(async move {
                turns(4).await;
                drop(handles);
            })
            .detach();
            let all = Gather::of(children);
            let _ = timeout(Duration::from_secs(3600), all).await;
        });
        turns(2).await;
        spawn_named("boss", {
            let handle = task.handle();
            async move {
                handle.cancel("shutting down");
            }
        })
        .await
        .unwrap();
        let cancelled = why(task.await.unwrap_err());
        assert_eq!(
            places(&cancelled),
            [CancelPlace::Gather, CancelPlace::Timeout]
        );
        assert!(
            cancelled.steps()[0]
                .location
                .file()
                .ends_with("cancelling.rs")
        );
        let task = cancelled.steps()[0].task.as_ref().unwrap();
        assert_eq!(task.name(), Some("outer"));
        assert_eq!(cancelled.by().unwrap().name(), Some("boss"));
        let whole = format!("{cancelled:#}");
        assert!(
            whole.starts_with("cancelled by task boss: shutting down\n"),
            "{whole}"
        );
        assert!(whole.contains("asked for at "), "{whole}");
        assert!(whole.contains("went through the timeout at "), "{whole}");
        assert!(whole.contains("in task outer"), "{whole}");
    });
}

#[test]
fn children_inherit_the_biography() {
    drive(|| async {
        let children: Log<bucle_loop::Task<()>> = Log::default();
        let keep = children.clone();
        let task = spawn_named("parent", async move {
            let child = spawn_named("child", pending::<()>());
            let on_drop = child.handle();
            keep.borrow_mut().push(child);
            let bound = spawn(async move {
                let _ = on_drop;
                pending::<()>().await;
            })
            .cancel_on_drop();
            keep.borrow_mut().push(spawn(pending::<()>()));
            let group = TaskGroup::new();
            group.spawn_named("grandchild", pending::<()>());
            drop(group);
            bound.await.unwrap();
        });
        turns(2).await;
        task.cancel("enough");
        let cancelled = why(task.await.unwrap_err());
        assert_eq!(places(&cancelled), [CancelPlace::CancelOnDrop]);
        for child in children.borrow().iter() {
            assert!(!child.done(), "a dropped handle lets its task go");
        }
        children.borrow_mut().clear();
    });
}

#[test]
fn a_group_s_tasks_are_told_the_whole_way() {
    drive(|| async {
        let seen: Log<Cancelled> = Log::default();
        let to = seen.clone();
        let task = spawn_named("parent", async move {
            let group = TaskGroup::new();
            group.spawn_named("child", async move {
                let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
                to.borrow_mut().push(cancelled);
            });
            group.join().await.unwrap();
        });
        turns(3).await;
        task.cancel("enough");
        let cancelled = why(task.await.unwrap_err());
        assert_eq!(places(&cancelled), [CancelPlace::HeldByTaskGroup]);
        let seen = seen.borrow();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].reason(), "enough");
        assert_eq!(
            places(&seen[0]),
            [CancelPlace::TaskGroup, CancelPlace::CatchCancel]
        );
    });
}

#[test]
fn what_a_timeout_drops_is_told_of_the_timeout() {
    drive(|| async {
        let child = Rc::new(Cell::new(None));
        let keep = child.clone();
        let late = timeout(Duration::from_millis(1), async move {
            let task = spawn(pending::<()>());
            keep.set(Some(task.handle()));
            let _ = Gather::of([task]).await;
        });
        assert!(late.await.is_err());
        let child = child.take().unwrap();
        turns(2).await;
        assert!(child.cancelled());
    });
}

#[test]
fn a_shield_is_in_the_biography() {
    drive(|| async {
        let task = spawn(async { shield(turns(5)).await });
        turns(2).await;
        task.cancel("hung up");
        let cancelled = why(task.await.unwrap_err());
        assert_eq!(places(&cancelled), [CancelPlace::Shield]);
        turns(8).await;
    });
}
