//! The cell under loom, which tries the orders in which two or three threads may do things, and
//! what each may see.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test -p bucle-loop --lib --release loom_`. A cell that is
//! not freed, one that is used while or after it is freed, and a wake that is lost (the owner then
//! sleeps for ever) each fail a test: see `primitives::Tracker`.

use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::Location;
use std::task::{Poll, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

use super::*;
use crate::inbox::{Inbox, Message};
use crate::ready::Entry;

const LOOP: u64 = 7;

/// All orders with at most three forced changes of thread; `LOOM_MAX_PREEMPTIONS` says otherwise.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}

struct Owner {
    inbox: &'static Inbox,
    ready: HomeRef,
    bell: Arc<Notify>,
}

impl Owner {
    fn new() -> Owner {
        let bell = Arc::new(Notify::new());
        let inbox = Inbox::acquire(LOOP, {
            let bell = bell.clone();
            Box::new(move || bell.notify())
        });
        Owner {
            inbox,
            ready: HomeRef::new(LOOP, inbox),
            bell,
        }
    }

    fn spawn<F: Future + 'static>(&self, future: F) -> (TaskRef, JoinRef<F::Output>) {
        let tag = TaskTag::new(1, None, Location::caller());
        TaskRef::new(future, tag, self.ready.clone())
    }

    /// What is in the inbox and in the queue now.
    fn turn(&self) {
        let mut messages = Vec::new();
        self.inbox.drain(&mut messages);
        for message in messages {
            match message {
                Message::Task(task) => task.wake_from_inbox(),
                Message::Call(call, _) => call.run(),
            }
        }
        while let Some(Entry::Task(task)) = self.ready.pop() {
            task.run();
        }
    }

    /// Turns, sleeping between them, until the task is done.
    fn run_until_done(&self, task: &TaskRef) {
        while !task.is_done() {
            self.turn();
            if !task.is_done() && self.inbox.prepare_sleep() {
                self.bell.wait();
                self.inbox.awake();
            }
        }
    }

    /// A task that was polled once and waits for ever, and `wakers` wakers of it.
    fn waiting(&self, wakers: usize) -> (TaskRef, JoinRef<()>, Vec<Waker>) {
        let given = Rc::new(RefCell::new(Vec::new()));
        let to = given.clone();
        let (task, join) = self.spawn(poll_fn(move |cx| {
            let mut to = to.borrow_mut();
            while to.len() < wakers {
                to.push(cx.waker().clone());
            }
            Poll::Pending
        }));
        task.run();
        let wakers = given.take();
        (task, join, wakers)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.inbox.close(LOOP));
    }
}

#[test]
fn loom_foreign_clone_and_drop_against_the_last_reference() {
    model(|| {
        let owner = Owner::new();
        let (task, join, mut wakers) = owner.waiting(1);
        let waker = wakers.pop().unwrap();
        let there = thread::spawn(move || {
            let clone = waker.clone();
            drop(waker);
            drop(clone);
        });
        drop((task, join));
        there.join().unwrap();
    });
}

#[test]
fn loom_two_threads_drop_against_the_last_reference() {
    model(|| {
        let owner = Owner::new();
        let (task, join, wakers) = owner.waiting(3);
        let mut wakers = wakers.into_iter();
        let here = wakers.next().unwrap();
        let there: Vec<_> = wakers
            .map(|waker| thread::spawn(move || drop(waker)))
            .collect();
        drop((task, join));
        drop(here);
        for thread in there {
            thread.join().unwrap();
        }
    });
}

/// The loop goes while wakers of two of its cells go elsewhere: whoever is last frees what they all
/// point to.
#[test]
fn loom_a_home_goes_with_the_last_of_its_cells() {
    model(|| {
        let owner = Owner::new();
        let (task, join, mut wakers) = owner.waiting(1);
        let (other, other_join, mut others) = owner.waiting(1);
        let there: Vec<_> = [wakers.pop(), others.pop()]
            .into_iter()
            .flatten()
            .map(|waker| {
                thread::spawn(move || {
                    waker.wake_by_ref();
                    drop(waker);
                })
            })
            .collect();
        drop((task, join, other, other_join));
        drop(owner);
        for thread in there {
            thread.join().unwrap();
        }
    });
}

