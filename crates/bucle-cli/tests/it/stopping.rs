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
        if deadline == "1000" {
            assert!(serving.is_running());
            serving.signal(Signal::TERM);
        }
        assert_eq!(serving.wait().code(), Some(1), "{deadline}");
        let errors = serving.errors();
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains("--drain-timeout"), "{errors}");
        let mut rest = Vec::new();
        assert!(stuck.read_to_end(&mut rest).is_err());
    }
}
