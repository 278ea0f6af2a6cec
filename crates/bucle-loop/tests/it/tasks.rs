//! Tasks from outside: joining, cancelling, letting go.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{
    Task, TaskError, all_tasks, current_task, get_running_loop, run, sleep, spawn, spawn_named,
    try_get_running_loop, yield_now,
};

use crate::{Log, WATCHDOG, drive, new_loop, turns, within};

#[test]
fn tasks_run_in_the_order_they_were_spawned() {
    within(WATCHDOG, || {
        run(async {
            let log = Rc::new(RefCell::new(Vec::new()));
            let tasks: Vec<Task<()>> = (0..4)
                .map(|n| {
                    let log = log.clone();
                    spawn(async move {
                        log.borrow_mut().push((n, 0));
                        yield_now().await;
                        log.borrow_mut().push((n, 1));
                    })
                })
                .collect();
            assert!(log.borrow().is_empty(), "spawning polls nothing");
            for task in tasks {
                task.join().await.unwrap();
            }
            let expected: Vec<_> = (0..2).flat_map(|r| (0..4).map(move |n| (n, r))).collect();
            assert_eq!(*log.borrow(), expected);
        })
        .unwrap();
    });
}

#[test]
fn a_cancelled_task_says_why_and_by_whom() {
    within(WATCHDOG, || {
        run(async {
            let held = Rc::new(());
            let keep = held.clone();
            let task = spawn_named("victim", async move {
                sleep(Duration::from_secs(3600)).await;
                drop(keep);
            });
            let line = line!() - 4;
            yield_now().await;
            let handle = task.handle();
            spawn_named("murderer", async move {
                assert!(handle.cancel("in the way"));
                assert!(handle.cancel("twice is once"));
                assert!(!handle.done(), "never under the caller's feet");
            })
            .await
            .unwrap();
            assert_eq!(task.tag().location().line(), line);
            let tag = task.tag();
            let Err(TaskError::Cancelled(why)) = task.await else {
                panic!("not cancelled")
            };
            assert_eq!(why.reason(), "in the way");
            assert_eq!(why.by().unwrap().name(), Some("murderer"));
            assert_eq!(Rc::strong_count(&held), 1);
            assert_eq!(tag.name(), Some("victim"));
        })
        .unwrap();
    });
}

#[test]
fn cancelling_what_is_done_does_nothing() {
    within(WATCHDOG, || {
        run(async {
            let task = spawn(async { 5 });
            yield_now().await;
            yield_now().await;
            assert!(task.done());
            assert!(!task.cancel("too late"));
            assert_eq!(task.await.unwrap(), 5);
        })
        .unwrap();
    });
}

#[test]
fn a_task_that_never_ran_can_be_cancelled() {
    within(WATCHDOG, || {
        run(async {
            let ran = Rc::new(Cell::new(false));
            let flag = ran.clone();
            let task = spawn(async move { flag.set(true) });
            task.cancel("changed my mind");
            assert!(task.await.unwrap_err().cancelled().is_some());
            assert!(!ran.get());
        })
        .unwrap();
    });
}

#[test]
fn a_task_that_cancels_itself_ends_at_its_next_await() {
    within(WATCHDOG, || {
        run(async {
            let passed = Rc::new(Cell::new(0));
            let count = passed.clone();
            let task = spawn(async move {
                current_task().unwrap().cancel("enough");
                count.set(1);
                yield_now().await;
                count.set(2);
            });
            let error = task.await.unwrap_err();
            assert_eq!(passed.get(), 1);
            let why = error.cancelled().unwrap();
            assert_eq!(why.reason(), "enough");
        })
        .unwrap();
    });
}

#[test]
fn dropping_the_handle_lets_it_run_and_cancel_on_drop_does_not() {
    within(WATCHDOG, || {
        run(async {
            let count = Rc::new(Cell::new(0));
            let work = || {
                let count = count.clone();
                async move {
                    sleep(Duration::from_millis(2)).await;
                    count.set(count.get() + 1);
                }
            };
            drop(spawn(work()));
            spawn(work()).detach();
            drop(spawn(work()).cancel_on_drop());
            let kept = spawn(work()).cancel_on_drop();
            kept.await.unwrap();
            sleep(Duration::from_millis(10)).await;
            assert_eq!(count.get(), 3);
        })
        .unwrap();
    });
}

