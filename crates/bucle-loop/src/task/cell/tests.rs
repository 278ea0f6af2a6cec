//! One thread's behaviour, and crossings between two threads; what interleaves is in `loom_tests`.

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
fn cancel_is_a_request_and_the_first_reason_counts() {
    let bench = Bench::new();
    let dropped = Rc::new(Cell::new(false));
    let guard = OnDrop({
        let dropped = dropped.clone();
        move || dropped.set(true)
    });
    let (task, mut join) = bench.spawn(async move {
        let _guard = guard;
        pending::<()>().await
    });
    task.schedule();
    bench.turn();
    assert!(task.cancel(Cancelled::new("first")));
    assert!(task.cancel(Cancelled::new("second")));
    assert!(!dropped.get());
    bench.turn();
    assert!(dropped.get());
    assert!(!task.cancel(Cancelled::new("third")));
    let error = join.try_take().unwrap().unwrap_err();
    assert_eq!(error.cancelled().unwrap().reason(), "first");
}

#[test]
fn a_task_that_cancels_itself_ends_cancelled() {
    let bench = Bench::new();
    for then_pending in [false, true] {
        let me = Rc::new(RefCell::new(None::<TaskRef>));
        let inner = me.clone();
        let (task, mut join) = bench.spawn(async move {
            inner
                .borrow()
                .as_ref()
                .unwrap()
                .cancel(Cancelled::new("enough"));
            inner
                .borrow()
                .as_ref()
                .unwrap()
                .abandon(Cancelled::new("not this"));
            if then_pending {
                pending::<()>().await;
            }
            inner.take();
            Box::new(1)
        });
        *me.borrow_mut() = Some(task.clone());
        task.schedule();
        bench.turn();
        let error = join.try_take().unwrap().unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "enough");
        me.take();
    }
    assert_eq!(bench.live(), 0);
}

#[test]
fn abandon_drops_the_future_and_wakes_the_joiner() {
    let bench = Bench::new();
    let (future, wakers) = gives_waker();
    let (task, mut join) = bench.spawn(future);
    task.schedule();
    bench.turn();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    assert!(
        join.poll_join(&mut Context::from_waker(&waker))
            .is_pending()
    );
    task.abandon(Cancelled::new("closing"));
    assert_eq!(Rc::strong_count(&wakers), 1, "the future is gone");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    task.abandon(Cancelled::new("again"));
    wakers.borrow()[0].wake_by_ref();
    assert_eq!(bench.turn(), 0);
    assert_eq!(
        join.try_take().unwrap().unwrap_err().to_string(),
        "cancelled: closing"
    );
    drop((task, join));
    assert_eq!(bench.live(), 1, "the waker keeps the memory");
    wakers.take();
    assert_eq!(bench.live(), 0);
}

#[test]
fn the_entry_in_the_queue_may_be_the_only_reference() {
    let bench = Bench::new();
    let done = Rc::new(Cell::new(false));
    let inner = done.clone();
    let (task, join) = bench.spawn(async move { inner.set(true) });
    task.schedule();
    drop((task, join));
    assert_eq!(bench.turn(), 1);
    assert!(done.get());
    assert_eq!(bench.live(), 0);
}

#[test]
fn the_last_reference_drops_an_unfinished_future() {
    let bench = Bench::new();
    let (future, wakers) = gives_waker();
    let (task, join) = bench.spawn(future);
    task.run();
    drop(join);
    drop(task);
    assert_eq!(Rc::strong_count(&wakers), 1);
    for waker in wakers.take() {
        waker.wake();
    }
    assert_eq!(bench.turn(), 0);
    assert_eq!(bench.live(), 0);
}

