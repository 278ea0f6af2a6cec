//! Many concurrent futures at once, waited for by a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bucle_loop::concurrent::{
    Future, FutureHandle, Promise, ReturnWhen, ThreadPoolExecutor, Unfinished, as_completed, wait,
};

use crate::{WATCHDOG, within};

type Pair = (Promise<u32, String>, Future<u32, String>);

fn finished(value: u32) -> Future<u32, String> {
    let (promise, future) = Promise::new();
    promise.set_result(value).unwrap();
    future
}

fn failed() -> Future<u32, String> {
    let (promise, future) = Promise::new();
    promise.set_exception("no".into()).unwrap();
    future
}

fn cancelled() -> Future<u32, String> {
    let (promise, future): Pair = Promise::new();
    assert!(future.cancel(""));
    drop(promise);
    future
}

fn lengths<F>(sorted: &bucle_loop::concurrent::DoneAndNotDone<F>) -> (usize, usize) {
    (sorted.done.len(), sorted.not_done.len())
}

#[test]
fn the_first_one_done_is_enough() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let (stop, until) = Promise::<()>::new();
        let quick = pool.submit(|| 42);
        let slow = pool.submit(move || until.result().map_or(0, |()| 7));
        let sorted = wait([quick, slow], None, ReturnWhen::FirstCompleted);
        assert_eq!(lengths(&sorted), (1, 1));
        stop.set_result(()).unwrap();
        for future in sorted.done {
            assert_eq!(future.result().unwrap(), 42);
        }
        for future in sorted.not_done {
            assert_eq!(future.result().unwrap(), 7);
        }
    });
}

#[test]
fn those_done_before_count() {
    within(WATCHDOG, || {
        let (_promise, pending): Pair = Promise::new();
        let futures = [cancelled(), finished(1), pending];
        let sorted = wait(&futures, None, ReturnWhen::FirstCompleted);
        assert_eq!(lengths(&sorted), (2, 1));
        // The cancellation is no exception, and a failure is.
        let futures = [
            finished(1),
            cancelled(),
            futures.into_iter().last().unwrap(),
        ];
        let sorted = wait(
            &futures,
            Some(Duration::from_millis(20)),
            ReturnWhen::FirstException,
        );
        assert_eq!(lengths(&sorted), (2, 1));
        let [_, _, pending] = futures;
        let sorted = wait([failed(), pending], None, ReturnWhen::FirstException);
        assert_eq!(lengths(&sorted), (1, 1));
    });
}

#[test]
fn the_first_exception_ends_it() {
    within(WATCHDOG, || {
        let (a, value): Pair = Promise::new();
        let (b, error): Pair = Promise::new();
        let (_c, pending): Pair = Promise::new();
        let first = value.handle();
        let thread = thread::spawn(move || {
            a.set_result(42).unwrap();
            b.set_exception("out of luck".into()).unwrap();
        });
        let sorted = wait([value, error, pending], None, ReturnWhen::FirstException);
        assert_eq!(lengths(&sorted), (2, 1));
        assert!(first.done());
        thread.join().unwrap();
    });
}

#[test]
fn a_panic_is_an_exception() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let (stop, until) = Promise::<()>::new();
        let slow = pool.submit(move || until.result().is_ok());
        let bad = pool.submit(|| -> bool { panic!("on purpose") });
        let sorted = wait([slow, bad], None, ReturnWhen::FirstException);
        assert_eq!(lengths(&sorted), (1, 1));
        stop.set_result(()).unwrap();
    });
}

#[test]
fn all_of_them() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let mixed: Vec<FutureHandle> = vec![
            finished(1).handle(),
            cancelled().handle(),
            failed().handle(),
            pool.submit(|| panic!("on purpose")).handle(),
            pool.submit(|| "another type").handle(),
        ];
        let sorted = wait(&mixed, None, ReturnWhen::AllCompleted);
        assert_eq!(lengths(&sorted), (5, 0));
        let none: Vec<FutureHandle> = Vec::new();
        for when in [ReturnWhen::AllCompleted, ReturnWhen::FirstCompleted] {
            assert_eq!(lengths(&wait(&none, None, when)), (0, 0));
        }
    });
}

