//! What the table asks of every selector of the system, put to each of them.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bucle_sys::wake::WakeFd;

use super::{Event, Selector, SelectorKind};
use crate::fds::{Interest, Readiness};
use crate::pollable::Pollable;

fn on_each(body: impl Fn(&mut dyn Selector)) {
    for kind in [SelectorKind::Default, SelectorKind::Poll] {
        body(&mut *kind.open().unwrap());
    }
}

fn pollable(fd: &impl AsFd) -> Pollable<'_> {
    Pollable::Fd(fd.as_fd())
}

fn ready(selector: &mut dyn Selector) -> Vec<(u64, Readiness)> {
    let mut events = Vec::new();
    selector.select(Some(Duration::ZERO), &mut events).unwrap();
    let pairs = events
        .iter()
        .map(|event: &Event| (event.token, event.readiness));
    pairs.collect()
}

fn readable_pipe() -> (PipeReader, PipeWriter) {
    let (read, mut write) = io::pipe().unwrap();
    write.write_all(b"x").unwrap();
    (read, write)
}

#[test]
fn readiness_is_reported_as_long_as_it_lasts() {
    on_each(|selector| {
        let (read, _write) = readable_pipe();
        selector.add(pollable(&read), 5, Interest::READ).unwrap();
        for _ in 0..3 {
            assert_eq!(ready(selector), [(5, Readiness::READ)]);
        }
        selector.remove(pollable(&read)).unwrap();
        assert_eq!(ready(selector), []);
    });
}

#[test]
fn adding_what_is_known_replaces_token_and_interest() {
    on_each(|selector| {
        let (a, mut b) = UnixStream::pair().unwrap();
        b.write_all(b"x").unwrap();
        selector.add(pollable(&a), 1, Interest::READ).unwrap();
        selector.add(pollable(&a), 2, Interest::WRITE).unwrap();
        assert_eq!(ready(selector), [(2, Readiness::WRITE)]);
    });
}

#[test]
fn modifying_what_is_unknown_adds_it() {
    on_each(|selector| {
        let (read, _write) = readable_pipe();
        selector.modify(pollable(&read), 3, Interest::READ).unwrap();
        assert_eq!(ready(selector), [(3, Readiness::READ)]);
    });
}

/// The number of a closed descriptor is given out again: by whichever of the two calls the table
/// comes, the new one is watched, by its own token.
#[test]
fn a_number_given_out_again_can_be_added_and_modified() {
    on_each(|selector| {
        for modify in [false, true] {
            let mut token = 0;
            // Other tests open descriptors too: it may take some tries to get the same number.
            for _ in 0..200 {
                let (old, old_write) = readable_pipe();
                let number = old.as_raw_fd();
                selector.add(pollable(&old), token, Interest::READ).unwrap();
                drop((old, old_write));
                token += 1;
                let (new, _new_write) = readable_pipe();
                if modify {
                    selector.modify(pollable(&new), token, Interest::READ)
                } else {
                    selector.add(pollable(&new), token, Interest::READ)
                }
                .unwrap();
                assert_eq!(ready(selector), [(token, Readiness::READ)]);
                let same = new.as_raw_fd() == number;
                selector.remove(pollable(&new)).unwrap();
                if same {
                    break;
                }
            }
        }
    });
}

#[test]
fn a_hang_up_and_an_error_make_ready_for_both() {
    on_each(|selector| {
        let (a, b) = UnixStream::pair().unwrap();
        drop(b);
        for interest in [Interest::READ, Interest::WRITE, Interest::BOTH] {
            selector.add(pollable(&a), 1, interest).unwrap();
            assert_eq!(ready(selector), [(1, Readiness::BOTH)]);
        }
        selector.remove(pollable(&a)).unwrap();
        // A pipe that nobody reads: an error on its other end.
        let (read, write) = io::pipe().unwrap();
        drop(read);
        selector.add(pollable(&write), 2, Interest::WRITE).unwrap();
        assert_eq!(ready(selector), [(2, Readiness::BOTH)]);
    });
}

#[test]
fn what_was_closed_unsaid_is_not_reported_for_ever() {
    on_each(|selector| {
        let (read, write) = readable_pipe();
        selector.add(pollable(&read), 1, Interest::READ).unwrap();
        drop((read, write));
        assert_eq!(ready(selector), []);
        assert_eq!(ready(selector), []);
    });
}

#[test]
fn files_and_directories_are_refused() {
    on_each(|selector| {
        for path in [std::env::current_exe().unwrap(), std::env::temp_dir()] {
            let file = File::open(path).unwrap();
            let error = selector
                .add(pollable(&file), 1, Interest::READ)
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        assert_eq!(ready(selector), []);
    });
}

#[test]
fn removing_what_is_unknown_is_an_error_and_no_more() {
    on_each(|selector| {
        let (read, _write) = readable_pipe();
        assert!(selector.remove(pollable(&read)).is_err());
    });
}

/// Each wake ends the wait that comes next, also where nobody has cleared the descriptor since the one
/// before; a selector that tells of it wants it cleared.
#[test]
fn every_wake_ends_a_wait() {
    on_each(|selector| {
        let wake = WakeFd::new().unwrap();
        selector.add_wake(pollable(&wake), 9).unwrap();
        for _ in 0..3 {
            wake.wake();
            wake.wake();
            let (mut events, long) = (Vec::new(), Duration::from_secs(60));
            let begun = Instant::now();
            selector.select(Some(long), &mut events).unwrap();
            assert!(begun.elapsed() < long, "slept through");
            if !events.is_empty() {
                assert_eq!((events.len(), events[0].token), (1, 9));
                wake.clear();
            }
            assert_eq!(ready(selector), []);
        }
        // And no more than one.
        let (mut events, short, begun) = (Vec::new(), Duration::from_millis(20), Instant::now());
        selector.select(Some(short), &mut events).unwrap();
        assert!(events.is_empty() && begun.elapsed() >= short, "awake");
    });
}
