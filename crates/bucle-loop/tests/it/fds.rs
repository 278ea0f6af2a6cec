//! Readers, writers, sources: level-triggered, and never given another owner's event.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{Interest, LoopRef, Readiness, Registration, Source, get_running_loop, yield_now};

use crate::{WATCHDOG, new_loop, quiet_panic, within};

fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

#[test]
fn a_reader_is_called_as_long_as_there_is_something_to_read() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let (a, mut b) = pair();
        let a = Rc::new(a);
        let calls = Rc::new(Cell::new(0));
        event_loop
            .add_reader(&*a, {
                let (a, calls, reference) = (a.clone(), calls.clone(), event_loop.clone());
                move || {
                    calls.set(calls.get() + 1);
                    // Level-triggered: one byte at a time, still all of them.
                    let mut byte = [0];
                    assert_eq!((&*a).read(&mut byte).unwrap(), 1);
                    if byte[0] == b'!' {
                        assert!(reference.remove_reader(&*a));
                        reference.stop();
                    }
                }
            })
            .unwrap();
        b.write_all(b"hello!").unwrap();
        event_loop.run_forever();
        assert_eq!(calls.get(), 6);
        assert!(!event_loop.remove_reader(&*a));
    });
}

#[test]
fn reader_and_writer_of_one_descriptor_are_independent() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let (a, mut b) = pair();
        let log = Rc::new(RefCell::new(Vec::new()));
        let note = |what: &'static str| {
            let log = log.clone();
            move || log.borrow_mut().push(what)
        };
        event_loop.add_reader(&a, note("read")).unwrap();
        event_loop.add_writer(&a, note("write")).unwrap();
        event_loop.call_soon(|| {});
        event_loop.turn();
        assert_eq!(*log.borrow(), ["write"]);
        b.write_all(b"x").unwrap();
        event_loop.turn();
        assert_eq!(*log.borrow(), ["write", "read", "write"]);
        assert!(event_loop.remove_writer(&a));
        event_loop.turn();
        assert_eq!(*log.borrow(), ["write", "read", "write", "read"]);
        assert!(event_loop.remove_reader(&a));
        assert_eq!(event_loop.watched_fds(), 0);
    });
}

#[test]
fn a_hang_up_wakes_both_sides() {
    let event_loop = new_loop();
    let (a, b) = pair();
    let seen = Rc::new(Cell::new((0, 0)));
    event_loop
        .add_reader(&a, {
            let seen = seen.clone();
            move || seen.set((seen.get().0 + 1, seen.get().1))
        })
        .unwrap();
    event_loop
        .add_writer(&a, {
            let seen = seen.clone();
            move || seen.set((seen.get().0, seen.get().1 + 1))
        })
        .unwrap();
    drop(b);
    event_loop.turn();
    assert_eq!(seen.get(), (1, 1));
    event_loop.remove_reader(&a);
    event_loop.remove_writer(&a);
}

#[test]
fn a_regular_file_is_refused_clearly() {
    let event_loop = new_loop();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let error = event_loop.add_reader(&file, || {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("regular file"), "{error}");
    assert_eq!(event_loop.watched_fds(), 0);
}

#[test]
fn pipes_and_descriptors_of_any_pollable_kind_work() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let (read, mut write) = std::io::pipe().unwrap();
        let stop = event_loop.clone();
        event_loop.add_reader(&read, move || stop.stop()).unwrap();
        write.write_all(b"x").unwrap();
        event_loop.run_forever();
        event_loop.remove_reader(&read);
    });
}

