//! A turn with much to run, and what comes due meanwhile.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bucle_loop::{get_running_loop, sleep, spawn, yield_now};

use crate::{Log, WATCHDOG, drive, new_loop, within};

/// More entries than run before a turn is cut.
const MANY: u32 = 20_000;

#[test]
fn a_sleeper_whose_time_has_come_goes_before_the_rest_of_a_long_turn() {
    drive(|| async {
        let ran = Rc::new(Cell::new(0));
        let woke = Rc::new(Cell::new(None));
        let sleeper = spawn({
            let (ran, woke) = (ran.clone(), woke.clone());
            async move {
                sleep(Duration::from_nanos(1)).await;
                woke.set(Some(ran.get()));
            }
        });
        for _ in 0..MANY {
            let ran = ran.clone();
            get_running_loop().call_soon(move || ran.set(ran.get() + 1));
        }
        sleeper.await.unwrap();
        assert!(woke.get() < Some(MANY), "{woke:?}");
    });
}

#[test]
fn an_event_does_so_once_the_clock_has_ticked() {
    drive(|| async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let ran = Rc::new(Cell::new(0_u64));
        let seen = Rc::new(Cell::new(None));
        get_running_loop()
            .add_reader(&reader, {
                let (ran, seen) = (ran.clone(), seen.clone());
                move || seen.set(seen.get().or(Some(ran.get())))
            })
            .unwrap();
        writer.write_all(b"x").unwrap();
        for _ in 0..200 {
            let ran = ran.clone();
            get_running_loop().call_soon(move || {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(1) {}
                ran.set(ran.get() + 1);
            });
        }
        while ran.get() < 200 {
            yield_now().await;
        }
        assert!(seen.get() < Some(200), "{seen:?}");
        get_running_loop().remove_reader(&reader);
    });
}

#[test]
fn neither_callbacks_nor_timers_change_their_order() {
    drive(|| async {
        let soon = Log::<u32>::default();
        let timers = Log::<u32>::default();
        let now = get_running_loop().time();
        // Each callback arms a timer and queues another callback, while timers come due.
        for number in 0..MANY {
            let event_loop = get_running_loop();
            let (soon, timers) = (soon.clone(), timers.clone());
            get_running_loop().call_soon(move || {
                soon.borrow_mut().push(number);
                let when = now + Duration::from_nanos(u64::from(number));
                let later = soon.clone();
                event_loop.call_at(when, move || timers.borrow_mut().push(number));
                event_loop.call_soon(move || later.borrow_mut().push(MANY + number));
            });
        }
        while timers.borrow().len() < MANY as usize || soon.borrow().len() < 2 * MANY as usize {
            yield_now().await;
        }
        assert!(soon.borrow().is_sorted());
        assert!(timers.borrow().is_sorted());
    });
}

#[test]
fn those_that_overtake_starve_nobody() {
    drive(|| async {
        // Timers that are due again whenever they have fired.
        fn again(left: Rc<Cell<u32>>) {
            if left.get() > 0 {
                get_running_loop().call_later(Duration::ZERO, move || again(left));
            }
        }
        let left = Rc::new(Cell::new(MANY));
        for _ in 0..100 {
            again(left.clone());
        }
        for _ in 0..MANY {
            let left = left.clone();
            get_running_loop().call_soon(move || left.set(left.get() - 1));
        }
        while left.get() > 0 {
            yield_now().await;
        }
    });
}

#[test]
fn a_loop_that_is_stopped_ends_with_a_whole_turn() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let ran = Rc::new(Cell::new(0));
        event_loop.call_soon({
            let event_loop = event_loop.clone();
            move || {
                event_loop.call_later(Duration::ZERO, || ());
                event_loop.stop();
            }
        });
        for _ in 0..MANY {
            let ran = ran.clone();
            event_loop.call_soon(move || ran.set(ran.get() + 1));
        }
        event_loop.run_forever();
        assert_eq!(ran.get(), MANY);
    });
}

#[test]
fn an_embedder_has_the_whole_turn_run() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let ran = Rc::new(Cell::new(0));
        event_loop.call_later(Duration::ZERO, || ());
        for _ in 0..MANY {
            let ran = ran.clone();
            event_loop.call_soon(move || ran.set(ran.get() + 1));
        }
        let entered = event_loop.enter();
        event_loop.turn();
        drop(entered);
        assert_eq!(ran.get(), MANY);
    });
}
