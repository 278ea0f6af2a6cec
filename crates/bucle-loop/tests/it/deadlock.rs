//! Deadlocks, planted: that each is found, in both worlds, and named; and that nothing else is.

mod circles;
mod innocent;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use bucle_loop::sync::{Barrier, Condition, Event, Lock, LockGuard, Queue, Semaphore};
use bucle_loop::{
    Cancelled, EventLoop, SimOptions, Task, TaskGroup, Timeout, WaitKind, current_task, gather,
    get_running_loop, scope, shield, sleep, spawn, spawn_named, timeout, to_thread, yield_now,
};

use crate::{Log, WATCHDOG, drive, new_loop, told, turns, within};

const SHORT: Duration = Duration::from_millis(50);

/// Has `make`'s future run in both worlds, each of which must end it; why it was ended in each.
#[track_caller]
fn ended<F>(make: impl Fn() -> F + Send + Sync + Clone + 'static) -> [String; 2]
where
    F: Future + 'static,
{
    [true, false].map(|simulated| {
        let make = make.clone();
        let why = within(WATCHDOG, move || {
            let event_loop = match simulated {
                true => EventLoop::builder().simulated(SimOptions::default()),
                false => EventLoop::builder(),
            };
            let event_loop = event_loop.build().unwrap();
            let told = Log::<String>::default();
            let log = told.clone();
            event_loop.set_exception_handler(move |_, context| {
                log.borrow_mut().push(context.to_string());
            });
            let result = event_loop.run_until_complete(async move {
                make().await;
            });
            let told = told.borrow();
            assert_eq!(told.len(), 1, "{told:?}");
            let why = result.unwrap_err().cancelled().unwrap().clone();
            assert!(why.is_deadlock());
            assert!(told[0].ends_with(why.reason()), "{told:?}");
            assert!(why.reason().starts_with("deadlock: "), "{why}");
            why.reason().to_owned()
        });
        println!("{why}\n");
        why
    })
}

#[track_caller]
fn says(reports: &[String], expected: &str) {
    for report in reports {
        assert!(report.contains(expected), "no {expected:?} in:\n{report}");
    }
}

/// Two tasks that take two locks crosswise.
fn crosswise() -> [Task<()>; 2] {
    let left = Rc::new(Lock::named("left"));
    let right = Rc::new(Lock::named("right"));
    let take = |name, first: Rc<Lock>, second: Rc<Lock>| {
        spawn_named(name, async move {
            let _first = first.acquire().await;
            yield_now().await;
            let _second = second.acquire().await;
        })
    };
    [
        take("a", left.clone(), right.clone()),
        take("b", right, left),
    ]
}

#[track_caller]
fn says_crosswise(reports: &[String]) {
    says(reports, "these wait for each other:\n  `a` from ");
    for held in [("a", "right", "b"), ("b", "left", "a")] {
        let (waits, lock, holds) = held;
        for report in reports {
            let line = report
                .lines()
                .find(|line| line.contains(&format!("`{waits}` from ")))
                .unwrap();
            let lock = format!("waits for Lock \"{lock}\" made at ");
            assert!(line.contains(&lock), "{line}");
            assert!(line.contains("deadlock.rs:"), "{line}");
            assert!(line.ends_with(&format!(", held by `{holds}`")), "{line}");
        }
    }
}

/// Gives its waker away at the first poll and is done at the second.
fn woken_by(keeper: impl FnOnce(Waker)) -> impl Future<Output = ()> {
    let mut keeper = Some(keeper);
    poll_fn(move |cx| match keeper.take() {
        Some(keeper) => {
            keeper(cx.waker().clone());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
}

/// Something that is alive and never comes.
fn watch_in_vain() -> (UnixStream, UnixStream) {
    let pair = UnixStream::pair().unwrap();
    get_running_loop().add_reader(&pair.0, || ()).unwrap();
    pair
}

#[test]
fn two_locks_crosswise() {
    let reports = ended(|| async {
        let [a, b] = crosswise();
        let _ = (a.await, b.await);
    });
    says_crosswise(&reports);
    says(&reports, "waits for the end of `a`");
}

#[test]
fn through_a_gather() {
    let reports = ended(|| async {
        let _ = bucle_loop::Gather::of(crosswise()).await;
    });
    says_crosswise(&reports);
    says(&reports, "waits for the end of `a`");
    says(&reports, "waits for the end of `b`");
}

#[test]
fn a_lock_taken_twice() {
    let reports = ended(|| async {
        let lock = Lock::named("accounts");
        let _once = lock.acquire().await;
        let _twice = lock.acquire().await;
    });
    says(&reports, "waits for Lock \"accounts\" made at ");
    says(&reports, ", held by `Task-");
}

type Slot = Rc<RefCell<Option<Task<()>>>>;

#[test]
fn tasks_that_join_each_other() {
    let reports = ended(|| async {
        let slots: [Slot; 2] = Default::default();
        let join = |name, slot: &Slot| {
            let slot = slot.clone();
            spawn_named(name, async move {
                let other = slot.borrow_mut().take().unwrap();
                let _ = other.await;
            })
        };
        let (a, b) = (join("a", &slots[1]), join("b", &slots[0]));
        slots[0].replace(Some(a));
        slots[1].replace(Some(b));
        pending::<()>().await;
    });
    says(&reports, "these wait for each other:\n  `a` from ");
    says(&reports, "waits for the end of `b`");
    says(&reports, "waits for the end of `a`");
    says(&reports, "waits for nothing that could wake it");
}

#[test]
fn a_queue_without_a_producer() {
    let reports = ended(|| async {
        let jobs = Rc::new(Queue::<u32>::named("jobs", 3));
        let worker = spawn_named("worker", async move { jobs.get().await.is_ok() });
        worker.await
    });
    says(&reports, "`worker` from ");
    says(&reports, "waits for an item of Queue \"jobs\" made at ");
    says(&reports, ", which is empty");
    says(&reports, "waits for the end of `worker`");
}

#[test]
fn a_queue_without_a_consumer() {
    let reports = ended(|| async {
        let jobs = Queue::named("jobs", 1);
        jobs.put(1).await.unwrap();
        jobs.put(2).await.unwrap();
    });
    says(&reports, "waits for room in Queue \"jobs\" made at ");
    let reports = ended(|| async {
        let jobs = Queue::named("jobs", 1);
        jobs.put(1).await.unwrap();
        jobs.join().await;
    });
    says(
        &reports,
        "waits for all items to be done of Queue \"jobs\" made at ",
    );
}

#[test]
fn an_event_a_condition_and_a_permit_that_never_come() {
    let reports = ended(|| async { Event::named("ready").wait().await });
    says(&reports, "waits for Event \"ready\" made at ");
    let reports = ended(|| async {
        let condition = Condition::named("stock");
        let guard = condition.acquire().await;
        drop(condition.wait(guard).await);
    });
    says(&reports, "waits for a notification of Condition \"stock\"");
    let reports = ended(|| async {
        let slots = Semaphore::named("slots", 1);
        let _first = slots.acquire().await;
        let _second = slots.acquire().await;
    });
    says(&reports, "waits for a permit of Semaphore \"slots\"");
}

#[test]
fn a_barrier_short_of_one() {
    let reports = ended(|| async {
        let start = Rc::new(Barrier::named("start", 3));
        let come = |name| {
            let start = start.clone();
            spawn_named(name, async move { start.wait().await.unwrap() })
        };
        let _ =
            gather([come("first"), come("second")].map(|task| async { task.await.unwrap() })).await;
    });
    says(&reports, "`second` from ");
    says(&reports, "waits for Barrier \"start\" made at ");
    says(&reports, ", to which 2 of 3 came");
}

#[test]
fn a_future_nobody_sets() {
    let reports = ended(|| async {
        let answer: bucle_loop::Future<u32> = bucle_loop::Future::new();
        let waiter = answer.clone();
        let _ = (spawn_named("asker", async move { waiter.await.unwrap() })).await;
        drop(answer);
    });
    says(&reports, "`asker` from ");
    says(&reports, "waits for Future made at ");
}

#[test]
fn through_a_group_a_shield_and_a_scope() {
    let reports = ended(|| async {
        let group = TaskGroup::new();
        group
            .spawn_named("member", async { Event::named("never").wait().await })
            .handle();
        group.join().await
    });
    says(&reports, "`member` from ");
    says(&reports, "waits for the tasks of TaskGroup made at ");
    says(&reports, ", of which are left `member`");
    let reports = ended(|| async {
        let hidden = spawn_named("hidden", async { Event::named("never").wait().await });
        let _ = hidden.shield().await;
        shield(async {}).await
    });
    says(&reports, "waits for the end of `hidden`");
    let reports = ended(|| async {
        let never = Event::named("never");
        scope(|s| {
            let child = s.spawn(never.wait());
            async move { child.await.is_ok() }
        })
        .await
    });
    says(&reports, "waits for Event \"never\" made at ");
    says(&reports, "waits for a child of its scope");
}

#[test]
fn a_circle_through_a_group() {
    let reports = ended(|| async {
        let lock = Rc::new(Lock::named("whole"));
        let outer = spawn_named("outer", async move {
            let _held = lock.acquire().await;
            let group = TaskGroup::new();
            let wanted = lock.clone();
            drop(group.spawn_named("member", async move { drop(wanted.acquire().await) }));
            group.join().await
        });
        let _ = outer.await;
    });
    says(&reports, "held by `outer`");
    says(&reports, "of which are left `member`");
    says(&reports, "these wait for each other:");
}

#[test]
fn run_says_that_it_was_a_deadlock() {
    let error = within(WATCHDOG, || {
        bucle_loop::run(async {
            get_running_loop().set_exception_handler(|_, _| {});
            Event::named("never").wait().await;
        })
        .unwrap_err()
    });
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    assert!(error.to_string().contains("Event \"never\""), "{error}");
}

#[test]
fn a_loop_that_ended_so_is_as_usable_as_before() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        event_loop.set_exception_handler(|_, _| {});
        let stuck = event_loop.run_until_complete(pending::<()>());
        assert!(stuck.unwrap_err().cancelled().unwrap().is_deadlock());
        let slept = event_loop.run_until_complete(async {
            sleep(Duration::from_millis(1)).await;
            5
        });
        assert_eq!(slept.unwrap(), 5);
        let stopped = event_loop.run_until_complete(async {
            get_running_loop().stop();
            pending::<()>().await;
        });
        assert!(!stopped.unwrap_err().cancelled().unwrap().is_deadlock());
    });
}

#[test]
fn the_graph_of_a_loop_that_runs() {
    drive(|| async {
        let event_loop = get_running_loop();
        let sleeper = spawn_named("sleeper", sleep(Duration::from_secs(3600)));
        let lock = Rc::new(Lock::named("accounts"));
        let held = lock.acquire().await;
        let blocked = spawn_named("blocked", {
            let lock = lock.clone();
            async move { drop(lock.acquire().await) }
        });
        let foreign = spawn_named("foreign", async {
            let kept = Rc::new(Cell::new(None));
            let place = kept.clone();
            woken_by(move |waker| place.set(Some(waker))).await;
        });
        turns(2).await;
        let ready = spawn_named("ready", async {});
        let alive = watch_in_vain();
        let graph = event_loop.wait_graph();
        let find = |task: u64| graph.task(task).unwrap();

        let wait = &find(sleeper.tag().id()).waits[0];
        assert_eq!(wait.kind, WaitKind::Sleep);
        assert!(wait.ends_in.unwrap() > Duration::from_secs(3000));

        let task = find(blocked.tag().id());
        let me = current_task().unwrap();
        assert_eq!(task.parent_id, Some(me.tag().id()));
        let wait = &task.waits[0];
        assert_eq!((wait.kind, wait.called), (WaitKind::Lock, "Lock"));
        assert_eq!(wait.name.as_deref(), Some("accounts"));
        assert_eq!(wait.made_at, Some(lock.location()));
        assert_eq!(wait.held_by, [me.tag()]);

        let task = find(foreign.tag().id());
        assert_eq!((task.waits.len(), task.elsewhere), (0, 1));
        assert!(find(ready.tag().id()).ready);
        assert!(find(me.tag().id()).ready, "it runs");
        assert!(graph.task(u64::MAX).is_none());
        assert_eq!(graph.tasks().len(), 5);
        assert!(graph.cycles().is_empty());
        let watched = &graph.descriptors()[0];
        assert!(watched.reads && !watched.writes);
        assert!(watched.owner.contains("deadlock.rs:"), "{watched}");

        event_loop.remove_reader(&alive.0);
        drop(held);
        for task in [sleeper, blocked, foreign] {
            task.cancel("enough");
            let _ = task.await;
        }
        ready.await.unwrap();
        assert_eq!(event_loop.wait_graph().tasks().len(), 1);
        // It is a value that may leave its thread.
        thread::spawn(move || graph.to_string()).join().unwrap();
    });
}

#[test]
fn what_was_waited_in_and_is_gone_leaves_nothing() {
    drive(|| async {
        for _ in 0..100 {
            let event = Event::new();
            let _ = timeout(Duration::ZERO, event.wait()).await;
            let future: bucle_loop::Future<()> = bucle_loop::Future::new();
            let _ = timeout(Duration::ZERO, future).await;
        }
        let graph = get_running_loop().wait_graph();
        assert_eq!(graph.to_string().lines().count(), 1, "{graph}");
    });
}

#[test]
fn a_cancellation_by_hand_is_no_deadlock() {
    assert!(!Cancelled::new("deadlock: no").is_deadlock());
}

#[test]
fn a_timer_that_the_handler_arms_when_told_of_a_circle_comes_in_time() {
    within(WATCHDOG, || {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions::default())
            .build()
            .unwrap();
        let came_at = Rc::new(Cell::new(None));
        let came = came_at.clone();
        event_loop.set_exception_handler(move |event_loop, _| {
            let (due, came) = (event_loop.time() + SHORT, came.clone());
            let clock = event_loop.clone();
            event_loop.call_at(due, move || came.set(Some(clock.time() - due)));
        });
        let result = event_loop.run_until_complete(async {
            let [a, b] = crosswise();
            a.detach();
            b.detach();
            sleep(Duration::from_secs(3)).await;
        });
        result.unwrap();
        assert_eq!(came_at.get(), Some(Duration::ZERO));
    });
}