struct Recorder {
    name: &'static str,
    log: Rc<RefCell<Vec<&'static str>>>,
    then: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Source for Recorder {
    fn ready(&self, readiness: Readiness) {
        assert!(readiness.readable());
        self.log.borrow_mut().push(self.name);
        if let Some(then) = self.then.borrow_mut().take() {
            then();
        }
    }
}

/// It is told once that it may read, whether there is something or not; the system is asked only from
/// when it says for what.
#[test]
fn an_unwatched_source_is_told_once_and_then_as_it_wishes() {
    let event_loop = new_loop();
    let log = Rc::new(RefCell::new(Vec::new()));
    let recorder = Rc::new(Recorder {
        name: "told",
        log: log.clone(),
        then: RefCell::new(None),
    });
    let (ours, mut peer) = pair();
    let registration = event_loop
        .register_unwatched(&ours, recorder.clone())
        .unwrap();
    assert!(log.borrow().is_empty(), "not from inside");
    for _ in 0..3 {
        event_loop.turn();
        peer.write_all(b"x").unwrap();
        assert_eq!(*log.borrow(), ["told"]);
        assert_eq!(event_loop.watched_fds(), 1);
        event_loop.call_soon(|| ());
    }
    event_loop
        .set_interest(&ours, &registration, Interest::READ)
        .unwrap();
    event_loop.turn();
    event_loop.turn();
    assert_eq!(*log.borrow(), ["told"; 3]);
    event_loop.deregister(&ours, registration);
    // Given up before the turn in which it would have been told.
    let registration = event_loop.register_unwatched(&ours, recorder).unwrap();
    event_loop.deregister(&ours, registration);
    event_loop.call_soon(|| ());
    event_loop.turn();
    assert_eq!(*log.borrow(), ["told"; 3]);
    assert_eq!(event_loop.watched_fds(), 0);
}

/// Closes a descriptor whose event is still on its way in this turn, opens another one that gets
/// the same number, and registers it, all from inside the first event: the second event must reach
/// nobody.
#[test]
fn a_recycled_descriptor_gets_no_event_of_its_predecessor() {
    let event_loop = new_loop();
    let log = Rc::new(RefCell::new(Vec::new()));
    let (first, mut first_peer) = pair();
    let (second, mut second_peer) = pair();
    let number = second.as_raw_fd();
    let recorder = |name, then: Option<Box<dyn FnOnce()>>| {
        Rc::new(Recorder {
            name,
            log: log.clone(),
            then: RefCell::new(then),
        })
    };
    let second = Rc::new(RefCell::new(Some(OwnedFd::from(second))));
    let registration = event_loop
        .register(
            second.borrow().as_ref().unwrap(),
            Interest::READ,
            recorder("old owner", None),
        )
        .unwrap();
    let kept = Rc::new(RefCell::new(Vec::new()));
    let swap = {
        let reference: LoopRef = event_loop.clone();
        let (log, kept, second) = (log.clone(), kept.clone(), second.clone());
        move || {
            let old = second.borrow_mut().take().unwrap();
            reference.deregister(&old, registration);
            drop(old);
            // Open descriptors until the number comes round again; other tests open some too.
            for _ in 0..200 {
                let (a, b) = pair();
                let found = a.as_raw_fd() == number || b.as_raw_fd() == number;
                for fd in [a, b] {
                    let registration = reference
                        .register(
                            &fd,
                            Interest::READ,
                            Rc::new(Recorder {
                                name: "new owner",
                                log: log.clone(),
                                then: RefCell::new(None),
                            }),
                        )
                        .unwrap();
                    kept.borrow_mut().push((fd, registration));
                }
                if found {
                    break;
                }
            }
        }
    };
    // Whichever of the two is reported first does the swap.
    event_loop
        .register(
            &first,
            Interest::READ,
            recorder("first", Some(Box::new(swap))),
        )
        .unwrap();
    first_peer.write_all(b"x").unwrap();
    second_peer.write_all(b"x").unwrap();
    event_loop.turn();
    let log = log.borrow();
    assert!(!log.contains(&"new owner"), "{log:?}");
    if log[0] == "first" {
        assert_eq!(*log, ["first"]);
        assert_eq!(event_loop.counters().stale_events, 1);
    }
}

#[test]
fn a_reader_taken_away_in_the_turn_is_not_called() {
    let event_loop = new_loop();
    let (a, mut a_peer) = pair();
    let (b, mut b_peer) = pair();
    let (a, b) = (Rc::new(a), Rc::new(b));
    let calls = Rc::new(Cell::new(0));
    for (this, other) in [(&a, &b), (&b, &a)] {
        let (calls, reference, other) = (calls.clone(), event_loop.clone(), other.clone());
        event_loop
            .add_reader(&**this, move || {
                calls.set(calls.get() + 1);
                reference.remove_reader(&*other);
            })
            .unwrap();
    }
    a_peer.write_all(b"x").unwrap();
    b_peer.write_all(b"x").unwrap();
    event_loop.turn();
    assert_eq!(calls.get(), 1);
}

#[test]
fn a_descriptor_closed_behind_the_loops_back_can_be_used_again() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        // Number reuse is forced by dup2-like behaviour of the lowest free number; try a few times.
        for _ in 0..20 {
            let (a, _keep) = pair();
            event_loop
                .add_reader(&a, || panic!("nothing was ever written here"))
                .unwrap();
            drop(a);
            let (b, mut b_peer) = pair();
            let stop = event_loop.clone();
            event_loop.add_reader(&b, move || stop.stop()).unwrap();
            b_peer.write_all(b"x").unwrap();
            event_loop.run_forever();
            assert!(event_loop.remove_reader(&b));
        }
    });
}

