//! `sleep` and `timeout`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bucle_loop::{run, sleep, sleep_until, spawn, timeout, yield_now};

use crate::{WATCHDOG, within};

#[test]
fn sleeps_last_at_least_as_long_as_they_say() {
    within(WATCHDOG, || {
        run(async {
            for micros in [0, 10, 200, 900, 3_000] {
                let begun = Instant::now();
                sleep(Duration::from_micros(micros)).await;
                assert!(begun.elapsed() >= Duration::from_micros(micros));
            }
            let deadline = Instant::now() + Duration::from_millis(2);
            sleep_until(deadline).await;
            assert!(Instant::now() >= deadline);
            sleep_until(deadline).await;
        })
        .unwrap();
    });
}

#[test]
fn sleep_zero_lets_the_others_run() {
    within(WATCHDOG, || {
        run(async {
            let other = Rc::new(Cell::new(false));
            let flag = other.clone();
            spawn(async move { flag.set(true) }).detach();
            sleep(Duration::ZERO).await;
            assert!(other.get());
        })
        .unwrap();
    });
}

#[test]
fn a_sleep_may_move_to_another_task() {
    within(WATCHDOG, || {
        run(async {
            let mut nap = Box::pin(sleep(Duration::from_millis(5)));
            assert!(timeout(Duration::from_micros(50), &mut nap).await.is_err());
            spawn(nap).await.unwrap();
        })
        .unwrap();
    });
}

#[test]
fn a_timeout_drops_what_it_gave_up_on_and_takes_its_timer_back() {
    within(WATCHDOG, || {
        run(async {
            let held = Rc::new(());
            let keep = held.clone();
            let error = timeout(Duration::from_millis(1), async move {
                std::future::pending::<()>().await;
                drop(keep);
            })
            .await
            .unwrap_err();
            assert_eq!(error.after(), Duration::from_millis(1));
            assert_eq!(Rc::strong_count(&held), 1);
            assert_eq!(timeout(Duration::from_secs(3600), async { 3 }).await, Ok(3));
            assert_eq!(timeout(Duration::ZERO, async { 4 }).await, Ok(4));
            yield_now().await;
        })
        .unwrap();
    });
}

#[test]
fn a_sleep_of_zero_has_the_system_asked() {
    within(WATCHDOG, || {
        run(async {
            let (read, mut write) = std::io::pipe().unwrap();
            let seen = Rc::new(Cell::new(0));
            let count = seen.clone();
            let event_loop = bucle_loop::get_running_loop();
            event_loop
                .add_reader(&read, move || count.set(count.get() + 1))
                .unwrap();
            std::io::Write::write_all(&mut write, b"x").unwrap();
            for _ in 0..5 {
                let before = seen.get();
                sleep(Duration::ZERO).await;
                sleep(Duration::ZERO).await;
                assert!(seen.get() > before);
            }
            event_loop.remove_reader(&read);
        })
        .unwrap();
    });
}
