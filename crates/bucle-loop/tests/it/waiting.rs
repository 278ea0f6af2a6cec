//! `wait`, `wait_for`, `as_completed`.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{
    ALL_COMPLETED, AsCompleted, FIRST_COMPLETED, FIRST_EXCEPTION, Future, Task, as_completed,
    catch_cancel, get_running_loop, sleep, spawn, timeout, wait, wait_for, yield_now,
};

use crate::{drive, quiet_panic, turns};

/// A task that returns `value` after `count` turns.
fn after<T: 'static>(count: usize, value: T) -> Task<T> {
    spawn(async move {
        turns(count).await;
        value
    })
}

#[test]
fn all_are_waited_for_and_keep_their_results() {
    drive(|| async {
        let (mut done, pending) = wait([after(3, "slow"), after(1, "fast")]).await;
        assert!(pending.is_empty());
        // The order given, and doing it again takes no time.
        let again = wait(done.iter_mut()).return_when(ALL_COMPLETED);
        assert_eq!(timeout(Duration::ZERO, again).await.unwrap().0.len(), 2);
        let values: Vec<_> = done.into_iter().map(|mut task| task.try_result()).collect();
        assert_eq!(values[0].as_ref().unwrap().as_ref().unwrap(), &"slow");
        assert_eq!(values[1].as_ref().unwrap().as_ref().unwrap(), &"fast");
    });
}

#[test]
fn nothing_to_wait_for_is_done_at_once() {
    drive(|| async {
        let none: [Task<()>; 0] = [];
        let (done, pending) = wait(none).return_when(FIRST_COMPLETED).await;
        assert!(done.is_empty() && pending.is_empty());
    });
}

#[test]
fn the_first_completed_ends_it() {
    drive(|| async {
        let (done, left) = wait([after(50, 1), after(1, 2)])
            .return_when(FIRST_COMPLETED)
            .await;
        assert_eq!((done.len(), left.len()), (1, 1));
        assert_eq!(done[0].peek(), Some(&2));
        assert!(!left[0].done());
        // All that are done by then are, not only the first.
        let (done, _) = wait([after(1, 1), after(1, 2)])
            .return_when(FIRST_COMPLETED)
            .await;
        assert_eq!(done.len(), 2);
    });
}

#[test]
fn the_first_exception_ends_it_and_a_cancellation_is_none() {
    drive(|| async {
        let cancelled = spawn(pending::<()>());
        cancelled.cancel("no exception");
        let failing = spawn(async {
            turns(3).await;
            quiet_panic("an exception")
        });
        let tasks = [cancelled, failing, spawn(pending())];
        let (done, left) = wait(tasks).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), left.len()), (2, 1));
        // Failed before the wait began.
        let failed = spawn(async { quiet_panic("before") });
        turns(2).await;
        let (done, left) = wait([spawn(pending::<()>()), failed])
            .return_when(FIRST_EXCEPTION)
            .await;
        assert_eq!((done.len(), left.len()), (1, 1));
        for mut task in done {
            assert!(task.try_result().unwrap().is_err());
        }
    });
}

#[test]
fn without_an_exception_all_are_waited_for() {
    drive(|| async {
        let (done, left) = wait([after(1, ()), after(4, ())])
            .return_when(FIRST_EXCEPTION)
            .await;
        assert_eq!((done.len(), left.len()), (2, 0));
        let tasks = [Ok(1), Err("an error is a value here"), Ok(3)].map(|r| after(1, r));
        let (done, _) = wait(tasks).return_when(FIRST_EXCEPTION).await;
        assert_eq!(done.len(), 3);
    });
}

#[test]
fn an_err_can_count_as_an_exception() {
    drive(|| async {
        let mut tasks = [
            after(50, Ok(1)),
            after(1, Err("this one")),
            after(50, Ok(3)),
        ];
        let (done, left) = wait(tasks.iter_mut()).or_first_error().await;
        assert_eq!((done.len(), left.len()), (1, 2));
        assert_eq!(done[0].peek(), Some(&Err("this one")));
        let (done, left) = wait(tasks).or_first_error().await;
        assert_eq!((done.len(), left.len()), (1, 2));
    });
}

