//! Panics and slow callbacks: seen, named, survived.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{EventLoop, spawn_named};

use crate::{WATCHDOG, new_loop, within};

fn record(event_loop: &EventLoop) -> Rc<RefCell<Vec<String>>> {
    let log = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let log = log.clone();
        move |_, context| log.borrow_mut().push(context.to_string())
    });
    log
}

#[test]
fn a_panic_is_told_with_its_place_and_the_loop_goes_on() {
    let event_loop = new_loop();
    let log = record(&event_loop);
    event_loop.call_soon(|| panic!("first"));
    let line = line!() - 1;
    event_loop.call_soon(|| panic!("second {}", 2));
    event_loop.turn();
    let log = log.borrow();
    assert_eq!(log.len(), 2);
    assert!(log[0].contains("panicked: first"), "{}", log[0]);
    assert!(
        log[0].contains(&format!("exceptions.rs:{line}")),
        "{}",
        log[0]
    );
    assert!(log[1].contains("second 2"));
    assert_eq!(event_loop.counters().exceptions, 2);
}

#[test]
fn a_handler_that_panics_does_no_harm() {
    let event_loop = new_loop();
    event_loop.set_exception_handler(|_, _| panic!("and the handler too"));
    event_loop.call_soon(|| panic!("first"));
    event_loop.turn();
    let ran = Rc::new(RefCell::new(false));
    event_loop.call_soon({
        let ran = ran.clone();
        move || *ran.borrow_mut() = true
    });
    event_loop.turn();
    assert!(*ran.borrow());
}

#[test]
fn a_panic_of_a_task_nobody_waits_for_is_told_with_its_name() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let log = record(&event_loop);
        event_loop
            .run_until_complete(async {
                spawn_named("fetch", async { panic!("no network") }).detach();
                bucle_loop::yield_now().await;
                bucle_loop::yield_now().await;
            })
            .unwrap();
        assert_eq!(log.borrow().len(), 1);
        let told = &log.borrow()[0];
        assert!(
            told.contains("task `fetch`") && told.contains("no network"),
            "{told}"
        );
    });
}

#[test]
fn a_panic_that_is_awaited_is_not_told_twice() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let log = record(&event_loop);
        event_loop
            .run_until_complete(async {
                let task = bucle_loop::spawn(async { panic!("seen") });
                assert!(task.await.unwrap_err().panicked().is_some());
                // Ended, but dropped unlooked at: told.
                let task = bucle_loop::spawn(async { panic!("unseen") });
                bucle_loop::yield_now().await;
                bucle_loop::yield_now().await;
                assert!(task.done());
                drop(task);
            })
            .unwrap();
        assert_eq!(log.borrow().len(), 1);
        assert!(log.borrow()[0].contains("unseen"));
    });
}

#[test]
fn slow_callbacks_and_tasks_are_reported_with_name_and_place() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let log = Rc::new(RefCell::new(Vec::new()));
        event_loop.set_slow_callback_handler({
            let log = log.clone();
            move |context| log.borrow_mut().push(context.to_string())
        });
        assert_eq!(
            event_loop.slow_callback_duration(),
            Duration::from_millis(100)
        );
        event_loop.set_slow_callback_duration(Duration::from_millis(20));
        let slow = || std::thread::sleep(Duration::from_millis(40));
        event_loop.call_soon(slow);
        let line = line!() - 1;
        event_loop
            .run_until_complete(async move {
                spawn_named("heavy", async move { slow() }).await.unwrap();
            })
            .unwrap();
        let log = log.borrow();
        assert!(
            log.iter()
                .any(|told| told.contains(&format!("exceptions.rs:{line}"))),
            "{log:?}"
        );
        assert!(
            log.iter().any(|told| told.contains("task `heavy`")),
            "{log:?}"
        );
        assert!(event_loop.counters().slow_callbacks >= 2);
    });
}
