//! Signals. Each test has a signal of its own: they run at once, in one process.

use std::cell::Cell;
use std::io::ErrorKind;
use std::process::Command;
use std::rc::Rc;

use crate::{WATCHDOG, new_loop, quiet_panic, within};

const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGWINCH: i32 = 28;
const SIGCONT: i32 = 18;
const SIGURG: i32 = 23;

fn send(signal: i32) {
    let status = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(std::process::id().to_string())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_signal_calls_its_handler_on_the_loop() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let calls = Rc::new(Cell::new(0));
        event_loop
            .add_signal_handler(SIGUSR2, {
                let (calls, stop) = (calls.clone(), event_loop.clone());
                move || {
                    calls.set(calls.get() + 1);
                    stop.stop();
                }
            })
            .unwrap();
        let thread = std::thread::spawn(|| send(SIGUSR2));
        event_loop.run_forever();
        thread.join().unwrap();
        assert_eq!(calls.get(), 1);
        // Replaced, not added.
        event_loop
            .add_signal_handler(SIGUSR2, {
                let stop = event_loop.clone();
                move || stop.stop()
            })
            .unwrap();
        send(SIGUSR2);
        event_loop.run_forever();
        assert_eq!(calls.get(), 1);
        assert!(event_loop.remove_signal_handler(SIGUSR2));
        assert!(!event_loop.remove_signal_handler(SIGUSR2));
    });
}

#[test]
fn what_can_not_be_handled_is_refused() {
    let event_loop = new_loop();
    for signal in [9, 19, 11, 8, 4] {
        let error = event_loop.add_signal_handler(signal, || {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{signal}");
        assert!(error.to_string().contains("can't be handled"), "{error}");
    }
    for signal in [0, -1, 1_000] {
        assert!(event_loop.add_signal_handler(signal, || {}).is_err());
    }
}

#[test]
fn two_loops_hear_the_same_signal() {
    within(WATCHDOG, || {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (ready, wait) = std::sync::mpsc::channel();
                let thread = std::thread::spawn(move || {
                    let event_loop = new_loop();
                    let stop = event_loop.clone();
                    event_loop
                        .add_signal_handler(SIGWINCH, move || stop.stop())
                        .unwrap();
                    ready.send(()).unwrap();
                    event_loop.run_forever();
                });
                wait.recv().unwrap();
                thread
            })
            .collect();
        send(SIGWINCH);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Run again by the test below, in a process of its own, which the signal ends.
#[test]
#[ignore = "the child of the_default_comes_back"]
fn child_that_gives_the_default_back() {
    let event_loop = new_loop();
    event_loop.add_signal_handler(SIGUSR1, || {}).unwrap();
    send(SIGUSR1);
    event_loop.turn();
    assert!(event_loop.remove_signal_handler(SIGUSR1));
    send(SIGUSR1);
    std::thread::sleep(std::time::Duration::from_secs(30));
}

#[test]
fn the_default_comes_back() {
    use std::os::unix::process::ExitStatusExt;
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "signals::child_that_gives_the_default_back",
        ])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(SIGUSR1), "{status:?}");
}

#[test]
fn a_handler_that_takes_itself_away_is_not_called_again() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let calls = Rc::new(Cell::new(0));
        event_loop
            .add_signal_handler(SIGURG, {
                let (calls, reference) = (calls.clone(), event_loop.clone());
                move || {
                    calls.set(calls.get() + 1);
                    assert!(reference.remove_signal_handler(SIGURG));
                }
            })
            .unwrap();
        send(SIGURG);
        send(SIGURG);
        while calls.get() == 0 {
            event_loop.turn();
        }
        event_loop.call_soon(|| {});
        event_loop.turn();
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_handler_that_panics_is_called_for_the_next_one() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        event_loop.set_exception_handler(|_, _| ());
        let calls = Rc::new(Cell::new(0));
        event_loop
            .add_signal_handler(SIGCONT, {
                let calls = calls.clone();
                move || {
                    calls.set(calls.get() + 1);
                    quiet_panic("in a signal handler");
                }
            })
            .unwrap();
        send(SIGCONT);
        send(SIGCONT);
        while calls.get() < 2 {
            event_loop.turn();
        }
        assert!(event_loop.remove_signal_handler(SIGCONT));
    });
}