#[test]
fn its_timeout_is_no_error() {
    drive(|| async {
        let tasks = [after(1, 1), spawn(pending())];
        let (done, left) = wait(tasks).timeout(Duration::from_millis(2)).await;
        assert_eq!((done.len(), left.len()), (1, 1));
        assert!(!left[0].done() && !left[0].cancelling());
        let (_, left) = wait(left).timeout(Duration::ZERO).await;
        assert_eq!(left.len(), 1);
    });
}

#[test]
fn futures_set_by_hand_can_be_waited_for() {
    drive(|| async {
        let futures: [Future<u8, &str>; 3] = [Future::new(), Future::new(), Future::new()];
        let set = futures.clone();
        get_running_loop().call_soon(move || {
            set[1].set_exception("second").unwrap();
        });
        let (done, left) = wait(futures).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), left.len()), (1, 2));
        assert!(done[0].exception().is_some());
        left[0].cancel("cancelled is no exception");
        left[1].set_result(1).unwrap();
        let (done, left) = wait(left).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), left.len()), (2, 0));
    });
}

#[test]
fn dropping_a_wait_cancels_nobody() {
    drive(|| async {
        let proof = Rc::new(Cell::new(0));
        let count = proof.clone();
        let outer = spawn(async move {
            let inner = spawn(async move {
                turns(4).await;
                count.set(count.get() + 1);
            });
            wait([inner]).await;
        });
        turns(2).await;
        outer.cancel("the wait");
        assert!(outer.await.is_err());
        turns(6).await;
        assert_eq!(proof.get(), 1);

        let mut kept = [after(3, 1), after(3, 2)];
        assert!(
            timeout(Duration::ZERO, wait(kept.iter_mut()))
                .await
                .is_err()
        );
        let (done, _) = wait(kept.iter_mut()).await;
        assert_eq!(done.len(), 2);
    });
}

#[test]
fn wait_for_gives_the_value_or_the_timeout() {
    drive(|| async {
        assert_eq!(wait_for(async { "done" }, None).await, Ok("done"));
        let hour = Duration::from_secs(3600);
        assert_eq!(wait_for(async { "done" }, hour).await, Ok("done"));
        let late = wait_for(pending::<()>(), Duration::from_millis(1)).await;
        assert_eq!(late.unwrap_err().to_string(), "not done within 1ms");
        let future: Future<&str> = Future::new();
        future.set_result("done").unwrap();
        assert_eq!(wait_for(future, Duration::ZERO).await, Ok(Ok("done")));
        let future: Future<&str> = Future::new();
        let set = future.clone();
        get_running_loop().call_later(Duration::from_millis(1), move || {
            set.set_result("in time").unwrap();
        });
        assert_eq!(wait_for(future, hour).await, Ok(Ok("in time")));
    });
}

