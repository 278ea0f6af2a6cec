//! Other threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bucle_loop::{Remote, yield_now};

use crate::{WATCHDOG, new_loop, within};

#[test]
fn a_remote_is_send_and_sync() {
    fn check<T: Send + Sync + Copy>() {}
    check::<Remote>();
}

#[test]
fn calls_from_many_threads_arrive_each_once_and_in_order() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let remote = event_loop.remote();
        let count = Arc::new(AtomicUsize::new(0));
        const THREADS: usize = 4;
        const CALLS: usize = 5_000;
        thread_local!(static LAST: RefCell<[Option<usize>; THREADS]> = const { RefCell::new([None; THREADS]) });
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let count = count.clone();
                std::thread::spawn(move || {
                    for call in 0..CALLS {
                        let count = count.clone();
                        remote
                            .call_soon_threadsafe(move || {
                                LAST.with_borrow_mut(|last| {
                                    assert!(last[thread] < Some(call));
                                    last[thread] = Some(call);
                                });
                                if count.fetch_add(1, Ordering::Relaxed) + 1 == THREADS * CALLS {
                                    bucle_loop::get_running_loop().stop();
                                }
                            })
                            .unwrap();
                        if call % 100 == 0 {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        event_loop.run_forever();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(count.load(Ordering::Relaxed), THREADS * CALLS);
    });
}

#[test]
fn a_call_wakes_a_sleeping_loop() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let remote = event_loop.remote();
        for _ in 0..50 {
            let thread = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(1));
                remote
                    .call_soon_threadsafe(|| bucle_loop::get_running_loop().stop())
                    .unwrap();
            });
            event_loop.run_forever();
            thread.join().unwrap();
        }
    });
}

#[test]
fn after_close_the_callback_is_dropped_and_the_error_says_so() {
    let event_loop = new_loop();
    let remote = event_loop.remote();
    let held = Arc::new(());
    let pending = held.clone();
    remote.call_soon_threadsafe(move || drop(pending)).unwrap();
    assert!(!remote.is_closed());
    drop(event_loop);
    assert_eq!(Arc::strong_count(&held), 1);
    let late = held.clone();
    let error = remote.call_soon_threadsafe(move || drop(late)).unwrap_err();
    assert!(error.to_string().contains("closed"));
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(remote.is_closed() && !remote.wake());
    // A new loop doesn't hear what was meant for the old one.
    let other = new_loop();
    assert!(remote.call_soon_threadsafe(|| panic!()).is_err());
    other.call_soon(|| {});
    other.turn();
}

#[test]
fn a_waker_works_from_any_thread_and_after_the_loop() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let woken = Arc::new(AtomicBool::new(false));
        let flag = woken.clone();
        event_loop
            .run_until_complete(std::future::poll_fn(move |cx| {
                if flag.load(Ordering::Acquire) {
                    return std::task::Poll::Ready(());
                }
                let (waker, flag) = (cx.waker().clone(), flag.clone());
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(2));
                    flag.store(true, Ordering::Release);
                    waker.wake();
                });
                std::task::Poll::Pending
            }))
            .unwrap();
        let late = Rc::new(Cell::new(None));
        let keep = late.clone();
        event_loop
            .spawn(std::future::poll_fn::<(), _>(move |cx| {
                keep.set(Some(cx.waker().clone()));
                std::task::Poll::Pending
            }))
            .detach();
        event_loop.turn();
        drop(event_loop);
        let waker = late.take().unwrap();
        waker.wake_by_ref();
        std::thread::spawn(move || waker.wake()).join().unwrap();
    });
}

#[test]
fn futures_of_the_ecosystem_work_across_threads() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let (send, receive) = std::sync::mpsc::channel::<std::task::Waker>();
            let helper = std::thread::spawn(move || {
                for waker in receive {
                    waker.wake();
                }
            });
            for _ in 0..1_000 {
                let mut first = true;
                let send = send.clone();
                std::future::poll_fn(move |cx| {
                    if std::mem::take(&mut first) {
                        send.send(cx.waker().clone()).unwrap();
                        return std::task::Poll::Pending;
                    }
                    std::task::Poll::Ready(())
                })
                .await;
            }
            drop(send);
            helper.join().unwrap();
            yield_now().await;
        })
        .unwrap();
    });
}

#[test]
fn the_loops_own_thread_may_use_it_too() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let remote = event_loop.remote();
        event_loop.call_soon(move || {
            remote
                .call_soon_threadsafe(move || {
                    remote
                        .call_soon_threadsafe(|| bucle_loop::get_running_loop().stop())
                        .unwrap();
                })
                .unwrap();
        });
        event_loop.run_forever();
        // The loop that is not running takes it in its next turn.
        remote
            .call_soon_threadsafe(|| bucle_loop::get_running_loop().stop())
            .unwrap();
        event_loop.run_forever();
    });
}

#[test]
fn a_panic_in_a_message_is_told_with_the_place_it_was_sent_from() {
    let event_loop = new_loop();
    let told = Rc::new(RefCell::new(String::new()));
    event_loop.set_exception_handler({
        let told = told.clone();
        move |_, context| *told.borrow_mut() = context.to_string()
    });
    let remote = event_loop.remote();
    let line = line!() + 1;
    std::thread::spawn(move || remote.call_soon_threadsafe(|| panic!("from afar")).unwrap())
        .join()
        .unwrap();
    event_loop.turn();
    event_loop.call_soon(|| {});
    event_loop.turn();
    let told = told.borrow();
    assert!(told.contains(&format!("remote.rs:{line}")), "{told}");
}

/// Everything of a loop but its `Remote` stays on its thread.
macro_rules! assert_not_send {
    ($($type:ty),*) => {
        $(const _: fn() = || {
            trait Ambiguous<A> {
                fn call() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Marker;
            impl<T: ?Sized + Send> Ambiguous<Marker> for T {}
            // Two implementations, and so an error, if the type is `Send`.
            let _ = <$type as Ambiguous<_>>::call;
        };)*
    };
}

assert_not_send!(
    bucle_loop::EventLoop,
    bucle_loop::LoopRef,
    bucle_loop::Handle,
    bucle_loop::TimerHandle,
    bucle_loop::Task<()>,
    bucle_loop::TaskHandle,
    bucle_loop::Future<(), ()>,
    bucle_loop::Sleep,
    bucle_loop::Entered,
    bucle_loop::SimSocket,
    bucle_loop::SimNetwork
);
