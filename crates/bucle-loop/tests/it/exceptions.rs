//! Panics and slow callbacks: seen, named, survived.

use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{
    ContextVar, EventLoop, Interest, Readiness, Source, all_tasks, spawn_named, yield_now,
};

use crate::{WATCHDOG, drive, new_loop, quiet_panic, turns, within};

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

#[test]
fn slow_readers_and_transports_are_reported_too() {
    struct Slow;
    impl Source for Slow {
        fn ready(&self, _: Readiness) {
            std::thread::sleep(Duration::from_millis(40));
        }

        fn describe(&self) -> Option<String> {
            Some("the slow one".into())
        }
    }
    let event_loop = new_loop();
    event_loop.set_debug(true);
    assert!(event_loop.debug());
    let log = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_slow_callback_handler({
        let log = log.clone();
        move |context| log.borrow_mut().push(context.to_string())
    });
    event_loop.set_slow_callback_duration(Duration::from_millis(20));
    let (a, b) = UnixStream::pair().unwrap();
    let line = line!() + 2;
    event_loop
        .add_writer(&a, || std::thread::sleep(Duration::from_millis(40)))
        .unwrap();
    event_loop.turn();
    event_loop.remove_writer(&a);
    let registration = event_loop
        .register(&b, Interest::WRITE, Rc::new(Slow))
        .unwrap();
    event_loop.turn();
    event_loop.deregister(&b, registration);
    let log = log.borrow();
    assert!(
        log[0].starts_with("writer from ") && log[0].contains(&format!("exceptions.rs:{line}")),
        "{log:?}"
    );
    assert!(log[0].contains("held the loop for "), "{log:?}");
    assert!(
        log[1].starts_with("transport `the slow one`: held"),
        "{log:?}"
    );
    // Switched off, nothing is reported.
    event_loop.set_slow_callback_duration(Duration::MAX);
    event_loop.call_soon(|| std::thread::sleep(Duration::from_millis(40)));
    event_loop.turn();
    assert_eq!(event_loop.counters().slow_callbacks, 2);
}

/// Passes, and says what it has to say only as the child of the test below.
#[test]
fn child_with_the_default_handlers() {
    if std::env::var_os("BUCLE_TEST_CHILD").is_none() {
        return;
    }
    let event_loop = new_loop();
    event_loop
        .run_until_complete(async {
            spawn_named("sleeper", async {
                std::thread::sleep(Duration::from_millis(300));
            })
            .await
            .unwrap();
            spawn_named("bomb", async { panic!("boom") }).detach();
            bucle_loop::sleep(Duration::from_millis(1)).await;
        })
        .unwrap();
}

/// Short steps are timed in groups; a run that ends in the midst of one looks at what has run of it.
#[test]
fn a_slow_step_that_is_the_last_of_a_run_is_reported() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.set_slow_callback_handler(|_| ());
    event_loop
        .run_until_complete(async {
            // Some ticks of the system's clock, so that the steps are found to be short.
            let began = std::time::Instant::now();
            while began.elapsed() < Duration::from_millis(30) {
                yield_now().await;
            }
            std::thread::sleep(Duration::from_millis(150));
        })
        .unwrap();
    assert_ne!(event_loop.counters().slow_callbacks, 0);
}

#[test]
fn by_default_errors_and_slow_tasks_are_printed() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "exceptions::child_with_the_default_handlers"])
        .arg("--nocapture")
        .env("BUCLE_TEST_CHILD", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stderr);
    let slow = "bucle: slow task `sleeper` from ";
    assert!(printed.contains(slow), "{printed}");
    assert!(printed.contains("held the loop for "), "{printed}");
    assert!(printed.contains("bucle: task `bomb` from "), "{printed}");
    assert!(printed.contains(": panicked: boom"), "{printed}");
}

#[test]
fn the_handler_of_slow_callbacks_may_replace_itself_and_panic() {
    let event_loop = new_loop();
    let log = record(&event_loop);
    event_loop.set_slow_callback_duration(Duration::from_millis(10));
    let slow = || {
        event_loop.call_soon(|| std::thread::sleep(Duration::from_millis(30)));
        event_loop.turn();
    };
    let (reference, replaced) = (event_loop.clone(), Rc::new(Cell::new(false)));
    event_loop.set_slow_callback_handler({
        let replaced = replaced.clone();
        move |_| {
            replaced.set(true);
            reference.set_slow_callback_handler(|_| quiet_panic("in the slow handler"));
        }
    });
    slow();
    assert!(replaced.get());
    assert_eq!(log.borrow().len(), 0);
    slow();
    assert!(log.borrow()[0].contains("in the slow handler"));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        quiet_panic("a destructor");
    }
}

#[test]
fn a_panic_s_payload_may_panic_when_it_is_dropped() {
    let event_loop = new_loop();
    let throw = || {
        event_loop.call_soon(|| std::panic::resume_unwind(Box::new(Bomb)));
        event_loop.turn();
    };
    // Without a handler.
    throw();
    // And with one that drops it, or panics so itself.
    event_loop.set_exception_handler(|_, context| drop(context));
    throw();
    event_loop.set_exception_handler(|_, context| {
        std::mem::forget(context);
        std::panic::resume_unwind(Box::new(Bomb));
    });
    throw();
    assert_eq!(event_loop.counters().exceptions, 3);
}

#[test]
fn what_a_task_leaves_may_panic_when_it_is_dropped() {
    static BOMB: ContextVar<Rc<Bomb>> = ContextVar::new("bomb");
    drive(|| async {
        spawn_named("left", async { drop(BOMB.set(Rc::new(Bomb))) }).detach();
        turns(3).await;
        assert_eq!(all_tasks().len(), 1);
    });
}