#[test]
fn a_descriptor_of_a_transport_is_not_to_be_watched() {
    let event_loop = new_loop();
    let (a, _b) = pair();
    let source = Rc::new(Recorder {
        name: "owner",
        log: Rc::default(),
        then: RefCell::new(None),
    });
    let registration = event_loop.register(&a, Interest::READ, source).unwrap();
    let error = event_loop.add_reader(&a, || {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    event_loop.deregister(&a, registration);
    event_loop.add_reader(&a, || {}).unwrap();
    event_loop.remove_reader(&a);
}

#[test]
fn no_interest_reports_nothing_not_even_a_hang_up() {
    let event_loop = new_loop();
    let (a, b) = pair();
    let log = Rc::new(RefCell::new(Vec::new()));
    let source = Rc::new(Recorder {
        name: "paused",
        log: log.clone(),
        then: RefCell::new(None),
    });
    let registration = event_loop.register(&a, Interest::READ, source).unwrap();
    event_loop
        .set_interest(&a, &registration, Interest::NONE)
        .unwrap();
    drop(b);
    event_loop.call_soon(|| {});
    event_loop.turn();
    assert!(log.borrow().is_empty());
    event_loop
        .set_interest(&a, &registration, Interest::READ)
        .unwrap();
    event_loop.turn();
    assert_eq!(*log.borrow(), ["paused"]);
    event_loop.deregister(&a, registration);
}

#[test]
fn a_panicking_reader_is_told_and_stays() {
    let event_loop = new_loop();
    let told = Rc::new(Cell::new(0));
    event_loop.set_exception_handler({
        let told = told.clone();
        move |_, context| {
            assert_eq!(context.source, "reader");
            told.set(told.get() + 1);
        }
    });
    let (a, mut b) = pair();
    event_loop.add_reader(&a, || panic!("ouch")).unwrap();
    b.write_all(b"x").unwrap();
    event_loop.turn();
    event_loop.turn();
    assert_eq!(told.get(), 2);
    event_loop.remove_reader(&a);
}

#[test]
fn a_source_that_panics_is_told_by_name_and_stays() {
    struct Clumsy;
    impl Source for Clumsy {
        fn ready(&self, _: Readiness) {
            panic!("dropped it");
        }

        fn flush(&self) {
            panic!("spilled it");
        }

        fn describe(&self) -> Option<String> {
            Some("the clumsy one".into())
        }
    }
    let event_loop = new_loop();
    let log = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let log = log.clone();
        move |_, context| log.borrow_mut().push(context.to_string())
    });
    let (a, mut b) = pair();
    let source = Rc::new(Clumsy);
    let registration = event_loop
        .register(&a, Interest::READ, source.clone())
        .unwrap();
    event_loop.flush_soon(source);
    b.write_all(b"x").unwrap();
    event_loop.turn();
    assert_eq!(
        *log.borrow(),
        [
            "transport `the clumsy one`: panicked: dropped it",
            "transport `the clumsy one`: panicked: spilled it"
        ]
    );
    event_loop.deregister(&a, registration);
}