#[test]
fn a_future_that_uses_its_task_while_it_is_dropped() {
    let bench = Bench::new();
    let slot = Rc::new(RefCell::new(None::<Waker>));
    for end in 0..3 {
        let inner = slot.clone();
        let (task, join) = bench.spawn(async move {
            let _guard = OnDrop({
                let inner = inner.clone();
                move || {
                    let waker = inner.take().unwrap();
                    waker.wake_by_ref();
                    drop(waker.clone());
                    waker.wake();
                }
            });
            poll_fn(|cx| {
                *inner.borrow_mut() = Some(cx.waker().clone());
                if end == 0 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await
        });
        task.run();
        if end == 1 {
            task.abandon(Cancelled::new(""));
        }
        drop((task, join));
        assert!(slot.borrow().is_none());
        bench.turn();
        assert_eq!(bench.live(), 0, "end {end}");
    }
}

#[test]
fn a_future_may_own_its_own_join_handle() {
    let bench = Bench::new();
    let slot = Rc::new(RefCell::new(None));
    let inner = slot.clone();
    let (task, join) = bench.spawn(async move {
        let mut mine: JoinRef<String> = inner.take().unwrap();
        assert!(mine.try_take().is_none());
        String::from("nobody's")
    });
    *slot.borrow_mut() = Some(join);
    task.schedule();
    bench.turn();
    assert!(task.is_done() && task.is_detached());
    assert!(task.unseen_panic().is_none());
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
fn a_panic_is_the_tasks_result() {
    let bench = Bench::new();
    quietly(|| {
        let (task, mut join) = bench.spawn(async { panic!("boom {}", 1) });
        assert_eq!(task.run(), Ran::Done);
        assert_eq!(task.unseen_panic().unwrap().message(), "boom 1");
        assert!(task.unseen_panic().is_none(), "told once");
        let error: TaskError = join.try_take().unwrap().map(|(): ()| ()).unwrap_err();
        assert_eq!(error.panicked().unwrap().message(), "boom 1");

        let (task, mut join) = bench.spawn(async { panic!("taken") });
        task.run();
        assert!(
            join.try_take()
                .is_some_and(|result: Result<(), _>| result.is_err())
        );
        assert!(task.unseen_panic().is_none(), "the result was taken");

        let (task, join) = bench.spawn(async { panic!("detached") });
        drop::<JoinRef<()>>(join);
        task.run();
        assert!(task.is_detached());
        assert_eq!(task.unseen_panic().unwrap().message(), "detached");
    });
    assert_eq!(bench.live(), 0);
}

#[test]
fn a_panic_in_a_destructor_is_the_tasks_result_and_does_not_unwind() {
    fn bomb() -> OnDrop<impl FnMut()> {
        OnDrop(|| panic!("in a destructor"))
    }
    let bench = Bench::new();
    let message = |task: &TaskRef| task.unseen_panic().map(|panic| panic.message().to_owned());
    quietly(|| {
        // The future's, after it was ready, with an output whose destructor panics too.
        let mut guard = Some(bomb());
        let (task, join) = bench.spawn(poll_fn(move |_| {
            let _keep = &mut guard;
            Poll::Ready(bomb())
        }));
        assert_eq!(task.run(), Ran::Done);
        assert_eq!(message(&task).as_deref(), Some("in a destructor"));
        drop(join);

        // The future's, after a panic in `poll`.
        let guard = bomb();
        let (task, _join) = bench.spawn(poll_fn(move |_| -> Poll<()> {
            let _keep = &guard;
            panic!("in poll")
        }));
        assert_eq!(task.run(), Ran::Done);
        assert_eq!(message(&task).as_deref(), Some("in poll"));

        // The future's, when cancelled, and when abandoned.
        for cancel in [true, false] {
            let guard = bomb();
            let (task, _join) = bench.spawn(async move {
                let _guard = guard;
                pending::<()>().await
            });
            if cancel {
                task.cancel(Cancelled::new(""));
                bench.turn();
            } else {
                task.abandon(Cancelled::new(""));
            }
            assert_eq!(message(&task).as_deref(), Some("in a destructor"));
        }

        // The future's, when the last reference goes.
        let guard = bomb();
        drop(bench.spawn(async move {
            let _guard = guard;
        }));

        // The output's: of a detached task, and of one whose handle is dropped, which is the
        // dropper's panic.
        let (task, join) = bench.spawn(async { bomb() });
        drop(join);
        assert_eq!(task.run(), Ran::Done);
        assert_eq!(message(&task).as_deref(), Some("in a destructor"));
        let (task, join) = bench.spawn(async { bomb() });
        task.run();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(join))).is_err());
        assert!(message(&task).is_none());

        // A joiner's waker.
        struct Angry;
        impl Wake for Angry {
            fn wake(self: Arc<Self>) {
                panic!("don't wake me");
            }
        }
        let (task, mut join) = bench.spawn(ready(3));
        let waker = Waker::from(Arc::new(Angry));
        assert!(
            join.poll_join(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(task.run(), Ran::Done);
        assert_eq!(join.try_take().unwrap().unwrap(), 3);
    });
    bench.turn();
    assert_eq!(bench.live(), 0);
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

#[test]
fn a_parent_is_known_however_far_it_is() {
    let bench = Bench::new();
    let number = 1 << 40;
    for parent in [
        0,
        1,
        number - (1 << 32),
        number - (1 << 32) + 1,
        number - (1 << 32) + 2,
        number - 1,
        number,
        number + 1,
        u64::MAX,
    ] {
        let tag = TaskTag::new(number, None, Location::caller());
        let (task, _join) = TaskRef::new(ready(()), tag.clone(), bench.ready.clone());
        assert_eq!(task.parent(), 0);
        task.set_parent(parent);
        assert_eq!((task.parent(), task.tag()), (parent, tag));
        let is_near = parent < number && number - parent < u64::from(FAR);
        assert_eq!(task.has_rare(), parent != 0 && !is_near);
    }
}

#[test]
fn done_callbacks_and_names() {
    let bench = Bench::new();
    let tag = TaskTag::new(9, Some("fetch".into()), Location::caller());
    let (task, _join) = TaskRef::new(ready(()), tag.clone(), bench.ready.clone());
    assert_eq!(task.tag(), tag);
    assert_eq!(task.name().as_deref(), Some("fetch"));
    let log = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let log = log.clone();
        assert!(
            task.add_done_callback(Box::new(move || log.borrow_mut().push(number)))
                .is_ok()
        );
    }
    task.run();
    assert!(task.add_done_callback(Box::new(|| ())).is_err());
    for callback in task.take_done_callbacks() {
        callback();
    }
    assert_eq!(*log.borrow(), [0, 1, 2]);
    assert!(task.take_done_callbacks().is_empty());
    assert_eq!(bench.spawn(ready(())).0.name(), None);
    task.set_key(77);
    assert_eq!(task.key(), 77);
}

#[test]
fn cloned_here_dropped_there_and_the_reverse() {
    let bench = Bench::new();
    for owner_ends_first in [false, true] {
        let (future, wakers) = gives_waker();
        let (task, join) = bench.spawn(future);
        task.run();
        let waker = wakers.take().pop().unwrap();
        // Cloned here, dropped there; cloned there, dropped here; and one that lives there until it
        // is told.
        let (to_here, here) = mpsc::channel::<Waker>();
        let (to_there, there) = mpsc::channel::<()>();
        let given = waker.clone();
        let thread = thread::spawn(move || {
            for _ in 0..3 {
                to_here.send(given.clone()).unwrap();
            }
            let kept = given.clone();
            drop(given);
            drop(to_here);
            there.recv().unwrap();
            drop(kept.clone());
            kept.wake_by_ref();
            drop(kept);
        });
        drop(waker);
        drop(here.iter().collect::<Vec<_>>());
        assert!(task.header().local_wakers.get() < 0);
        if owner_ends_first {
            drop((task, join));
            assert_eq!(bench.live(), 1);
            to_there.send(()).unwrap();
            thread.join().unwrap();
        } else {
            to_there.send(()).unwrap();
            thread.join().unwrap();
            assert_eq!(bench.turn(), 1, "woken through the inbox");
            wakers.take();
            drop((task, join));
        }
        bench.turn();
        wakers.take();
        assert_eq!(bench.live(), 0);
    }
}

#[test]
fn merged_cells_are_freed_by_the_last_waker_here_or_there() {
    let bench = Bench::new();
    for last_is_here in [false, true] {
        let (future, wakers) = gives_waker();
        let (task, join) = bench.spawn(future);
        task.run();
        let waker = wakers.take().pop().unwrap();
        drop((task, join));
        // Merged: the owner's thread counts atomically from now on.
        let there = waker.clone();
        let more = there.clone();
        drop(more);
        let waker = last_is_here.then_some(waker);
        thread::spawn(move || drop(there)).join().unwrap();
        assert_eq!(bench.live(), usize::from(last_is_here));
        drop(waker);
        assert_eq!(bench.live(), 0);
    }
}

#[test]
fn a_full_local_number_spills() {
    let bench = Bench::new();
    let (future, wakers) = gives_waker();
    let (task, join) = bench.spawn(future);
    task.run();
    let waker = wakers.take().pop().unwrap();
    let header = task.header();
    // As after so many more clones here that were dropped there.
    header.local_wakers.set(count::FULL);
    header
        .shared_wakers
        .store((1 - count::FULL) * count::ONE, Ordering::Relaxed);
    let clones = [waker.clone(), waker.clone()];
    assert_eq!(header.local_wakers.get(), 2);
    assert_eq!(header.shared_wakers.load(Ordering::Relaxed), count::ONE);
    // And the reverse.
    header.local_wakers.set(-count::FULL);
    header
        .shared_wakers
        .store((3 + count::FULL) * count::ONE, Ordering::Relaxed);
    drop(clones);
    assert_eq!(header.local_wakers.get(), -2);
    assert_eq!(header.shared_wakers.load(Ordering::Relaxed), 3 * count::ONE);
    drop((task, join));
    assert_eq!(bench.live(), 1);
    drop(waker);
    assert_eq!(bench.live(), 0);
}

#[test]
fn a_foreign_wake_sends_one_message() {
    let bench = Bench::new();
    let (future, wakers) = gives_waker();
    let (task, _join) = bench.spawn(future);
    task.run();
    for _ in 0..2 {
        let waker = wakers.borrow().last().unwrap().clone();
        thread::spawn(move || {
            waker.wake_by_ref();
            let clone = waker.clone();
            clone.wake();
            waker.wake();
        })
        .join()
        .unwrap();
        let mut messages = Vec::new();
        bench.inbox.drain(&mut messages);
        assert_eq!(messages.len(), 1);
        for message in messages {
            let Message::Task(task) = message else {
                panic!("not a task")
            };
            task.wake_from_inbox();
        }
        assert_eq!(bench.turn(), 1);
    }
    task.abandon(Cancelled::new(""));
    wakers.take();
}

#[test]
fn wakes_after_the_loop_is_gone() {
    let (task, join, wakers, live);
    {
        let bench = Bench::new();
        live = bench.live.clone();
        let (future, given) = gives_waker();
        wakers = given;
        (task, join) = bench.spawn(future);
        task.run();
        // One on its way when the loop closes.
        let waker = wakers.borrow()[0].clone();
        thread::spawn(move || waker.wake()).join().unwrap();
        task.abandon(Cancelled::new("closed"));
    }
    let waker = wakers.take().pop().unwrap();
    waker.wake_by_ref();
    assert_eq!(task.header().flags.get() & SCHEDULED, 0);
    let waker = thread::spawn(move || {
        waker.wake_by_ref();
        waker
    })
    .join()
    .unwrap();
    drop((task, join));
    thread::spawn(move || waker.wake()).join().unwrap();
    assert_eq!(live.load(Ordering::Acquire), 0);
}

#[test]
fn a_refused_message_gives_its_count_back() {
    let bench = Bench::new();
    let (future, wakers) = gives_waker();
    let (task, join) = bench.spawn(future);
    task.run();
    drop(bench.inbox.close(bench.loop_id));
    let waker = wakers.take().pop().unwrap();
    thread::spawn(move || waker.wake_by_ref()).join().unwrap();
    drop((task, join));
    assert_eq!(bench.live(), 0);
}

#[test]
fn in_a_thread_locals_destructor() {
    struct Late(RefCell<Vec<Kept>>);
    struct Kept {
        waker: Waker,
        task: Option<(TaskRef, JoinRef<()>)>,
        ready: HomeRef,
    }
    impl Drop for Late {
        fn drop(&mut self) {
            for Kept { waker, task, ready } in self.0.take() {
                waker.wake_by_ref();
                drop(waker.clone());
                assert_eq!(ready.len(), usize::from(task.is_some()));
                drop(task);
                // What the loop's closing would do.
                while ready.pop().is_some() {}
                waker.wake();
                assert_eq!(ready.len(), 0);
            }
        }
    }
    thread_local! {
        static LATE: Late = const { Late(RefCell::new(Vec::new())) };
    }
    let live = thread::spawn(|| {
        let bench = Bench::new();
        for keeps_task in [false, true] {
            let (future, wakers) = gives_waker();
            let (task, join) = bench.spawn(future);
            task.run();
            let task = keeps_task.then_some((task, join));
            let waker = wakers.take().pop().unwrap();
            let ready = bench.ready.clone();
            LATE.with(|late| late.0.borrow_mut().push(Kept { waker, task, ready }));
        }
        bench.live.clone()
    })
    .join()
    .unwrap();
    assert_eq!(live.load(Ordering::Acquire), 0);
}

#[test]
fn the_future_is_dropped_on_the_owners_thread() {
    let bench = Bench::new();
    let here = thread::current().id();
    let dropped = Rc::new(Cell::new(false));
    let guard = OnDrop({
        let dropped = dropped.clone();
        move || {
            assert_eq!(thread::current().id(), here);
            dropped.set(true);
        }
    });
    let (future, wakers) = gives_waker();
    let (task, join) = bench.spawn(async move {
        let _guard = guard;
        future.await
    });
    task.schedule();
    bench.turn();
    drop((task, join));
    assert!(
        dropped.get(),
        "by the owner, with the last owner's reference, though a waker lives"
    );
    let waker = wakers.take().pop().unwrap();
    thread::spawn(move || drop(waker)).join().unwrap();
    assert_eq!(bench.live(), 0);
}

#[test]
fn two_loops_wake_each_others_tasks() {
    let (to_there, there) = mpsc::channel::<Waker>();
    let bench = Bench::new();
    let woken = Rc::new(Cell::new(0));
    let seen = woken.clone();
    let (task, _join) = bench.spawn(poll_fn(move |cx| {
        seen.set(seen.get() + 1);
        to_there.send(cx.waker().clone()).unwrap();
        if seen.get() == 3 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    let other = thread::spawn(move || {
        let bench = Bench::new();
        for waker in there {
            let (task, join) = bench.spawn(async move { waker.wake() });
            task.schedule();
            drop((task, join));
            assert_eq!(bench.turn(), 1);
        }
        bench.live()
    });
    task.schedule();
    let begun = Instant::now();
    while !task.is_done() {
        bench.turn();
        assert!(begun.elapsed().as_secs() < 30, "a wake was lost");
        thread::yield_now();
    }
    assert_eq!(woken.get(), 3);
    drop(task);
    drop(_join);
    assert_eq!(other.join().unwrap(), 0);
}

#[test]
fn a_request_is_taken_back_until_it_is_obeyed() {
    let bench = Bench::new();
    let (task, mut join) = bench.spawn(ready(5));
    assert!(task.uncancel().is_none());
    task.cancel(Cancelled::new("a mistake"));
    assert!(task.is_cancelling());
    assert_eq!(task.uncancel().unwrap().reason(), "a mistake");
    assert!(!task.is_cancelling());
    assert!(task.uncancel().is_none());
    bench.turn();
    assert_eq!(join.try_take().unwrap().unwrap(), 5);
    assert!(!task.is_cancelled());
    drop((task, join));

    let (task, mut join) = bench.spawn(pending::<()>());
    task.cancel(Cancelled::new("meant"));
    bench.turn();
    assert!(task.uncancel().is_none());
    assert!(task.is_cancelled() && !task.is_cancelling());
    assert!(join.try_take().unwrap().is_err());
    assert!(task.is_cancelled(), "also when the result was taken");
    drop((task, join));
    assert_eq!(bench.live(), 0);
}

#[test]
fn a_value_can_be_looked_at_until_it_is_taken() {
    let bench = Bench::new();
    let dropped = Rc::new(Cell::new(0));
    let count = dropped.clone();
    let value = OnDrop(move || count.set(count.get() + 1));
    let (task, mut join) = bench.spawn(async move { (Box::new(7), value) });
    assert!(join.peek().is_none() && !task.has_value());
    task.run();
    assert!(task.has_value());
    assert_eq!(*join.peek().unwrap().0, 7);
    assert_eq!(*join.peek().unwrap().0, 7);
    assert_eq!(dropped.get(), 0);
    let taken = join.try_take().unwrap().unwrap();
    assert!(join.peek().is_none() && !task.has_value());
    drop((task, join));
    assert_eq!(dropped.get(), 0);
    drop(taken);
    assert_eq!(dropped.get(), 1);
    // One that was looked at and never taken goes with the handle.
    let count = dropped.clone();
    let value = OnDrop(move || count.set(count.get() + 1));
    let (task, join) = bench.spawn(async move { value });
    task.run();
    assert!(join.peek().is_some());
    drop(join);
    assert_eq!(dropped.get(), 2);
    assert!(!task.has_value());
    drop(task);
    assert_eq!(bench.live(), 0);
    let (task, join) = bench.spawn(async { panic!("no value") });
    quietly(|| task.run());
    assert!(join.peek().is_none() && !task.has_value());
}

#[test]
fn waiting_for_the_end_takes_nothing() {
    let bench = Bench::new();
    let (task, mut join) = bench.spawn(ready(3));
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(join.poll_done(&mut cx).is_pending());
    task.run();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(join.poll_done(&mut cx).is_ready());
    assert!(join.poll_done(&mut cx).is_ready());
    assert_eq!(join.try_take().unwrap().unwrap(), 3);
}

/// Who waits for the end: a task, or somebody else; the task has other rare things from the beginning,
/// gets them then, or has none.
#[test]
fn whoever_waits_is_kept_beside_the_rest() {
    let bench = Bench::new();
    let count = Arc::new(Count::default());
    let foreign = Waker::from(count.clone());
    let (waiting, _joined, wakers) = {
        let (future, wakers) = gives_waker();
        let (task, join) = bench.spawn(future);
        task.run();
        (task, join, wakers)
    };
    let ours = wakers.take().pop().unwrap();
    let before = waiting.wakers();
    for named_first in [false, true] {
        for named_then in [false, true] {
            for (waker, is_ours) in [(&ours, true), (&foreign, false)] {
                let (task, mut join) = bench.spawn(ready(3));
                if named_first {
                    task.set_name("first".into());
                }
                let mut cx = Context::from_waker(waker);
                assert!(join.poll_join(&mut cx).is_pending());
                if named_then {
                    task.set_name("then".into());
                }
                assert_eq!(task.has_rare(), named_first || named_then);
                assert_eq!(task.joiner_key(), Some(crate::waits::WakerKey::of(waker)));
                assert_eq!(waiting.wakers() - before, i64::from(is_ours));
                assert_eq!(Arc::strong_count(&count), 2 + usize::from(!is_ours));
                // Again, and by another.
                assert!(join.poll_join(&mut cx).is_pending());
                let other = Waker::from(Arc::new(Count::default()));
                let mut other = Context::from_waker(&other);
                assert!(join.poll_join(&mut other).is_pending());
                assert!(join.poll_join(&mut cx).is_pending());
                let woken = count.0.load(Ordering::Relaxed);
                task.run();
                let woken = count.0.load(Ordering::Relaxed) - woken;
                assert_eq!(woken, usize::from(!is_ours));
                assert_eq!(bench.turn(), usize::from(is_ours));
                wakers.take();
                assert_eq!(task.joiner_key(), None);
                assert_eq!(join.try_take().unwrap().unwrap(), 3);
                let name = match (named_first, named_then) {
                    (_, true) => Some("then"),
                    (true, false) => Some("first"),
                    _ => None,
                };
                assert_eq!(task.name().as_deref(), name);
            }
        }
    }
    // It goes with the handle, and with the task.
    for waker in [&ours, &foreign] {
        let (task, mut join) = bench.spawn(pending::<()>());
        assert!(join.poll_done(&mut Context::from_waker(waker)).is_pending());
        drop(join);
        assert_eq!(task.joiner_key(), None);
    }
    assert_eq!(waiting.wakers(), before);
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn done_callbacks_are_taken_back_by_number() {
    let bench = Bench::new();
    let (task, _join) = bench.spawn(ready(()));
    let first = task.add_done_callback(Box::new(|| ())).ok().unwrap();
    let second = task.add_done_callback(Box::new(|| ())).ok().unwrap();
    assert_ne!(first, second);
    assert!(task.remove_done_callback(first).is_some());
    assert!(task.remove_done_callback(first).is_none());
    let third = task.add_done_callback(Box::new(|| ())).ok().unwrap();
    assert_ne!(third, second);
    assert_eq!(task.take_done_callbacks().len(), 2);
    assert!(task.remove_done_callback(third).is_none());
}

#[test]
fn who_catches_a_cancellation_is_woken_instead_of_the_task_being_dropped() {
    use crate::task::catching::Catching;
    let bench = Bench::new();
    let held = Rc::new(());
    let inside = held.clone();
    let (task, join) = bench.spawn(async move {
        let _inside = inside;
        pending::<()>().await;
    });
    assert_eq!(task.run(), Ran::Pending);
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let tree = task.catching_or_new();
    assert!(Rc::ptr_eq(&tree, &task.catching().unwrap()));
    let place = Catching::in_tree(&task, &waker);
    task.cancel(Cancelled::new("for the place"));
    // Polled also where the place's waker is another's: the run may have been queued by a wake.
    assert_eq!(bench.turn(), 1);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(!task.is_done() && task.is_cancelling());
    assert_eq!(Rc::strong_count(&held), 2);
    // Left without having done anything with it: the task gets it after all.
    drop(place);
    assert_eq!(bench.turn(), 1);
    assert!(task.is_cancelled());
    assert_eq!(Rc::strong_count(&held), 1);
    drop((task, join, tree));
    assert_eq!(bench.live(), 0);
}
