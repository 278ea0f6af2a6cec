//! `timeout`, `timeout_at`, `Timeout`.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{
    Timeout, catch_cancel, current_task, get_running_loop, sleep, spawn, timeout, timeout_at,
    yield_now,
};

use crate::{drive, quiet_panic, turns};

const SHORT: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn the_time_is_up() {
    drive(|| async {
        assert!(timeout(SHORT, pending::<()>()).await.is_err());
        let deadline = get_running_loop().time() + SHORT;
        let error = timeout_at(deadline, pending::<()>()).await.unwrap_err();
        assert!(error.after() <= SHORT);
        let limit = Timeout::after(SHORT);
        let handle = limit.handle();
        assert!(limit.run(pending::<()>()).await.is_err());
        assert!(handle.expired());
        let limit = Timeout::at(deadline);
        let handle = limit.handle();
        assert!(limit.run(pending::<()>()).await.is_err());
        assert!(handle.expired());
        assert_eq!(handle.when(), Some(deadline));
    });
}

#[test]
fn done_in_time() {
    drive(|| async {
        let limit = Timeout::after(HOUR);
        let handle = limit.handle();
        assert_eq!(limit.run(async { 7 }).await, Ok(7));
        assert!(!handle.expired());
        assert!(handle.when().unwrap() > get_running_loop().time());
        let far = get_running_loop().time() + HOUR;
        assert_eq!(timeout_at(far, async { yield_now().await }).await, Ok(()));
        assert_eq!(timeout(None, async { yield_now().await }).await, Ok(()));
    });
}

#[test]
fn none_is_never() {
    drive(|| async {
        for limit in [Timeout::after(None), Timeout::at(None)] {
            let handle = limit.handle();
            assert_eq!(handle.when(), None);
            limit.run(sleep(SHORT)).await.unwrap();
            assert!(!handle.expired());
        }
    });
}

#[test]
fn zero_and_the_past_end_at_the_first_wait_but_let_a_value_through() {
    drive(|| async {
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        let past = get_running_loop().time();
        turns(1).await;
        assert!(timeout_at(past, yield_now()).await.is_err());
        assert_eq!(timeout_at(past, async { 1 }).await, Ok(1));
        let limit = Timeout::at(past);
        let handle = limit.handle();
        assert!(limit.run(yield_now()).await.is_err());
        assert!(handle.expired());
        let limit = Timeout::after(Duration::ZERO);
        assert!(limit.run(pending::<()>()).await.is_err());
    });
}

#[test]
fn the_task_around_it_is_not_cancelled() {
    drive(|| async {
        let task = spawn(async {
            assert!(timeout(SHORT, pending::<()>()).await.is_err());
            assert!(!current_task().unwrap().cancelling());
            turns(2).await;
            "goes on"
        });
        assert_eq!(task.await.unwrap(), "goes on");
    });
}

#[test]
fn a_cancellation_from_outside_is_no_timeout() {
    drive(|| async {
        let limit = Timeout::after(HOUR);
        let handle = limit.handle();
        let task = spawn(limit.run(async {
            current_task().unwrap().cancel("from inside");
            pending::<()>().await;
        }));
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "from inside");
        assert!(!handle.expired());
        assert!(handle.reschedule(None).is_err(), "finished");
    });
}

#[test]
fn an_error_or_panic_inside_is_no_timeout() {
    drive(|| async {
        let limit = Timeout::after(HOUR);
        let handle = limit.handle();
        assert_eq!(
            limit.run(async { Err::<(), _>("own") }).await,
            Ok(Err("own"))
        );
        assert!(!handle.expired());
        let task = spawn(timeout(HOUR, async { quiet_panic("own") }));
        assert!(task.await.unwrap_err().panicked().is_some());
    });
}

