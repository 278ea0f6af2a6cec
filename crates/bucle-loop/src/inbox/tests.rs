//! One thread's view of an inbox, and a crowd of pushers; what interleaves is in `loom_tests`.

use crate::task::cell::RemoteCall;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

fn fresh_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An inbox whose notifier counts its calls.
fn acquire() -> (u64, &'static Inbox, Arc<AtomicUsize>) {
    let id = fresh_id();
    let calls = Arc::new(AtomicUsize::new(0));
    let inbox = Inbox::acquire(id, {
        let calls = calls.clone();
        Box::new(move || {
            calls.fetch_add(1, Ordering::Relaxed);
        })
    });
    (id, inbox, calls)
}

fn call(body: impl FnOnce() + Send + 'static) -> Message {
    Message::Call(RemoteCall::new(body), Location::caller())
}

fn run(messages: &mut Vec<Message>) {
    for message in messages.drain(..) {
        match message {
            Message::Task(task) => task.wake_from_inbox(),
            Message::Call(call, _) => call.run(),
        }
    }
}

#[test]
fn messages_come_in_the_order_they_were_pushed() {
    let (id, inbox, _) = acquire();
    let (sender, receiver) = mpsc::channel();
    let mut messages = Vec::new();
    for batch in 0..3 {
        for number in 0..5 {
            let sender = sender.clone();
            let message = call(move || sender.send((batch, number)).unwrap());
            assert!(inbox.push(id, message).is_ok());
        }
        assert!(inbox.has_pending());
        inbox.drain(&mut messages);
        assert!(!inbox.has_pending());
        run(&mut messages);
    }
    drop(sender);
    let expected: Vec<_> = (0..3)
        .flat_map(|batch| (0..5).map(move |n| (batch, n)))
        .collect();
    assert_eq!(receiver.iter().collect::<Vec<_>>(), expected);
    assert_eq!(inbox.close(id).len(), 0);
}

#[test]
fn drain_adds_to_what_is_there() {
    let (id, inbox, _) = acquire();
    let mut messages = vec![call(|| ())];
    assert!(inbox.push(id, call(|| ())).is_ok());
    inbox.drain(&mut messages);
    assert_eq!(messages.len(), 2);
    inbox.close(id);
}

#[test]
fn a_call_says_where_it_came_from() {
    let (id, inbox, _) = acquire();
    let here = Location::caller();
    assert!(
        inbox
            .push(id, Message::Call(RemoteCall::new(|| ()), here))
            .is_ok()
    );
    let mut messages = inbox.close(id);
    assert!(matches!(messages.pop(), Some(Message::Call(_, there)) if there == here));
}

#[test]
fn the_notifier_is_called_once_a_sleep_and_only_then() {
    let (id, inbox, calls) = acquire();
    let calls = || calls.swap(0, Ordering::Relaxed);
    assert!(inbox.push(id, call(|| ())).is_ok());
    assert_eq!(calls(), 0, "awake");
    assert!(!inbox.prepare_sleep(), "something is pending");
    let mut messages = Vec::new();
    inbox.drain(&mut messages);
    assert!(inbox.prepare_sleep());
    for _ in 0..3 {
        assert!(inbox.push(id, call(|| ())).is_ok());
        assert!(inbox.wake(id));
    }
    assert_eq!(calls(), 1);
    inbox.awake();
    assert!(inbox.has_pending());
    inbox.drain(&mut messages);
    assert!(inbox.prepare_sleep());
    inbox.awake();
    assert!(inbox.wake(id));
    assert_eq!(calls(), 0, "awake again");
    assert!(!inbox.prepare_sleep(), "a wake without a message counts");
    inbox.drain(&mut messages);
    assert!(inbox.prepare_sleep());
    inbox.close(id);
}

#[test]
fn a_closed_inbox_refuses_and_gives_back() {
    let (id, inbox, calls) = acquire();
    assert!(inbox.push(id, call(|| ())).is_ok());
    assert!(!inbox.is_closed(id));
    assert_eq!(inbox.close(id).len(), 1, "what was not drained");
    assert_eq!(inbox.close(id).len(), 0, "twice");
    assert!(inbox.is_closed(id));
    let token = Arc::new(());
    let message = call({
        let token = token.clone();
        move || drop(token)
    });
    assert_eq!(Arc::strong_count(&token), 2);
    drop(inbox.push(id, message).unwrap_err());
    assert_eq!(Arc::strong_count(&token), 1, "dropped, not kept");
    assert!(!inbox.wake(id));
    assert_eq!(Arc::strong_count(&calls), 1, "the notifier is gone too");
}

#[test]
fn an_old_number_is_refused_when_the_inbox_serves_another_loop() {
    let (old, inbox, _) = acquire();
    inbox.close(old);
    // Other tests take inboxes from the pool as well: look until it comes back.
    let mut others = Vec::new();
    let new = loop {
        let (id, other, _) = acquire();
        if std::ptr::eq(inbox, other) {
            break id;
        }
        others.push((id, other));
        if others.len() > 1000 {
            break 0;
        }
    };
    if new != 0 {
        assert!(inbox.push(old, call(|| ())).is_err());
        assert!(!inbox.wake(old));
        assert!(inbox.is_closed(old) && !inbox.is_closed(new));
        assert_eq!(inbox.close(old).len(), 0, "closes nobody else's");
        assert!(inbox.push(new, call(|| ())).is_ok());
        assert_eq!(inbox.close(new).len(), 1);
    }
    for (id, other) in others {
        other.close(id);
    }
}

#[test]
fn many_pushers_and_a_sleeper() {
    const THREADS: usize = 4;
    const EACH: usize = 2000;
    let id = fresh_id();
    let (bell, ring) = mpsc::sync_channel(1);
    let inbox = Inbox::acquire(id, Box::new(move || _ = bell.try_send(())));
    let ran = Arc::new(AtomicUsize::new(0));
    let pushers: Vec<_> = (0..THREADS)
        .map(|_| {
            let ran = ran.clone();
            thread::spawn(move || {
                for _ in 0..EACH {
                    let ran = ran.clone();
                    let message = call(move || {
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(inbox.push(id, message).is_ok());
                }
            })
        })
        .collect();
    let mut messages = Vec::new();
    while ran.load(Ordering::Relaxed) < THREADS * EACH {
        inbox.drain(&mut messages);
        if !messages.is_empty() {
            run(&mut messages);
        } else if inbox.prepare_sleep() {
            // Long enough that only a lost wake-up gets there.
            ring.recv_timeout(Duration::from_secs(60))
                .expect("slept through a push");
            inbox.awake();
        }
    }
    for pusher in pushers {
        pusher.join().unwrap();
    }
    assert_eq!(inbox.close(id).len(), 0);
}