#[test]
fn a_source_gets_no_file_and_a_closed_loop_no_source() {
    let event_loop = new_loop();
    let source = || {
        Rc::new(Recorder {
            name: "source",
            log: Rc::default(),
            then: RefCell::new(None),
        })
    };
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let error = event_loop
        .register(&file, Interest::READ, source())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("regular file"), "{error}");
    assert_eq!(event_loop.watched_fds(), 0);

    let (a, _b) = pair();
    let reference: LoopRef = event_loop.clone();
    drop(event_loop);
    let held = source();
    let error = reference
        .register(&a, Interest::READ, held.clone())
        .unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert_eq!(Rc::strong_count(&held), 1);
}

/// An owner that forgot to end its registration: the next one has the descriptor to itself.
#[test]
fn a_descriptor_registered_again_is_its_new_owners() {
    let event_loop = new_loop();
    let (a, mut b) = pair();
    let log = Rc::new(RefCell::new(Vec::new()));
    let register = |name| {
        let source = Rc::new(Recorder {
            name,
            log: log.clone(),
            then: RefCell::new(None),
        });
        event_loop.register(&a, Interest::READ, source).unwrap()
    };
    let old = register("old");
    let new = register("new");
    assert_ne!(old.generation(), new.generation());
    assert_eq!(event_loop.watched_fds(), 1);
    b.write_all(b"x").unwrap();
    event_loop.turn();
    // What the old owner still says about the descriptor is not heard.
    event_loop.set_interest(&a, &old, Interest::NONE).unwrap();
    event_loop.deregister(&a, old);
    event_loop.turn();
    assert_eq!(*log.borrow(), ["new", "new"]);
    event_loop.deregister(&a, new);
    assert_eq!(event_loop.watched_fds(), 0);
}

#[test]
fn what_wakes_one_side_by_an_error_wakes_both() {
    let event_loop = new_loop();
    let (read, write) = std::io::pipe().unwrap();
    let calls = Rc::new(Cell::new(0));
    let note = || {
        let calls = calls.clone();
        move || calls.set(calls.get() + 1)
    };
    event_loop.add_writer(&write, note()).unwrap();
    event_loop.add_reader(&write, note()).unwrap();
    drop(read);
    event_loop.turn();
    assert_eq!(calls.get(), 2);
    event_loop.remove_writer(&write);
    event_loop.remove_reader(&write);
}

#[test]
fn a_task_that_never_waits_starves_no_descriptor_and_no_timer() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let (a, mut b) = pair();
        let read = Rc::new(Cell::new(false));
        let flag = read.clone();
        event_loop.add_reader(&a, move || flag.set(true)).unwrap();
        event_loop
            .run_until_complete(async move {
                let timed = Rc::new(Cell::new(false));
                let flag = timed.clone();
                get_running_loop().call_later(Duration::from_millis(1), move || flag.set(true));
                b.write_all(b"x").unwrap();
                while !(read.get() && timed.get()) {
                    yield_now().await;
                }
                // But the system is not asked each time.
                let before = get_running_loop().counters();
                for _ in 0..20_000 {
                    yield_now().await;
                }
                let after = get_running_loop().counters();
                let turns = after.turns - before.turns;
                assert!(after.selects - before.selects < turns / 2);
            })
            .unwrap();
        event_loop.remove_reader(&a);
    });
}

/// Looks at the table of descriptors when it is dropped.
struct Looks(LoopRef, UnixStream);

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.remove_reader(&self.1);
    }
}

impl Source for Looks {
    fn ready(&self, _: Readiness) {}
}

