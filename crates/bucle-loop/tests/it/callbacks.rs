//! `call_soon`, timers and the turn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bucle_loop::{Handle, TimerHandle};

use crate::{WATCHDOG, new_loop, within};

type Log = Rc<RefCell<Vec<u32>>>;

fn push(log: &Log, n: u32) -> impl FnOnce() + 'static {
    let log = log.clone();
    move || log.borrow_mut().push(n)
}

#[test]
fn callbacks_run_in_the_order_they_were_scheduled() {
    let event_loop = new_loop();
    let log = Log::default();
    for n in 0..5 {
        event_loop.call_soon(push(&log, n));
    }
    event_loop.turn();
    assert_eq!(*log.borrow(), [0, 1, 2, 3, 4]);
}

#[test]
fn what_is_queued_during_a_turn_runs_in_the_next() {
    let event_loop = new_loop();
    let log = Log::default();
    event_loop.call_soon({
        let (event_loop, log) = (event_loop.clone(), log.clone());
        move || {
            event_loop.call_soon(push(&log, 2));
            log.borrow_mut().push(1);
        }
    });
    event_loop.turn();
    assert_eq!(*log.borrow(), [1]);
    event_loop.turn();
    assert_eq!(*log.borrow(), [1, 2]);
}

#[test]
fn a_cancelled_callback_is_freed_at_once_and_not_run() {
    let event_loop = new_loop();
    let held = Rc::new(());
    let handle = event_loop.call_soon({
        let held = held.clone();
        move || drop(held)
    });
    assert!(!handle.cancelled());
    handle.cancel();
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(handle.cancelled());
    event_loop.turn();

    let timer = event_loop.call_later(Duration::from_secs(3600), {
        let held = held.clone();
        move || drop(held)
    });
    timer.cancel();
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(timer.cancelled());
}

#[test]
fn cancelling_after_the_run_changes_nothing() {
    let event_loop = new_loop();
    let handle = event_loop.call_soon(|| {});
    event_loop.turn();
    handle.cancel();
    assert!(!handle.cancelled());
}

#[test]
fn due_timers_fire_by_deadline_and_then_by_order_of_arming() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let log = Log::default();
        let now = event_loop.time();
        let past = |ms| now.checked_sub(Duration::from_millis(ms)).unwrap_or(now);
        let soon = now + Duration::from_millis(2);
        event_loop.call_at(soon, push(&log, 10));
        event_loop.call_at(soon, push(&log, 11));
        event_loop.call_at(past(0), push(&log, 1));
        event_loop.call_at(soon, push(&log, 12));
        event_loop.call_at(past(0), push(&log, 2));
        event_loop.call_at(soon + Duration::from_nanos(1), push(&log, 13));
        let stop = event_loop.clone();
        event_loop.call_at(soon + Duration::from_millis(1), move || stop.stop());
        event_loop.run_forever();
        assert_eq!(*log.borrow(), [1, 2, 10, 11, 12, 13]);
    });
}

#[test]
fn a_timer_never_fires_early_and_short_ones_are_honoured() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        for micros in [50, 300, 700, 1_500] {
            let delay = Duration::from_micros(micros);
            let begun = Instant::now();
            let fired = Rc::new(Cell::new(None));
            event_loop.call_later(delay, {
                let (fired, stop) = (fired.clone(), event_loop.clone());
                move || {
                    fired.set(Some(begun.elapsed()));
                    stop.stop();
                }
            });
            event_loop.run_forever();
            assert!(fired.get().unwrap() >= delay);
        }
    });
}

#[test]
fn a_million_cancelled_timers_do_not_stay() {
    let event_loop = new_loop();
    for _ in 0..1_000_000 {
        event_loop
            .call_later(Duration::from_secs(3600), || {})
            .cancel();
    }
    assert!(event_loop.counters().timers < 1_000);
}

#[test]
fn stop_before_running_runs_one_turn() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let log = Log::default();
        event_loop.call_soon(push(&log, 1));
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(*log.borrow(), [1]);
        assert!(!event_loop.is_running());
    });
}

#[test]
fn when_tells_the_deadline() {
    let event_loop = new_loop();
    let when = event_loop.time() + Duration::from_secs(5);
    assert_eq!(event_loop.call_at(when, || {}).when(), when);
}

#[test]
fn a_delay_beyond_the_clock_is_never() {
    let event_loop = new_loop();
    let timer = event_loop.call_later(Duration::MAX, || panic!("not in our time"));
    event_loop.call_soon(|| {});
    event_loop.turn();
    assert!(!timer.cancelled());
}