#[test]
fn a_panic_is_an_error_of_the_task() {
    within(WATCHDOG, || {
        run(async {
            let error = spawn_named("broken", async { panic!("at {}", 12) })
                .await
                .unwrap_err();
            let panic = error.panicked().unwrap();
            assert_eq!(panic.message(), "at 12");
            assert_eq!(panic.task().name(), Some("broken"));
        })
        .unwrap();
    });
}

#[test]
fn dropping_an_await_leaves_the_task() {
    within(WATCHDOG, || {
        run(async {
            let mut task = spawn(async {
                sleep(Duration::from_millis(5)).await;
                1
            });
            let early = bucle_loop::timeout(Duration::from_micros(100), &mut task).await;
            assert!(early.is_err());
            assert_eq!(task.await.unwrap(), 1);
        })
        .unwrap();
    });
}

#[test]
fn done_callbacks_run_in_order_also_when_added_late() {
    within(WATCHDOG, || {
        run(async {
            let log = Rc::new(RefCell::new(Vec::new()));
            let task = spawn(async {});
            for n in 0..3 {
                let log = log.clone();
                task.add_done_callback(move || log.borrow_mut().push(n));
            }
            yield_now().await;
            yield_now().await;
            yield_now().await;
            let late = log.clone();
            task.add_done_callback(move || late.borrow_mut().push(3));
            assert_eq!(*log.borrow(), [0, 1, 2]);
            yield_now().await;
            yield_now().await;
            assert_eq!(*log.borrow(), [0, 1, 2, 3]);
            task.await.unwrap();
        })
        .unwrap();
    });
}

#[test]
fn all_tasks_and_current_task() {
    within(WATCHDOG, || {
        assert!(current_task().is_none());
        assert!(try_get_running_loop().is_none());
        run(async {
            let a = spawn_named("a", std::future::pending::<()>());
            let names: Vec<String> = all_tasks()
                .iter()
                .map(|task| task.tag().to_string())
                .collect();
            assert_eq!(names.len(), 2);
            assert!(names.contains(&"a".to_string()));
            assert_eq!(get_running_loop().counters().tasks, 2);
            a.detach();
        })
        .unwrap();
    });
}

#[test]
#[should_panic(expected = "no event loop is running in this thread")]
fn spawning_outside_says_what_to_do() {
    spawn(async {}).detach();
}

#[test]
#[should_panic(expected = "can't be run from inside")]
fn running_inside_is_refused() {
    run(async {
        let _ = run(async {});
    })
    .unwrap();
}

#[test]
#[should_panic(expected = "the main future's own")]
fn a_panic_of_the_main_future_passes_through_run() {
    run(async { panic!("the main future's own") }).unwrap();
}

#[test]
fn a_loop_stopped_early_ends_the_main_future_cancelled() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let stop = event_loop.clone();
        event_loop.call_soon(move || stop.stop());
        let held = Rc::new(());
        let keep = held.clone();
        let result = event_loop.run_until_complete(async move {
            std::future::pending::<()>().await;
            drop(keep);
        });
        assert!(result.unwrap_err().cancelled().is_some());
        assert_eq!(Rc::strong_count(&held), 1);
        assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
    });
}

#[test]
fn tasks_live_on_between_runs() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let task = event_loop.spawn(async {
            sleep(Duration::from_millis(5)).await;
            7
        });
        event_loop
            .run_until_complete(sleep(Duration::from_millis(1)))
            .unwrap();
        assert_eq!(
            event_loop
                .run_until_complete(async { task.await.unwrap() })
                .unwrap(),
            7
        );
    });
}