#[test]
fn what_is_refused_is_dropped_while_the_table_is_free() {
    let event_loop = new_loop();
    let looks = || Looks(event_loop.clone(), pair().0);
    let file = File::open("Cargo.toml").unwrap();
    let error = event_loop.add_reader(&file, {
        let looks = looks();
        move || _ = &looks
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = event_loop.register(&file, Interest::READ, Rc::new(looks()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    // Owned by a transport.
    let (a, _b) = pair();
    let registration = event_loop
        .register(&a, Interest::READ, Rc::new(looks()))
        .unwrap();
    let error = event_loop.add_writer(&a, {
        let looks = looks();
        move || _ = &looks
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ResourceBusy);
    event_loop.deregister(&a, registration);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        quiet_panic("a destructor");
    }
}

#[test]
fn a_reader_whose_captures_panic_when_it_takes_itself_away_is_told_of() {
    let event_loop = new_loop();
    let told = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let told = told.clone();
        move |_, context| told.borrow_mut().push(context.to_string())
    });
    let (a, mut b) = pair();
    let a = Rc::new(a);
    let (reader, bomb, own) = (event_loop.clone(), Bomb, a.clone());
    event_loop
        .add_reader(&*a, move || {
            let _ = &bomb;
            assert!(reader.remove_reader(&*own));
        })
        .unwrap();
    b.write_all(b"x").unwrap();
    event_loop.turn();
    assert_eq!(told.borrow().len(), 1);
    assert!(told.borrow()[0].contains("a destructor"));
}

/// A source that can't say who it is, and takes itself away.
struct Speechless {
    event_loop: LoopRef,
    own: RefCell<Option<(UnixStream, Registration)>>,
    _bomb: Bomb,
}

impl Source for Speechless {
    fn ready(&self, _: Readiness) {
        if let Some((stream, registration)) = self.own.take() {
            self.event_loop.deregister(&stream, registration);
        }
        quiet_panic("in ready");
    }

    fn describe(&self) -> Option<String> {
        quiet_panic("in describe");
    }
}

#[test]
fn a_source_that_panics_in_every_way_is_told_of() {
    let event_loop = new_loop();
    let told = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let told = told.clone();
        move |_, context| told.borrow_mut().push(context.to_string())
    });
    let (a, mut b) = pair();
    let source = Rc::new(Speechless {
        event_loop: event_loop.clone(),
        own: RefCell::default(),
        _bomb: Bomb,
    });
    let registration = event_loop
        .register(&a, Interest::READ, source.clone())
        .unwrap();
    assert!(!event_loop.wait_graph().descriptors().is_empty());
    source.own.replace(Some((a, registration)));
    drop(source);
    b.write_all(b"x").unwrap();
    event_loop.turn();
    assert_eq!(told.borrow().len(), 2, "{told:?}");
    assert!(told.borrow()[0].contains("in ready"));
    assert!(told.borrow()[1].contains("a destructor"));
    // One that is let go of after it has flushed.
    event_loop.flush_soon(Rc::new(Speechless {
        event_loop: event_loop.clone(),
        own: RefCell::default(),
        _bomb: Bomb,
    }));
    event_loop.turn();
    assert_eq!(told.borrow().len(), 3, "{told:?}");
}

#[test]
fn a_loop_that_watches_nothing_asks_nothing_but_hears_other_threads() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        event_loop
            .run_until_complete(async {
                let before = get_running_loop().counters();
                for _ in 0..20_000 {
                    yield_now().await;
                }
                let after = get_running_loop().counters();
                assert!(after.turns - before.turns >= 20_000);
                assert_eq!(after.selects, before.selects);

                thread_local!(static HEARD: Cell<bool> = const { Cell::new(false) });
                let remote = get_running_loop().remote();
                let other = std::thread::spawn(move || {
                    remote
                        .call_soon_threadsafe(|| HEARD.with(|heard| heard.set(true)))
                        .unwrap();
                });
                while !HEARD.with(Cell::get) {
                    yield_now().await;
                }
                other.join().unwrap();
            })
            .unwrap();
    });
}