#[test]
fn timers_long_due_fire_by_deadline_whatever_the_order_of_arming() {
    let event_loop = new_loop();
    let log = Log::default();
    let now = event_loop.time();
    std::thread::sleep(Duration::from_millis(3));
    for n in [3, 1, 2] {
        let when = now + Duration::from_micros(n.into());
        event_loop.call_at(when, push(&log, n));
    }
    // All in the one turn that finds them due.
    event_loop.turn();
    assert_eq!(*log.borrow(), [1, 2, 3]);
}

#[test]
fn what_was_read_comes_before_the_timers_of_the_same_turn() {
    let event_loop = new_loop();
    let log = Log::default();
    event_loop.call_at(event_loop.time(), push(&log, 2));
    let (read, mut write) = std::io::pipe().unwrap();
    let note = log.clone();
    event_loop
        .add_reader(&read, move || note.borrow_mut().push(1))
        .unwrap();
    std::io::Write::write_all(&mut write, b"x").unwrap();
    event_loop.turn();
    assert_eq!(*log.borrow(), [1, 2]);
    event_loop.remove_reader(&read);
}

#[test]
fn waits_are_finer_than_a_millisecond() {
    let event_loop = new_loop();
    // A wait rounded up to a millisecond would find both due in the same turn, each time.
    let apart = (0..200).any(|_| {
        let fired = Rc::new(RefCell::new(Vec::new()));
        for micros in [100, 900] {
            let (fired, turns) = (fired.clone(), event_loop.clone());
            event_loop.call_later(Duration::from_micros(micros), move || {
                fired.borrow_mut().push(turns.turn_number());
            });
        }
        while fired.borrow().len() < 2 {
            event_loop.turn();
        }
        let fired = fired.borrow();
        fired[0] != fired[1]
    });
    assert!(apart);
}

#[test]
fn what_is_due_in_this_turn_can_still_be_cancelled() {
    let event_loop = new_loop();
    let log = Log::default();
    let later = Rc::new(RefCell::new(None));
    let cancel = later.clone();
    event_loop.call_soon(move || {
        let handle: Handle = cancel.take().unwrap();
        handle.cancel();
    });
    *later.borrow_mut() = Some(event_loop.call_soon(push(&log, 1)));
    event_loop.turn();

    let timer = Rc::new(RefCell::new(None));
    let cancel = timer.clone();
    let now = event_loop.time();
    event_loop.call_at(now, move || {
        let timer: TimerHandle = cancel.take().unwrap();
        timer.cancel();
        assert!(timer.cancelled());
    });
    *timer.borrow_mut() = Some(event_loop.call_at(now, push(&log, 2)));
    event_loop.turn();
    assert!(log.borrow().is_empty(), "{log:?}");
    assert_eq!(event_loop.counters().exceptions, 0);
}

#[test]
fn a_callback_may_cancel_itself_to_no_effect() {
    let event_loop = new_loop();
    let own = Rc::new(RefCell::new(None));
    let ran = Rc::new(Cell::new(false));
    *own.borrow_mut() = Some(event_loop.call_soon({
        let (own, ran) = (own.clone(), ran.clone());
        move || {
            let handle: Handle = own.take().unwrap();
            handle.cancel();
            ran.set(!handle.cancelled());
        }
    }));
    event_loop.turn();
    assert!(ran.get());
}

#[test]
fn an_embedder_takes_the_phases_one_by_one() {
    let event_loop = new_loop();
    let entered = event_loop.enter();
    assert!(event_loop.is_running());
    let log = Log::default();
    let note = log.clone();
    let task = event_loop.spawn(async move {
        bucle_loop::sleep(Duration::from_millis(1)).await;
        note.borrow_mut().push(1);
    });
    while !task.done() {
        event_loop.select();
        event_loop.dispatch();
        event_loop.expire();
        event_loop.run_ready();
        event_loop.flush();
    }
    drop(entered);
    assert!(!event_loop.is_running());
    assert_eq!(*log.borrow(), [1]);
}

/// What is remembered for a turn (a file's size, the date) must not outlive it under an embedder.
#[test]
fn an_embedder_s_turns_count_too() {
    let event_loop = new_loop();
    let entered = event_loop.enter();
    let seen = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..3 {
        for _ in 0..2 {
            let (seen, turns) = (seen.clone(), event_loop.clone());
            event_loop.call_soon(move || seen.borrow_mut().push(turns.turn_number()));
        }
        event_loop.select();
        event_loop.dispatch();
        event_loop.expire();
        event_loop.run_ready();
        event_loop.flush();
    }
    drop(entered);
    assert_eq!(*seen.borrow(), [1, 1, 2, 2, 3, 3]);
    event_loop.call_soon(|| ());
    event_loop.turn();
    assert_eq!(event_loop.turn_number(), 4);
    assert_eq!(event_loop.counters().turns, 4);
}
