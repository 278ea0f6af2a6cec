//! What a loop leaves behind: nothing.

use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{Interest, LoopRef, Readiness, Source, TaskError, sleep};

use crate::new_loop;

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[test]
fn everything_held_is_dropped() {
    let held = Rc::new(());
    let event_loop = new_loop();
    let (a, _b) = UnixStream::pair().unwrap();
    let hold = || {
        let held = held.clone();
        move || {
            let _ = &held;
        }
    };
    event_loop.call_soon(hold());
    event_loop.call_later(Duration::from_secs(60), hold());
    event_loop.add_reader(&a, hold()).unwrap();
    event_loop.set_exception_handler({
        let held = held.clone();
        move |_, _| {
            let _ = &held;
        }
    });
    event_loop
        .spawn({
            let held = held.clone();
            async move {
                sleep(Duration::from_secs(60)).await;
                drop(held);
            }
        })
        .detach();
    event_loop.turn();
    event_loop.call_soon(hold());
    let reference: LoopRef = event_loop.clone();
    event_loop.close();
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(reference.is_closed());
}

/// A source that keeps itself alive, as a transport and its protocol do.
struct Knot {
    own: RefCell<Option<Rc<Knot>>>,
    held: Rc<()>,
}

impl Source for Knot {
    fn ready(&self, _: Readiness) {}

    fn closed(&self) {
        let _ = &self.held;
        drop(self.own.take());
    }
}

#[test]
fn a_source_is_told_to_let_go() {
    let held = Rc::new(());
    let event_loop = new_loop();
    let (a, _b) = UnixStream::pair().unwrap();
    let knot = Rc::new(Knot {
        own: RefCell::new(None),
        held: held.clone(),
    });
    knot.own.replace(Some(knot.clone()));
    event_loop.register(&a, Interest::NONE, knot).unwrap();
    event_loop.close();
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn a_closed_loop_drops_what_it_is_given() {
    let event_loop = new_loop();
    let reference = event_loop.clone();
    drop(event_loop);
    let held = Rc::new(());
    let hold = || {
        let held = held.clone();
        move || {
            let _ = &held;
        }
    };
    assert!(reference.call_soon(hold()).cancelled());
    assert!(
        reference
            .call_later(Duration::from_secs(1), hold())
            .cancelled()
    );
    let mut task = reference.spawn({
        let held = held.clone();
        async move { drop(held) }
    });
    assert!(matches!(
        task.try_result(),
        Some(Err(TaskError::Cancelled(_)))
    ));
    assert_eq!(Rc::strong_count(&held), 1);
    let (a, _b) = UnixStream::pair().unwrap();
    for error in [
        reference.add_reader(&a, hold()).unwrap_err(),
        reference.add_writer(&a, hold()).unwrap_err(),
        reference.add_signal_handler(10, hold()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("closed"), "{error}");
    }
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(!reference.remove_reader(&a) && !reference.remove_signal_handler(10));
}

#[test]
fn what_is_held_is_dropped_in_order() {
    struct Noted(&'static str, Rc<RefCell<Vec<&'static str>>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }
    let log = Rc::new(RefCell::new(Vec::new()));
    let noted = |name| Noted(name, log.clone());
    let event_loop = new_loop();
    let (a, _b) = UnixStream::pair().unwrap();
    let signal = noted("signal handler");
    event_loop
        .add_signal_handler(23, move || {
            let _ = &signal;
        })
        .unwrap();
    let reader = noted("reader");
    event_loop
        .add_reader(&a, move || {
            let _ = &reader;
        })
        .unwrap();
    let handler = noted("exception handler");
    event_loop.set_exception_handler(move |_, _| {
        let _ = &handler;
    });
    let callback = noted("callback");
    event_loop.call_soon(move || drop(callback));
    // The timer that is due first goes first.
    for (name, seconds) in [("later timer", 9), ("timer", 8)] {
        let timer = noted(name);
        event_loop.call_later(Duration::from_secs(seconds), move || drop(timer));
    }
    for name in ["task", "second task"] {
        let task = noted(name);
        event_loop
            .spawn(async move {
                std::future::pending::<()>().await;
                drop(task);
            })
            .detach();
    }
    event_loop.close();
    let expected = ["task", "second task", "timer", "later timer", "callback"];
    assert_eq!(log.borrow()[..5], expected);
    let mut rest = log.borrow()[5..].to_vec();
    assert_eq!(rest.pop(), Some("exception handler"));
    rest.sort_unstable();
    assert_eq!(rest, ["reader", "signal handler"]);
}

#[test]
fn destructors_that_use_the_loop_while_it_closes_do_no_harm() {
    struct Meddler(LoopRef, Rc<Cell<u32>>);
    impl Drop for Meddler {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            let more = self.1.clone();
            self.0.call_soon(move || more.set(100));
            let more = Meddler2(self.1.clone());
            self.0
                .spawn(async move {
                    let _ = &more;
                })
                .detach();
        }
    }
    struct Meddler2(Rc<Cell<u32>>);
    impl Drop for Meddler2 {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let event_loop = new_loop();
    for _ in 0..3 {
        let meddler = Meddler(event_loop.clone(), dropped.clone());
        event_loop
            .spawn(async move {
                std::future::pending::<()>().await;
                drop(meddler);
            })
            .detach();
    }
    let meddler = Meddler(event_loop.clone(), dropped.clone());
    event_loop.call_later(Duration::from_secs(9), move || drop(meddler));
    event_loop.turn();
    drop(event_loop);
    assert_eq!(dropped.get(), 8);
}

#[test]
fn a_destructor_that_panics_does_not_stop_the_closing() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let held = Rc::new(());
    let event_loop = new_loop();
    event_loop.set_exception_handler(|_, _| {});
    let bomb = Bomb;
    event_loop.call_later(Duration::from_secs(9), move || drop(bomb));
    let keep = held.clone();
    event_loop.call_later(Duration::from_secs(9), move || drop(keep));
    drop(event_loop);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn no_descriptor_leaks() {
    // Other tests run beside this one: look for growth, not for equality.
    let before = open_fds();
    for _ in 0..2_000 {
        let event_loop = new_loop();
        let kept = event_loop.clone();
        event_loop.add_signal_handler(10, || {}).unwrap();
        drop(event_loop);
        assert!(kept.is_closed());
    }
    assert!(open_fds() < before + 500);
}

#[test]
#[should_panic(expected = "a running event loop can't be closed")]
fn closing_from_inside_is_refused() {
    let event_loop = new_loop();
    let inner = event_loop.clone();
    let result = event_loop.run_until_complete(async move { inner.close() });
    let Err(TaskError::Panicked(panic)) = result else {
        return;
    };
    std::panic::resume_unwind(panic.take_payload().unwrap());
}

#[test]
fn a_done_callback_of_a_closed_loop_s_task_is_dropped() {
    let event_loop = new_loop();
    let mut task = event_loop.spawn(async {});
    event_loop.turn();
    drop(event_loop);
    assert!(task.done());
    let kept = Rc::new(());
    task.add_done_callback({
        let (kept, handle) = (kept.clone(), task.handle());
        move || drop((kept, handle))
    });
    assert_eq!(Rc::strong_count(&kept), 1);
    assert!(task.try_result().is_some());
}
