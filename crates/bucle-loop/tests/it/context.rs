//! Context variables.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bucle_loop::{
    Context, ContextTokenError, ContextVar, EventLoop, Runner, TaskBuilder, TaskGroup,
    copy_context, get_running_loop, on_cancel, spawn, spawn_eager, yield_now,
};

use crate::{Log, WATCHDOG, drive, turns, within};

static NUMBER: ContextVar<u32> = ContextVar::new("number");
static OTHER: ContextVar<u32> = ContextVar::new("other");
static DEFAULTED: ContextVar<u32> = ContextVar::with_default("defaulted", || 10);
static TEXT: ContextVar<String> = ContextVar::new("text");

#[test]
fn without_a_value_there_is_the_default_or_none() {
    drive(|| async {
        assert_eq!(NUMBER.get(), None);
        assert_eq!(DEFAULTED.get(), Some(10));
        DEFAULTED.set(11);
        assert_eq!(DEFAULTED.get(), Some(11));
        assert_eq!(NUMBER.name(), "number");
        assert_eq!(format!("{NUMBER:?}"), r#"ContextVar("number")"#);
    });
}

#[test]
fn tasks_start_with_a_copy_and_keep_what_they_set_to_themselves() {
    drive(|| async {
        NUMBER.set(1);
        TEXT.set("parent".into());
        let child = spawn(async {
            assert_eq!(NUMBER.get(), Some(1));
            NUMBER.set(2);
            yield_now().await;
            assert_eq!(NUMBER.get(), Some(2));
            assert_eq!(TEXT.get().as_deref(), Some("parent"));
            let grandchild = spawn(async { NUMBER.get() });
            assert_eq!(grandchild.await.unwrap(), Some(2));
        });
        NUMBER.set(3);
        child.await.unwrap();
        assert_eq!(NUMBER.get(), Some(3));
    });
}

#[test]
fn the_copy_is_made_when_the_task_is_spawned() {
    drive(|| async {
        NUMBER.set(1);
        let child = spawn(async { NUMBER.get() });
        NUMBER.set(2);
        assert_eq!(child.await.unwrap(), Some(1));
    });
}

#[test]
fn an_eager_task_has_its_own_too() {
    drive(|| async {
        NUMBER.set(1);
        let task = spawn_eager(async {
            NUMBER.set(2);
            yield_now().await;
            let seen = NUMBER.get();
            NUMBER.set(3);
            seen
        });
        assert_eq!(NUMBER.get(), Some(1));
        assert_eq!(task.await.unwrap(), Some(2));
        assert_eq!(NUMBER.get(), Some(1));
    });
}

#[test]
fn reset_puts_back_what_was_there() {
    drive(|| async {
        let none = NUMBER.set(1);
        let one = NUMBER.set(2);
        NUMBER.reset(one).unwrap();
        assert_eq!(NUMBER.get(), Some(1));
        NUMBER.reset(none).unwrap();
        assert_eq!(NUMBER.get(), None);
        let token = NUMBER.set(5);
        assert_eq!(OTHER.reset(token), Err(ContextTokenError::OtherVariable));
        let token = NUMBER.set(6);
        let elsewhere = spawn(async move { NUMBER.reset(token) });
        assert_eq!(
            elsewhere.await.unwrap(),
            Err(ContextTokenError::OtherContext)
        );
        assert_eq!(NUMBER.get(), Some(6));
    });
}

#[test]
fn a_given_context_is_shared_not_copied() {
    drive(|| async {
        let context = Context::new();
        for n in 1..=2 {
            let builder = TaskBuilder::new().context(context.clone());
            let seen = builder.spawn(async move {
                let before = NUMBER.get();
                yield_now().await;
                NUMBER.set(n);
                before
            });
            assert_eq!(seen.await.unwrap(), (n > 1).then(|| n - 1));
            assert_eq!(NUMBER.value_in(&context), Some(n));
        }
        assert_eq!(NUMBER.get(), None);
        let group = TaskGroup::new();
        let builder = TaskBuilder::new().context(context.clone());
        group.spawn_with(builder, async { drop(NUMBER.set(9)) });
        group.join().await.unwrap();
        assert_eq!(NUMBER.value_in(&context), Some(9));
    });
}

#[test]
fn run_enters_a_context_and_leaves_it() {
    drive(|| async {
        NUMBER.set(1);
        let copy = copy_context();
        let result = copy.run(|| {
            assert_eq!(NUMBER.get(), Some(1));
            NUMBER.set(2);
            copy_context().run(|| NUMBER.set(7));
            spawn(async { NUMBER.get() })
        });
        assert_eq!(NUMBER.get(), Some(1));
        assert_eq!(NUMBER.value_in(&copy), Some(2));
        assert_eq!(result.await.unwrap(), Some(2), "spawned inside");
        assert_eq!(copy.len(), 1);
        assert!(Context::new().is_empty());
    });
}

#[test]
fn callbacks_run_in_the_thread_s_context_and_carry_another_by_run() {
    within(WATCHDOG, || {
        NUMBER.set(1);
        let event_loop = EventLoop::new().unwrap();
        let seen = Log::<Option<u32>>::default();
        let to = seen.clone();
        event_loop
            .run_until_complete(async move {
                assert_eq!(NUMBER.get(), Some(1), "inherited from outside");
                NUMBER.set(2);
                let here = copy_context();
                let (plain, carried) = (to.clone(), to);
                let event_loop = get_running_loop();
                event_loop.call_soon(move || plain.borrow_mut().push(NUMBER.get()));
                event_loop.call_soon(move || {
                    here.run(|| carried.borrow_mut().push(NUMBER.get()));
                });
                turns(2).await;
            })
            .unwrap();
        assert_eq!(*seen.borrow(), [Some(1), Some(2)]);
        assert_eq!(NUMBER.get(), Some(1));
    });
}

#[test]
fn a_runner_keeps_its_context_between_runs() {
    within(WATCHDOG, || {
        let runner = Runner::new().unwrap();
        let set = |n| async move {
            let before = NUMBER.get();
            yield_now().await;
            NUMBER.set(n);
            before
        };
        assert_eq!(runner.run(set(1)).unwrap(), None);
        assert_eq!(runner.run(set(2)).unwrap(), Some(1));
        assert_eq!(NUMBER.get(), None);
    });
}

#[test]
fn clean_ups_inherit_it() {
    drive(|| async {
        let seen = Log::<Option<u32>>::default();
        let to = seen.clone();
        let task = spawn(async move {
            NUMBER.set(4);
            on_cancel(async move { to.borrow_mut().push(NUMBER.get()) })
                .guard(std::future::pending::<()>())
                .await;
        });
        yield_now().await;
        task.cancel("stop");
        turns(3).await;
        assert_eq!(*seen.borrow(), [Some(4)]);
    });
}

#[test]
fn values_are_dropped_with_the_last_context() {
    static HELD: ContextVar<std::rc::Rc<RefCell<()>>> = ContextVar::new("held");
    drive(|| async {
        let value = std::rc::Rc::new(RefCell::new(()));
        let inside = value.clone();
        let task = spawn(async move {
            HELD.set(inside);
            spawn(turns(2)).await.unwrap();
        });
        task.await.unwrap();
        turns(2).await;
        assert_eq!(std::rc::Rc::strong_count(&value), 1);
    });
}

#[test]
fn a_loop_that_runs_in_a_context_leaves_each_task_its_own() {
    within(WATCHDOG, || {
        let context = copy_context();
        let seen = context.run(|| {
            bucle_loop::run(async {
                NUMBER.set(1);
                let child = |number| {
                    spawn(async move {
                        NUMBER.set(number);
                        yield_now().await;
                        NUMBER.get()
                    })
                };
                let (two, three) = (child(2), child(3));
                (two.await.unwrap(), three.await.unwrap(), NUMBER.get())
            })
        });
        assert_eq!(seen.unwrap(), (Some(2), Some(3), Some(1)));
        assert_eq!(NUMBER.value_in(&context), None);
    });
}

#[test]
fn an_eager_task_does_not_write_into_the_context_it_is_spawned_in() {
    drive(|| async {
        NUMBER.set(1);
        let context = copy_context();
        let child = context.run(|| {
            OTHER.set(2);
            let child = spawn_eager(async {
                NUMBER.set(9);
                let inherited = OTHER.get();
                let inner = Context::new().run(|| NUMBER.get());
                (NUMBER.get(), inherited, inner)
            });
            assert_eq!(NUMBER.get(), Some(1));
            child
        });
        assert_eq!(child.await.unwrap(), (Some(9), Some(2), None));
        assert_eq!(NUMBER.value_in(&context), Some(1));
    });
}

#[test]
fn a_clean_up_whose_last_value_starts_another_is_forgotten_in_peace() {
    struct CleansUp(Rc<Cell<usize>>);
    impl Drop for CleansUp {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            drop(on_cancel(async {}));
        }
    }
    static LAST: ContextVar<Rc<CleansUp>> = ContextVar::new("last");
    drive(|| async {
        let dropped = Rc::new(Cell::new(0));
        for _ in 0..20 {
            let cleans_up = CleansUp(dropped.clone());
            // Its task is kept until there is no room for more.
            drop(on_cancel(async { drop(LAST.set(Rc::new(cleans_up))) }));
            turns(3).await;
        }
        assert!(dropped.get() > 0);
    });
}
