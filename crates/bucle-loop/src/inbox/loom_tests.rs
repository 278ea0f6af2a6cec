//! The inbox under loom: see `task/cell/loom_tests.rs`.

use crate::task::cell::RemoteCall;
use loom::sync::atomic::{AtomicBool, AtomicUsize};
use loom::sync::{Arc, Notify};
use loom::thread;

use super::*;

const LOOP: u64 = 7;

fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}

fn call(body: impl FnOnce() + Send + 'static) -> Message {
    Message::Call(RemoteCall::new(body), Location::caller())
}

fn run(messages: Vec<Message>) -> usize {
    let count = messages.len();
    for message in messages {
        match message {
            Message::Task(task) => task.wake_from_inbox(),
            Message::Call(call, _) => call.run(),
        }
    }
    count
}

/// Nothing but the notifier wakes the owner: a push that it sleeps through would leave it there,
/// which loom reports.
#[test]
fn loom_no_push_is_slept_through() {
    model(|| {
        let bell = Arc::new(Notify::new());
        let inbox = Inbox::acquire(LOOP, {
            let bell = bell.clone();
            Box::new(move || bell.notify())
        });
        let ran = Arc::new(AtomicUsize::new(0));
        let there: Vec<_> = (0..2)
            .map(|_| {
                let ran = ran.clone();
                thread::spawn(move || {
                    let message = call(move || {
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(inbox.push(LOOP, message).is_ok());
                })
            })
            .collect();
        let mut messages = Vec::new();
        while ran.load(Ordering::Relaxed) < 2 {
            inbox.drain(&mut messages);
            if run(std::mem::take(&mut messages)) == 0 && inbox.prepare_sleep() {
                bell.wait();
                inbox.awake();
            }
        }
        for thread in there {
            thread.join().unwrap();
        }
        inbox.close(LOOP);
    });
}

/// `wake` without a message ends a sleep too, also one that is only about to begin.
#[test]
fn loom_no_wake_is_slept_through() {
    model(|| {
        let bell = Arc::new(Notify::new());
        let inbox = Inbox::acquire(LOOP, {
            let bell = bell.clone();
            Box::new(move || bell.notify())
        });
        let flag = Arc::new(AtomicBool::new(false));
        let there = thread::spawn({
            let flag = flag.clone();
            move || {
                flag.store(true, Ordering::Relaxed);
                assert!(inbox.wake(LOOP));
            }
        });
        let mut messages = Vec::new();
        loop {
            inbox.drain(&mut messages);
            if flag.load(Ordering::Relaxed) {
                break;
            }
            if inbox.prepare_sleep() {
                bell.wait();
                inbox.awake();
            }
        }
        there.join().unwrap();
        inbox.close(LOOP);
    });
}

/// Every message is either delivered or given back, and no notifier runs once `close` has returned.
#[test]
fn loom_push_against_close() {
    model(|| {
        let closed = Arc::new(AtomicBool::new(false));
        let inbox = Inbox::acquire(LOOP, {
            let closed = closed.clone();
            Box::new(move || assert!(!closed.load(Ordering::Relaxed), "the eventfd is closed"))
        });
        let given_back = Arc::new(AtomicUsize::new(0));
        assert!(inbox.prepare_sleep());
        let there: Vec<_> = (0..2)
            .map(|_| {
                let given_back = given_back.clone();
                thread::spawn(move || {
                    if inbox.push(LOOP, call(|| ())).is_err() {
                        assert!(inbox.is_closed(LOOP));
                        given_back.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let delivered = inbox.close(LOOP).len();
        closed.store(true, Ordering::Relaxed);
        for thread in there {
            thread.join().unwrap();
        }
        assert_eq!(delivered + given_back.load(Ordering::Relaxed), 2);
        assert!(!inbox.has_pending());
    });
}
