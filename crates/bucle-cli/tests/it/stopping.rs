//! Stopping: cleanly, within a deadline, at once.

use std::io::{Read, Write};

use rustix::process::Signal;

use crate::support::{Serving, site};

const LARGE: usize = 30_000_000;

#[test]
fn a_signal_finishes_what_is_under_way_and_exits_0() {
    let site = site();
    for signal in [Signal::TERM, Signal::INT] {
        for workers in ["1", "2"] {
            let mut serving = Serving::start(
                site.path(),
                &["--listen", "127.0.0.1:0", "--workers", workers],
            );
            let mut idle = serving.connect();
            let mut busy = serving.connect();
            busy.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            let mut start = [0; 1000];
            busy.read_exact(&mut start).unwrap();
            serving.signal(signal);
            // The idle one is let go, which shows that the stop has begun.
            assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
            assert!(serving.is_running());
            let mut rest = Vec::new();
            busy.read_to_end(&mut rest).unwrap();
            assert!(rest.len() > LARGE - 1000);
            assert!(serving.wait().success(), "{}", serving.errors());
        }
    }
}

/// What has nothing to read again does not die of being asked to.
#[test]
fn a_hangup_without_a_certificate_changes_nothing() {
    let site = site();
    let mut serving = Serving::start(site.path(), &["--listen", "127.0.0.1:0"]);
    for _ in 0..3 {
        serving.signal(Signal::HUP);
        assert!(serving.get("/").contains("<p>hello"));
    }
    serving.signal(Signal::TERM);
    assert!(serving.wait().success(), "{}", serving.errors());
}

#[test]
fn a_second_signal_or_the_deadline_cuts() {
    let site = site();
    for deadline in ["1000", "0.1", "0"] {
        let mut serving = Serving::start(
            site.path(),
            &["--listen", "127.0.0.1:0", "--drain-timeout", deadline],
        );
        let mut idle = serving.connect();
        let mut stuck = serving.connect();
        stuck
            .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut start = [0; 1000];
        stuck.read_exact(&mut start).unwrap();
        serving.signal(Signal::TERM);
        let _ = idle.read(&mut [0; 1]);
        let wanted = if deadline == "1000" {
            let waits = serving.next_error();
            assert_eq!(
                waits,
                "bucle: stopping, after 1 answer that is under way, or 1000s (--drain-timeout); a \
                 second signal cuts\n"
            );
            serving.signal(Signal::TERM);
            "error: stopped at once, as asked for by a second signal, before 1 connection had the \
             whole of an answer\n"
        } else {
            "error: stopped before 1 connection had the whole of an answer; give more time with \
             --drain-timeout\n"
        };
        assert_eq!(serving.wait().code(), Some(1), "{deadline}");
        assert_eq!(serving.errors(), wanted);
        let mut rest = Vec::new();
        assert!(stuck.read_to_end(&mut rest).is_err());
    }
}

/// Time-outs that would each keep the stop from ending before the watchdog.
const PATIENT: [&str; 6] = [
    "--header-timeout",
    "1h",
    "--linger-timeout",
    "1h",
    "--drain-timeout",
    "1h",
];

#[test]
fn who_has_no_answer_under_way_holds_up_no_stop() {
    let site = site();
    let arguments = [&["--listen", "127.0.0.1:0"][..], &PATIENT].concat();
    let mut serving = Serving::start(site.path(), &arguments);
    let silent = serving.connect();
    let mut half = serving.connect();
    half.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    let mut second_half = serving.connect();
    second_half
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHo")
        .unwrap();
    second_half.read_exact(&mut [0; 12]).unwrap();
    // Refused, and still open at its side.
    let mut refused = serving.connect();
    refused.write_all(b"BAD\r\n\r\n").unwrap();
    let mut answer = String::new();
    refused.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    serving.signal(Signal::TERM);
    assert!(serving.wait().success(), "{}", serving.errors());
    let mut rest = Vec::new();
    let _ = half.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    drop((silent, second_half, refused));
}

#[test]
fn who_has_no_answer_to_come_is_not_counted_at_the_deadline() {
    let site = site();
    let arguments = ["--listen", "127.0.0.1:0", "--drain-timeout", "0"];
    for more in [&[][..], &["--workers", "2"]] {
        let mut serving = Serving::start(site.path(), &[&arguments[..], more].concat());
        let silent = serving.connect();
        let mut half = serving.connect();
        half.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
        // On loopback, what was written before this was answered has arrived.
        serving.get("/");
        serving.signal(Signal::TERM);
        assert!(serving.wait().success(), "{}", serving.errors());
        assert_eq!(serving.errors(), "");
        drop((silent, half));
    }
}

#[test]
fn a_head_that_was_half_sent_at_the_stop_may_become_whole() {
    let site = site();
    let arguments = [&["--listen", "127.0.0.1:0"][..], &PATIENT].concat();
    let mut serving = Serving::start(site.path(), &arguments);
    let mut idle = serving.connect();
    let mut half = serving.connect();
    half.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    // On loopback, what was written before this was answered has arrived.
    serving.get("/");
    serving.signal(Signal::TERM);
    // The idle one is let go, which shows that the stop has begun.
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    let whole = half.write_all(b"st: x\r\n\r\n").is_ok();
    let mut answer = String::new();
    // Where this thread had to wait for longer than the grace, it is too late.
    if whole && half.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
    }
    assert!(serving.wait().success(), "{}", serving.errors());
}
