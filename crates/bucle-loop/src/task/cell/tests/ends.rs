//! Cancelled, abandoned, panicked: how a task ends before it is done.

use super::*;

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