#[test]
fn of_nested_ones_each_ends_its_own() {
    drive(|| async {
        let outcome = timeout(HOUR, async { timeout(SHORT, pending::<()>()).await }).await;
        assert!(outcome.unwrap().is_err());
        let outcome = timeout(SHORT, async { timeout(HOUR, pending::<()>()).await }).await;
        assert!(outcome.is_err());
        // Due together: the inner one is polled first.
        let deadline = get_running_loop().time() + SHORT;
        let inner = timeout_at(deadline, pending::<()>());
        assert!(timeout_at(deadline, inner).await.unwrap().is_err());
    });
}

#[test]
fn busy_code_inside_ends_at_its_next_wait_and_both_timeouts_count() {
    drive(|| async {
        get_running_loop().set_slow_callback_duration(HOUR);
        let outer = timeout(Duration::from_millis(10), async {
            let inner = timeout(Duration::from_millis(1), async {
                std::thread::sleep(Duration::from_millis(15));
                sleep(HOUR).await;
            });
            assert!(inner.await.is_err());
            sleep(HOUR).await;
        });
        assert!(outer.await.is_err());
    });
}

#[test]
fn a_timeout_in_the_clean_up_of_a_timeout() {
    drive(|| async {
        let cleaned = Rc::new(Cell::new(false));
        let flag = cleaned.clone();
        let work = bucle_loop::on_cancel(async move {
            assert!(timeout(SHORT, pending::<()>()).await.is_err());
            flag.set(true);
        })
        .guard(pending::<()>());
        assert!(timeout(SHORT, work).await.is_err());
        while !cleaned.get() {
            sleep(SHORT).await;
        }
    });
}

#[test]
fn after_a_caught_cancellation_timeouts_work_as_ever() {
    drive(|| async {
        let task = spawn(async {
            let first = catch_cancel(async {
                current_task().unwrap().cancel("one");
                pending::<()>().await;
            });
            assert!(first.await.is_err());
            assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
            let second = timeout(HOUR, async {
                current_task().unwrap().cancel("two");
                pending::<()>().await;
            });
            catch_cancel(second).await.unwrap_err()
        });
        assert_eq!(task.await.unwrap().reason(), "two");
    });
}

#[test]
fn it_can_be_moved_to_later_to_never_and_to_now() {
    drive(|| async {
        let limit = Timeout::after(SHORT);
        let handle = limit.handle();
        let (first, far) = (handle.when().unwrap(), handle.when().unwrap() + HOUR);
        let task = spawn(limit.run(pending::<()>()));
        handle.reschedule(far).unwrap();
        assert_eq!(handle.when(), Some(far));
        yield_now().await;
        handle.reschedule(None).unwrap();
        assert_eq!(handle.when(), None);
        sleep(SHORT * 2).await;
        assert!(!task.done() && !handle.expired());
        handle.reschedule(first).unwrap();
        assert!(task.await.unwrap().is_err());
        assert!(handle.expired());
        let over = handle.reschedule(far).unwrap_err();
        assert!(over.to_string().contains("expired"));
    });
}

#[test]
fn what_is_finished_cannot_be_moved_and_says_so() {
    drive(|| async {
        let limit = Timeout::after(HOUR);
        let handle = limit.handle();
        assert!(format!("{handle:?}").contains("Created"), "{handle:?}");
        handle.reschedule(None).unwrap();
        let inside = handle.clone();
        limit
            .run(async move {
                assert!(format!("{inside:?}").contains("Active"));
                assert!(format!("{inside:?}").contains("None"));
            })
            .await
            .unwrap();
        assert!(format!("{handle:?}").contains("Finished"));
        let over = handle.reschedule(None).unwrap_err();
        assert!(over.to_string().contains("finished"));
    });
}

#[test]
fn its_timer_goes_with_it() {
    drive(|| async {
        let before = get_running_loop().counters().timers;
        for _ in 0..1000 {
            let _ = timeout(HOUR, yield_now()).await;
        }
        let left = get_running_loop().counters().timers - before;
        assert!(left <= 101, "{left} timers are left");
    });
}
