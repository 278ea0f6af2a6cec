//! Wakers that cross to other threads and come back.

use super::*;

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
