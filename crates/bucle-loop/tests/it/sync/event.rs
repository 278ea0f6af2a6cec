//! `Event` as asyncio has it.

use std::cell::RefCell;
use std::rc::Rc;

use bucle_loop::sync::Event;
use bucle_loop::{gather, run, spawn, yield_now};

use super::{cancel, turns};
use crate::{WATCHDOG, within};

#[test]
fn setting_wakes_all_and_who_comes_then_does_not_wait() {
    within(WATCHDOG, || {
        run(async {
            let event = Rc::new(Event::new());
            assert!(!event.is_set());
            let log = Rc::new(RefCell::new(Vec::new()));
            let waiter = |n| {
                let (event, log) = (event.clone(), log.clone());
                spawn(async move {
                    event.wait().await;
                    log.borrow_mut().push(n);
                })
            };
            let early = [waiter(1), waiter(2)];
            yield_now().await;
            assert!(log.borrow().is_empty());
            let late = waiter(3);
            event.set();
            gather(early).await.unwrap();
            late.await.unwrap();
            assert_eq!(
                *log.borrow(),
                [3, 1, 2],
                "the late one had been queued before the set"
            );
        })
        .unwrap();
    });
}

#[test]
fn a_set_event_is_not_waited_for() {
    within(WATCHDOG, || {
        run(async {
            let event = Event::new();
            event.set();
            event.wait().await;
            event.wait().await;
            assert!(event.is_set());
        })
        .unwrap();
    });
}

#[test]
fn a_cancelled_waiter_leaves_nothing() {
    within(WATCHDOG, || {
        run(async {
            let event = Rc::new(Event::new());
            let waiter = spawn({
                let event = event.clone();
                async move { event.wait().await }
            });
            yield_now().await;
            cancel(waiter).await;
            assert!(!format!("{event:?}").contains("waiters"));
            event.set();
        })
        .unwrap();
    });
}

#[test]
fn it_is_cleared() {
    let event = Event::new();
    event.clear();
    event.set();
    event.set();
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set());
}

#[test]
fn who_waited_when_it_was_set_goes_on_though_it_is_cleared_at_once() {
    within(WATCHDOG, || {
        run(async {
            let event = Rc::new(Event::new());
            let waiter = spawn({
                let event = event.clone();
                async move { event.wait().await }
            });
            yield_now().await;
            event.set();
            event.clear();
            assert!(!event.is_set());
            turns(2).await;
            assert!(waiter.done());
            waiter.await.unwrap();
            assert!(
                bucle_loop::timeout(std::time::Duration::from_millis(1), event.wait())
                    .await
                    .is_err()
            );
        })
        .unwrap();
    });
}