#[test]
fn wait_for_drops_what_it_gave_up_on_before_it_returns() {
    drive(|| async {
        let held = Rc::new(());
        let inside = held.clone();
        let work = async move {
            let _held = inside;
            pending::<()>().await;
        };
        assert!(wait_for(work, Duration::from_millis(1)).await.is_err());
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn a_task_that_is_waited_for_too_long_is_cancelled() {
    drive(|| async {
        let task = spawn(pending::<()>());
        let handle = task.handle();
        assert!(task.wait_for(Duration::from_millis(1)).await.is_err());
        assert!(handle.cancelled());
        let task = spawn(pending::<()>());
        let handle = task.handle();
        assert!(task.wait_for(Duration::ZERO).await.is_err());
        assert!(handle.cancelled());
        let limit = Duration::from_secs(3600);
        assert_eq!(after(2, 5).wait_for(limit).await.unwrap().unwrap(), 5);
        assert_eq!(after(2, 5).wait_for(None).await.unwrap().unwrap(), 5);
        let error = spawn(async { quiet_panic("own") }).wait_for(limit).await;
        assert!(error.unwrap().unwrap_err().panicked().is_some());
    });
}

#[test]
fn wait_for_waits_until_the_cancelled_task_has_ended() {
    drive(|| async {
        let cleaned = Rc::new(Cell::new(false));
        let flag = cleaned.clone();
        let task = spawn(async move {
            let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
            turns(3).await;
            flag.set(true);
            bucle_loop::current_task()
                .unwrap()
                .cancel(cancelled.reason());
            pending::<()>().await;
        });
        assert!(task.wait_for(Duration::from_millis(1)).await.is_err());
        assert!(cleaned.get());
    });
}

#[test]
fn a_task_that_absorbs_the_cancellation_has_its_value_given() {
    drive(|| async {
        let task = spawn(async {
            let _ = catch_cancel(pending::<()>()).await;
            42
        });
        let limit = Duration::from_millis(1);
        assert_eq!(task.wait_for(limit).await.unwrap().unwrap(), 42);
        let task = spawn(async {
            let _ = catch_cancel(pending::<()>()).await;
            quiet_panic("instead")
        });
        let error = task.wait_for(limit).await.unwrap().unwrap_err();
        assert_eq!(error.panicked().unwrap().message(), "instead");
    });
}

#[test]
fn cancelling_the_wait_cancels_the_task() {
    drive(|| async {
        for limit in [None, Some(Duration::from_secs(60))] {
            let task = spawn(pending::<()>());
            let handle = task.handle();
            let waits = spawn(task.wait_for(limit));
            yield_now().await;
            waits.cancel("the wait");
            assert!(waits.await.is_err());
            turns(2).await;
            assert!(handle.cancelled());
        }
    });
}

#[test]
fn cancelled_when_the_value_was_there_it_does_not_go_on() {
    drive(|| async {
        let reached = Rc::new(Cell::new(false));
        let flag = reached.clone();
        let task = spawn(async move {
            wait_for(yield_now(), Duration::from_secs(100))
                .await
                .unwrap();
            turns(1).await;
            flag.set(true);
        });
        yield_now().await;
        task.cancel("before it could");
        assert!(task.await.is_err());
        assert!(!reached.get());
    });
}

#[test]
fn results_come_as_they_are_ready() {
    drive(|| async {
        let mut results = as_completed([5usize, 1, 3].map(|n| async move {
            turns(n).await;
            n
        }));
        assert_eq!(results.remaining(), 3);
        let mut order = Vec::new();
        while let Some(result) = results.next().await {
            order.push(result.unwrap());
        }
        assert_eq!(order, [1, 3, 5]);
        assert!(results.next().await.is_none(), "the end stays the end");
    });
}

#[test]
fn results_keep_the_order_in_which_they_came_also_before_anybody_looked() {
    drive(|| async {
        let mut results = as_completed([3usize, 1, 2].map(|n| async move {
            turns(n).await;
            n
        }));
        turns(10).await;
        for expected in 1..=3 {
            assert_eq!(results.next().await.unwrap().unwrap(), expected);
        }
    });
}

#[test]
fn a_failure_is_one_result_among_the_others() {
    drive(|| async {
        let mut results = as_completed((0..3).map(|n| async move {
            turns(n).await;
            if n == 1 {
                quiet_panic("the second");
            }
            n
        }));
        let mut failures = 0;
        while let Some(result) = results.next().await {
            failures += usize::from(result.is_err());
        }
        assert_eq!(failures, 1);
    });
}

#[test]
fn a_late_next_loses_nothing() {
    drive(|| async {
        let futures = [0u64, 3].map(|ms| async move {
            sleep(Duration::from_millis(ms)).await;
            ms
        });
        let mut results = as_completed(futures);
        assert_eq!(results.next().await.unwrap().unwrap(), 0);
        assert!(
            timeout(Duration::from_micros(1), results.next())
                .await
                .is_err()
        );
        assert_eq!(results.next().await.unwrap().unwrap(), 3);
    });
}

#[test]
fn dropping_the_stream_cancels_what_has_not_ended() {
    drive(|| async {
        let tasks = [after(1, ()), spawn(pending())];
        let handles: Vec<_> = tasks.iter().map(Task::handle).collect();
        let mut results = AsCompleted::of(tasks);
        results.next().await.unwrap().unwrap();
        drop(results);
        turns(2).await;
        assert!(!handles[0].cancelled());
        assert!(handles[1].cancelled());
    });
}

#[test]
fn many_children_cost_no_quadratic_time() {
    drive(|| async {
        let mut results = as_completed((0..50_000).map(|n| async move {
            turns(n % 7).await;
        }));
        while let Some(result) = results.next().await {
            result.unwrap();
        }
        let tasks: Vec<_> = (0..50_000).map(|n| after(n % 7, ())).collect();
        assert_eq!(wait(tasks).await.0.len(), 50_000);
    });
}
