//! One thread's behaviour, and crossings between two threads; what interleaves is in `loom_tests`.

mod ends;
mod threads;
mod watching;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::panic::{Location, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Instant;

use super::*;
use crate::inbox::{Inbox, Message};
use crate::ready::Entry;
use std::task::Poll;

/// A loop of the simplest kind: a queue, an inbox and no table.
struct Bench {
    loop_id: u64,
    inbox: &'static Inbox,
    ready: HomeRef,
    live: Arc<AtomicUsize>,
}

impl Bench {
    fn new() -> Bench {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1 << 32);
        let loop_id = NEXT.fetch_add(1, Ordering::Relaxed);
        let inbox = Inbox::acquire(loop_id, Box::new(|| ()));
        Bench {
            loop_id,
            inbox,
            ready: HomeRef::new(loop_id, inbox),
            live: Tracker::live(),
        }
    }

    #[track_caller]
    fn spawn<F: Future + 'static>(&self, future: F) -> (TaskRef, JoinRef<F::Output>) {
        let tag = TaskTag::new(1, None, Location::caller());
        TaskRef::new(future, tag, self.ready.clone())
    }

    /// Runs what is in the queue and in the inbox until both are empty; the number of polls.
    fn turn(&self) -> usize {
        let mut polls = 0;
        loop {
            let mut messages = Vec::new();
            self.inbox.drain(&mut messages);
            for message in messages {
                match message {
                    Message::Task(task) => task.wake_from_inbox(),
                    Message::Call(call, _) => call.run(),
                }
            }
            let Some(Entry::Task(task)) = self.ready.pop() else {
                return polls;
            };
            if task.run() != Ran::Skipped {
                polls += 1;
            }
        }
    }

    fn live(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.inbox.close(self.loop_id));
    }
}

/// Wakes nobody, counts the calls.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<T>(join: &mut JoinRef<T>) -> Poll<Result<T, TaskError>> {
    join.poll_join(&mut Context::from_waker(Waker::noop()))
}

/// A future that never ends and gives its waker away at every poll.
fn gives_waker() -> (impl Future<Output = ()>, Rc<RefCell<Vec<Waker>>>) {
    let wakers = Rc::new(RefCell::new(Vec::new()));
    let to = wakers.clone();
    let future = poll_fn(move |cx| {
        to.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    });
    (future, wakers)
}

/// Runs `then` when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn quietly<R>(body: impl FnOnce() -> R) -> R {
    // The hook is the process's: other tests' panics may be silenced meanwhile, their failures
    // aren't.
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _lock = LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let result = catch_unwind(AssertUnwindSafe(body));
    std::panic::set_hook(before);
    result.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

#[test]
fn sizes() {
    assert_eq!(size_of::<TaskRef>(), size_of::<usize>());
    assert_eq!(size_of::<Option<TaskRef>>(), size_of::<usize>());
    assert_eq!(size_of::<JoinRef<[u8; 100]>>(), size_of::<usize>());
}

#[test]
fn runs_to_its_value() {
    let bench = Bench::new();
    let (task, mut join) = bench.spawn(async { String::from("done") });
    assert!(poll(&mut join).is_pending());
    task.schedule();
    task.schedule();
    assert_eq!(bench.turn(), 1);
    assert!(task.is_done());
    assert_eq!(join.try_take().unwrap().unwrap(), "done");
    assert!(join.try_take().is_none());
    assert_eq!(task.run(), Ran::Skipped);
    drop((task, join));
    assert_eq!(bench.live(), 0);
}

#[test]
fn polling_after_the_result_was_taken_panics() {
    let bench = Bench::new();
    let (task, mut join) = bench.spawn(ready(1));
    task.run();
    assert!(poll(&mut join).is_ready());
    let again = quietly(|| catch_unwind(AssertUnwindSafe(|| poll(&mut join))));
    let payload = again.unwrap_err();
    assert!(
        payload
            .downcast_ref::<String>()
            .map(|text| text.contains("taken"))
            .or_else(|| payload
                .downcast_ref::<&str>()
                .map(|text| text.contains("taken")))
            .unwrap()
    );
}

#[test]
fn an_aligned_value_is_found() {
    #[repr(align(128))]
    #[derive(Debug, PartialEq)]
    struct Aligned(u8);
    let bench = Bench::new();
    let (task, mut join) = bench.spawn(ready(Aligned(7)));
    task.run();
    assert_eq!(join.try_take().unwrap().unwrap(), Aligned(7));
}

#[test]
fn wakes_are_joined_and_a_wake_while_polled_counts() {
    let bench = Bench::new();
    let polls = Rc::new(Cell::new(0));
    let seen = polls.clone();
    let (task, _join) = bench.spawn(poll_fn(move |cx| {
        seen.set(seen.get() + 1);
        if seen.get() == 3 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        let clone = cx.waker().clone();
        clone.wake();
        Poll::Pending
    }));
    task.schedule();
    assert_eq!(bench.turn(), 3);
    assert_eq!(polls.get(), 3);
    assert!(task.is_done());
}

#[test]
fn joiner_is_woken_once_and_the_last_one_registered() {
    let bench = Bench::new();
    let (task, mut join) = bench.spawn(ready(()));
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    for count in [&first, &second, &second] {
        let waker = Waker::from(count.clone());
        assert!(
            join.poll_join(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert_eq!(Arc::strong_count(&first), 1);
    assert_eq!(Arc::strong_count(&second), 2);
    task.run();
    assert_eq!(first.0.load(Ordering::Relaxed), 0);
    assert_eq!(second.0.load(Ordering::Relaxed), 1);
    assert!(poll(&mut join).is_ready());
}

#[test]
fn nested_run_is_skipped_and_made_up_for() {
    let bench = Bench::new();
    let me = Rc::new(RefCell::new(None::<TaskRef>));
    let inner = me.clone();
    let mut polls = 0;
    let (task, _join) = bench.spawn(poll_fn(move |_| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(());
        }
        assert_eq!(inner.borrow().as_ref().unwrap().run(), Ran::Skipped);
        Poll::Pending
    }));
    *me.borrow_mut() = Some(task.clone());
    task.schedule();
    assert_eq!(bench.turn(), 2);
    assert!(task.is_done());
    me.take();
}

#[test]
fn outputs_are_dropped_once() {
    let bench = Bench::new();
    let drops = Rc::new(Cell::new(0));
    let output = || {
        let drops = drops.clone();
        OnDrop(move || drops.set(drops.get() + 1))
    };
    // Taken.
    let (task, mut join) = bench.spawn(ready(output()));
    task.run();
    let value = join.try_take();
    drop((join, task));
    assert_eq!(drops.replace(0), 0);
    drop(value);
    assert_eq!(drops.replace(0), 1);
    // Not taken.
    let (task, join) = bench.spawn(ready(output()));
    task.run();
    drop(join);
    assert_eq!(drops.replace(0), 1);
    drop(task);
    // Detached before.
    let (task, join) = bench.spawn(ready(output()));
    drop(join);
    task.run();
    assert_eq!(drops.replace(0), 1);
    drop(task);
    assert_eq!(drops.get(), 0);
    assert_eq!(bench.live(), 0);
}
