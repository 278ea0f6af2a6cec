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
        move || drop(held)
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
    assert!(reference.add_reader(&a, || {}).is_err());
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