#[test]
fn the_same_one_twice() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::new();
        let future = pool.submit(|| 2);
        let sorted = wait([&future, &future], None, ReturnWhen::AllCompleted);
        assert_eq!(lengths(&sorted), (2, 0));
    });
}

#[test]
fn in_time_or_not() {
    within(WATCHDOG, || {
        let (promise, pending): Pair = Promise::new();
        for _ in 0..3 {
            let futures = [&pending];
            let sorted = wait(
                futures,
                Some(Duration::from_millis(5)),
                ReturnWhen::AllCompleted,
            );
            assert_eq!(lengths(&sorted), (0, 1));
        }
        let setter = thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            promise.set_result(3).unwrap();
        });
        let sorted = wait([pending], Some(WATCHDOG), ReturnWhen::AllCompleted);
        assert_eq!(lengths(&sorted), (1, 0));
        setter.join().unwrap();
    });
}

#[test]
fn a_crowd_that_ends_at_once() {
    within(WATCHDOG, || {
        for _ in 0..20 {
            let pool = ThreadPoolExecutor::builder()
                .max_workers(8)
                .build()
                .unwrap();
            let go = Arc::new(AtomicBool::new(false));
            let futures: Vec<_> = (0..100)
                .map(|_| {
                    let go = go.clone();
                    pool.submit(move || {
                        while !go.load(Ordering::Acquire) {
                            thread::yield_now();
                        }
                    })
                })
                .collect();
            go.store(true, Ordering::Release);
            let sorted = wait(futures, None, ReturnWhen::AllCompleted);
            assert_eq!(lengths(&sorted), (100, 0));
        }
    });
}

#[test]
fn as_completed_gives_each_once_in_the_order_they_are_done() {
    within(WATCHDOG, || {
        let pairs: Vec<Pair> = (0..4).map(|_| Promise::new()).collect();
        let (promises, futures): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        promises[2].set_result(2).unwrap();
        let mut completed = as_completed(futures);
        assert_eq!(completed.len(), 4);
        assert_eq!(completed.next().unwrap().result().unwrap(), 2);
        for place in [3, 0, 1] {
            promises[place]
                .set_result(u32::try_from(place).unwrap())
                .unwrap();
        }
        let rest: Vec<u32> = completed.map(|future| future.result().unwrap()).collect();
        assert_eq!(rest, [3, 0, 1]);
    });
}

#[test]
fn as_completed_of_what_is_done_keeps_the_order() {
    let futures = [finished(1), failed(), cancelled(), finished(2)];
    let told: Vec<String> = as_completed(futures)
        .map(|future| match future.result() {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(told, ["1", "no", "cancelled", "2"]);
}

#[test]
fn as_completed_with_a_limit() {
    within(WATCHDOG, || {
        let (_a, pending): Pair = Promise::new();
        let (running, not_done): Pair = Promise::new();
        assert!(running.set_running_or_notify_cancel());
        let mut completed = as_completed([cancelled(), pending, not_done, finished(1)]);
        for _ in 0..2 {
            assert!(completed.next_timeout(Duration::ZERO).unwrap().is_some());
        }
        for limit in [Duration::ZERO, Duration::from_millis(5)] {
            let late = completed.next_timeout(limit).unwrap_err();
            assert_eq!(
                late,
                Unfinished {
                    unfinished: 2,
                    total: 4
                }
            );
            assert_eq!(late.to_string(), "2 (of 4) futures unfinished");
        }
        running.set_result(9).unwrap();
        let next = completed.next_timeout(WATCHDOG).unwrap().unwrap();
        assert_eq!(next.result().unwrap(), 9);
        assert_eq!(completed.into_rest().len(), 1);
        let mut empty = as_completed(Vec::<FutureHandle>::new());
        assert!(empty.next_timeout(Duration::ZERO).unwrap().is_none());
    });
}

#[test]
fn as_completed_keeps_nothing_that_it_gave_out() {
    let held = Arc::new(());
    let (promise, future) = Promise::<Arc<()>>::new();
    promise.set_result(held.clone()).unwrap();
    let (_other, pending) = Promise::<Arc<()>>::new();
    let mut completed = as_completed([future, pending]);
    drop(completed.next());
    assert_eq!(Arc::strong_count(&held), 1);
    drop(completed);
}
