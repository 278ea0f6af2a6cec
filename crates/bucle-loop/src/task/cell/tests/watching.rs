//! What others learn of a task: its value, its end, its name and its parents.

use super::*;

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