#[test]
fn loom_clones_and_drops_cross_over() {
    model(|| {
        let owner = Owner::new();
        let (task, join, mut wakers) = owner.waiting(2);
        let (first, second) = (wakers.pop().unwrap(), wakers.pop().unwrap());
        let slot = Arc::new(loom::sync::Mutex::new(None));
        let there = thread::spawn({
            let slot = slot.clone();
            move || {
                // Cloned there, dropped here if it comes in time.
                *slot.lock().unwrap() = Some(second.clone());
                drop(second);
            }
        });
        drop(first.clone());
        drop(first);
        drop(slot.lock().unwrap().take());
        drop((task, join));
        drop(slot.lock().unwrap().take());
        there.join().unwrap();
        drop(slot);
    });
}

#[test]
fn loom_foreign_wake_against_abandon_and_the_last_reference() {
    model(|| {
        let owner = Owner::new();
        let (task, join, mut wakers) = owner.waiting(1);
        let waker = wakers.pop().unwrap();
        let there = thread::spawn(move || waker.wake());
        task.abandon(Cancelled::new(""));
        owner.turn();
        drop((task, join));
        there.join().unwrap();
        owner.turn();
    });
}

#[test]
fn loom_foreign_wakes_against_completion() {
    model(|| {
        let owner = Owner::new();
        let (task, join, mut wakers) = owner.waiting(1);
        let waker = wakers.pop().unwrap();
        let there = thread::spawn(move || {
            waker.wake_by_ref();
            waker.wake();
        });
        task.cancel(Cancelled::new(""));
        owner.turn();
        drop((task, join));
        owner.turn();
        there.join().unwrap();
        owner.turn();
    });
}

#[test]
fn loom_foreign_wake_against_close() {
    model(|| {
        let owner = Owner::new();
        let (task, join, mut wakers) = owner.waiting(1);
        let waker = wakers.pop().unwrap();
        let there = thread::spawn(move || {
            waker.wake_by_ref();
            drop(waker);
        });
        task.abandon(Cancelled::new(""));
        drop((task, join));
        drop(owner.inbox.close(LOOP));
        there.join().unwrap();
    });
}

#[test]
fn loom_a_foreign_wake_is_not_lost() {
    model(|| {
        let owner = Owner::new();
        let flag = Arc::new(AtomicBool::new(false));
        let slot = Rc::new(RefCell::new(None));
        let (task, mut join) = owner.spawn({
            let (flag, slot) = (flag.clone(), slot.clone());
            poll_fn(move |cx| {
                if flag.load(Ordering::Relaxed) {
                    return Poll::Ready(5);
                }
                slot.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                Poll::Pending
            })
        });
        task.run();
        let waker = slot.take().unwrap();
        let there = thread::spawn(move || {
            // A wake for nothing first, whose poll may come before or after the flag is set.
            waker.wake_by_ref();
            flag.store(true, Ordering::Relaxed);
            waker.wake();
        });
        owner.run_until_done(&task);
        assert_eq!(join.try_take().unwrap().unwrap(), 5);
        slot.take();
        there.join().unwrap();
        owner.turn();
    });
}

#[test]
fn loom_a_wake_that_found_another_on_its_way_is_not_lost() {
    model(|| {
        let owner = Owner::new();
        let flags = [
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        ];
        let slot = Rc::new(RefCell::new(None));
        let (task, join) = owner.spawn({
            let (flags, slot) = (flags.clone(), slot.clone());
            poll_fn(move |cx| {
                // Relaxed: that the flag is seen is the wake's doing.
                if flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
                    return Poll::Ready(());
                }
                slot.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                Poll::Pending
            })
        });
        task.run();
        let waker = slot.take().unwrap();
        let there = flags.map(|flag| {
            let waker = waker.clone();
            thread::spawn(move || {
                flag.store(true, Ordering::Relaxed);
                waker.wake();
            })
        });
        drop(waker);
        owner.run_until_done(&task);
        drop((task, join));
        slot.take();
        for thread in there {
            thread.join().unwrap();
        }
        owner.turn();
    });
}
