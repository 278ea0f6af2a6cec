//! Eager start: the first poll inside `spawn_eager`.

use std::cell::Cell;
use std::rc::Rc;

use bucle_loop::{
    EventLoop, Future, TaskBuilder, all_tasks, current_task, get_running_loop, spawn_eager,
    yield_now,
};

use crate::{Log, WATCHDOG, drive, quiet_panic, turns, within};

#[test]
fn done_at_once_never_goes_through_the_queue() {
    drive(|| async {
        let ran = get_running_loop().counters().ran;
        let task = spawn_eager(async { "hello" });
        assert!(task.done());
        assert_eq!(task.await.unwrap(), "hello");
        assert_eq!(get_running_loop().counters().ran, ran);
    });
}

#[test]
fn a_future_it_sets_is_set_when_spawn_returns() {
    drive(|| async {
        let future: Future<&str> = Future::new();
        let set = future.clone();
        let task = spawn_eager(async move { set.set_result("my message").unwrap() });
        assert!(task.done());
        assert_eq!(future.result().unwrap().unwrap(), "my message");
        task.await.unwrap();
    });
}

#[test]
fn one_that_waits_goes_on_like_any_other() {
    drive(|| async {
        let task = spawn_eager(async {
            turns(2).await;
            "after waiting"
        });
        assert!(!task.done());
        assert_eq!(task.await.unwrap(), "after waiting");
    });
}

#[test]
fn cancelling_after_the_eager_step() {
    drive(|| async {
        let done = spawn_eager(async { 1 });
        assert!(!done.cancel("too late"));
        assert_eq!(done.await.unwrap(), 1);
        let waits = spawn_eager(std::future::pending::<()>());
        assert!(waits.cancel("a message"));
        assert!(waits.cancelling());
        let error = waits.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "a message");
    });
}

#[test]
fn it_is_the_current_task_and_its_parent_is_again_afterwards() {
    drive(|| async {
        let me = current_task().unwrap();
        let seen = Rc::new(Cell::new(None));
        let to = seen.clone();
        let task = spawn_eager(async move {
            to.set(current_task());
            let before = current_task();
            yield_now().await;
            assert_eq!(current_task(), before);
        });
        assert_eq!(seen.take().unwrap(), task.handle());
        assert_eq!(current_task().unwrap(), me);
        assert_eq!(task.handle().parent().unwrap(), me);
        task.await.unwrap();
    });
}

#[test]
fn all_tasks_knows_it_while_it_lives() {
    drive(|| async {
        let seen = Log::<usize>::default();
        let to = seen.clone();
        let done = spawn_eager(async move { to.borrow_mut().push(all_tasks().len()) });
        assert_eq!(*seen.borrow(), [2]);
        assert!(!all_tasks().contains(&done.handle()));
        let waits = spawn_eager(turns(1));
        assert!(all_tasks().contains(&waits.handle()));
        waits.await.unwrap();
    });
}

#[test]
fn a_panic_in_the_eager_step_is_the_task_s() {
    drive(|| async {
        let task = spawn_eager(async { quiet_panic("at once") });
        assert!(task.done());
        let Err(error) = task.await;
        assert_eq!(error.panicked().unwrap().message(), "at once");
    });
}

#[test]
fn nested_eager_tasks_make_no_entries() {
    fn nested(depth: u32) -> std::pin::Pin<Box<dyn std::future::Future<Output = u32>>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let mut sum = 1;
            for _ in 0..3 {
                sum += spawn_eager(nested(depth - 1)).await.unwrap();
            }
            sum
        })
    }
    drive(|| async {
        let ran = get_running_loop().counters().ran;
        assert_eq!(spawn_eager(nested(4)).await.unwrap(), 1 + 3 + 9 + 27 + 81);
        assert_eq!(get_running_loop().counters().ran, ran);
    });
}

#[test]
fn on_a_loop_that_is_not_running_there_is_no_eager_step() {
    within(WATCHDOG, || {
        let event_loop = EventLoop::new().unwrap();
        let builder = TaskBuilder::new().eager_start(true);
        let task = builder.spawn_on(&event_loop, async { 3 });
        assert!(!task.done());
        assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 3);
    });
}

#[test]
fn the_builder_s_settings_hold_together() {
    drive(|| async {
        let builder = TaskBuilder::new().name("builder").eager_start(true);
        let task = builder
            .clone()
            .spawn(async { current_task().unwrap().get_name() });
        assert_eq!(task.await.unwrap(), "builder");
        let line = line!() + 1;
        let task = builder.spawn(std::future::pending::<()>());
        assert_eq!(task.tag().location().line(), line);
        task.handle().set_name("renamed");
        assert_eq!(task.get_name(), "renamed");
    });
}