#[test]
fn a_task_knows_who_spawned_it() {
    drive(|| async {
        let me = current_task().unwrap();
        assert_eq!(me.parent_id(), None);
        let child = spawn(async move {
            let me = current_task().unwrap();
            let grandchild = spawn(async { current_task().unwrap().parent() });
            assert_eq!(grandchild.await.unwrap(), Some(me.clone()));
            spawn(std::future::pending::<()>()).handle()
        });
        assert_eq!(child.handle().parent(), Some(me));
        let id = child.tag().id();
        let orphan = child.await.unwrap();
        assert_eq!(orphan.parent(), None, "its parent has ended");
        assert_eq!(orphan.parent_id(), Some(id));
    });
}

#[test]
fn names_are_given_numbered_and_changed() {
    drive(|| async {
        let named = spawn_named("first", async {});
        assert_eq!(named.get_name(), "first");
        named.handle().set_name("second");
        assert_eq!(named.get_name(), "second");
        let plain = spawn(async {});
        assert_eq!(plain.get_name(), format!("Task-{}", plain.tag().id()));
        plain.handle().set_name("named later");
        assert_eq!(plain.tag().name(), Some("named later"));
        assert!(format!("{plain:?}").contains("named later"));
    });
}

#[test]
fn its_state_can_be_printed() {
    drive(|| async {
        let task = spawn(std::future::pending::<()>());
        assert!(format!("{task:?}").contains("pending"));
        task.cancel("now");
        assert!(format!("{task:?}").contains("cancelling"));
        turns(2).await;
        assert!(format!("{task:?}").contains("cancelled"));
        let task = spawn(async {});
        turns(2).await;
        assert!(format!("{task:?}").contains("done"));
    });
}

#[test]
fn a_result_can_be_looked_at_before_it_is_taken() {
    drive(|| async {
        let mut task = spawn(async { vec![1, 2] });
        assert!(task.peek().is_none() && task.try_result().is_none());
        turns(2).await;
        assert_eq!(task.peek(), Some(&vec![1, 2]));
        assert_eq!(task.try_result().unwrap().unwrap(), [1, 2]);
        assert!(task.peek().is_none() && task.try_result().is_none());
    });
}

#[test]
fn done_callbacks_can_be_taken_back() {
    drive(|| async {
        let log = Log::<u32>::default();
        let task = spawn(async {});
        let add = |n| {
            let log = log.clone();
            task.add_done_callback(move || log.borrow_mut().push(n))
        };
        let ids = [add(1), add(2), add(3)];
        assert!(task.remove_done_callback(ids[1]));
        assert!(!task.handle().remove_done_callback(ids[1]));
        turns(4).await;
        assert!(!task.remove_done_callback(ids[0]), "it has run");
        assert_eq!(*log.borrow(), [1, 3]);
    });
}

#[test]
fn interleaving_tasks_are_each_the_current_one() {
    drive(|| async {
        let check = || async {
            let me = current_task().unwrap();
            for _ in 0..3 {
                yield_now().await;
                assert_eq!(current_task().unwrap(), me);
            }
        };
        let tasks = [spawn(check()), spawn(check())];
        assert_ne!(tasks[0].handle(), tasks[1].handle());
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert!(current_task().is_none());
}

#[test]
fn destructors_of_a_cancelled_task_know_it_as_the_current_one() {
    struct Look(Log<String>);
    impl Drop for Look {
        fn drop(&mut self) {
            let name = current_task().unwrap().get_name();
            self.0.borrow_mut().push(name);
        }
    }
    within(WATCHDOG, || {
        let log = Log::<String>::default();
        let event_loop = new_loop();
        let (one, two) = (Look(log.clone()), Look(log.clone()));
        event_loop
            .run_until_complete(async move {
                let task = spawn_named("cancelled", async move {
                    let _one = one;
                    std::future::pending::<()>().await;
                });
                spawn_named("closed", async move {
                    let _two = two;
                    std::future::pending::<()>().await;
                })
                .detach();
                yield_now().await;
                task.cancel("");
                assert!(task.await.is_err());
            })
            .unwrap();
        drop(event_loop);
        assert_eq!(*log.borrow(), ["cancelled", "closed"]);
    });
}
