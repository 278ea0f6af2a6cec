//! Deadlocks, planted: that each is found, in both worlds, and named; and that nothing else is.

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

// What is no deadlock.

/// Runs the future in the real world, to its end; nobody may be told of anything.
fn goes_on<F>(make: impl FnOnce() -> F + Send + 'static) -> F::Output
where
    F: Future + 'static,
    F::Output: Send + 'static,
{
    drive(move || async move {
        let told = told();
        let value = make().await;
        assert_eq!(*told.borrow(), [""; 0]);
        value
    })
}

#[test]
fn a_timeout_in_the_circle() {
    for simulated in [true, false] {
        within(WATCHDOG, move || {
            let event_loop = match simulated {
                true => EventLoop::builder().simulated(SimOptions::default()),
                false => EventLoop::builder(),
            };
            let event_loop = event_loop.build().unwrap();
            let got = event_loop.run_until_complete(async {
                let told = told();
                let left = Rc::new(Lock::named("left"));
                let right = Rc::new(Lock::named("right"));
                let (first, second) = (left.clone(), right.clone());
                let impatient = spawn(async move {
                    let _first = first.acquire().await;
                    yield_now().await;
                    timeout(SHORT, second.acquire()).await.is_err()
                });
                let patient = spawn(async move {
                    let _first = right.acquire().await;
                    yield_now().await;
                    let _second = left.acquire().await;
                });
                patient.await.unwrap();
                assert_eq!(*told.borrow(), [""; 0]);
                impatient.await.unwrap()
            });
            assert!(got.unwrap());
        });
    }
}

#[test]
fn a_timeout_whose_end_is_moved_by_another_task() {
    goes_on(|| async {
        let lock = Rc::new(Lock::new());
        let limit = Timeout::after(None);
        let handle = limit.handle();
        let _held = lock.acquire().await;
        let own = lock.clone();
        let mover = spawn(async move {
            sleep(SHORT).await;
            let now = get_running_loop().time();
            handle.reschedule(now).unwrap();
        });
        assert!(limit.run(own.acquire()).await.is_err());
        mover.await.unwrap();
    });
}

#[test]
fn one_of_two_things_that_can_come() {
    goes_on(|| async {
        let lock = Rc::new(Lock::new());
        let event = Rc::new(Event::new());
        let _held = lock.acquire().await;
        let setter = spawn({
            let event = event.clone();
            async move {
                sleep(SHORT).await;
                event.set();
            }
        });
        let (mut own, mut set) = (pin!(lock.acquire()), pin!(event.wait()));
        poll_fn(|cx| match own.as_mut().poll(cx) {
            Poll::Ready(_) => panic!("it holds the lock itself"),
            Poll::Pending => set.as_mut().poll(cx),
        })
        .await;
        setter.await.unwrap();
    });
}

#[test]
fn another_thread_with_a_remote() {
    let value = within(WATCHDOG, || {
        let event_loop = new_loop();
        let remote = event_loop.remote();
        let thread = thread::spawn(move || {
            thread::sleep(SHORT);
            let _ = remote.call_soon_threadsafe(|| get_running_loop().stop());
        });
        let stopped = event_loop.run_until_complete(pending::<()>());
        thread.join().unwrap();
        stopped.unwrap_err().cancelled().unwrap().is_deadlock()
    });
    assert!(!value);
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

#[test]
fn another_thread_with_a_waker() {
    goes_on(|| async {
        let (give, take) = mpsc::channel::<Waker>();
        let thread = thread::spawn(move || {
            let waker = take.recv().unwrap();
            thread::sleep(SHORT);
            // A clone made there counts too.
            let another = waker.clone();
            drop(waker);
            thread::sleep(SHORT);
            another.wake();
        });
        woken_by(move |waker| give.send(waker).unwrap()).await;
        thread.join().unwrap();
    });
}

#[test]
fn another_thread_with_a_gathered_child_s_waker() {
    goes_on(|| async {
        let (give, take) = mpsc::channel::<Waker>();
        let thread = thread::spawn(move || {
            let waker = take.recv().unwrap();
            thread::sleep(SHORT);
            waker.wake();
        });
        scope(|s| {
            s.spawn(woken_by(move |waker| give.send(waker).unwrap()));
            async {}
        })
        .await;
        thread.join().unwrap();
    });
}

#[test]
fn a_waker_that_lies_where_the_loop_can_not_see() {
    goes_on(|| async {
        let kept = Rc::new(Cell::new(None));
        let place = kept.clone();
        let lock = Rc::new(Lock::new());
        let held = lock.clone();
        let holder = spawn(async move {
            let _held = held.acquire().await;
            woken_by(move |waker| place.set(Some(waker))).await;
        });
        yield_now().await;
        let waiter = spawn(async move { drop(lock.acquire().await) });
        let waker = kept.take().unwrap();
        get_running_loop().call_later(SHORT, move || waker.wake());
        waiter.await.unwrap();
        holder.await.unwrap();
    });
}

#[test]
fn a_descriptor_that_is_watched() {
    goes_on(|| async {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let event = Rc::new(Event::new());
        let set = event.clone();
        let fd = ours.try_clone().unwrap();
        get_running_loop()
            .add_reader(&fd, move || {
                let _ = ours.read(&mut [0; 8]);
                set.set();
            })
            .unwrap();
        let thread = thread::spawn(move || {
            thread::sleep(SHORT);
            theirs.write_all(b"now").unwrap();
        });
        event.wait().await;
        get_running_loop().remove_reader(&fd);
        thread.join().unwrap();
    });
}

#[test]
fn a_signal_that_is_handled() {
    goes_on(|| async {
        let event = Rc::new(Event::new());
        let set = event.clone();
        let event_loop = get_running_loop();
        event_loop
            .add_signal_handler(signal_hook::consts::SIGWINCH, move || set.set())
            .unwrap();
        let thread = thread::spawn(|| {
            thread::sleep(SHORT);
            signal_hook::low_level::raise(signal_hook::consts::SIGWINCH).unwrap();
        });
        event.wait().await;
        event_loop.remove_signal_handler(signal_hook::consts::SIGWINCH);
        thread.join().unwrap();
    });
}

#[test]
fn a_job_in_a_thread() {
    let done = goes_on(|| async {
        let event = Rc::new(Event::new());
        let set = event.clone();
        let job = spawn(async move {
            to_thread(|| thread::sleep(SHORT)).await.unwrap();
            set.set();
        });
        event.wait().await;
        job.await.is_ok()
    });
    assert!(done);
}

// Circles, while the rest goes on.

#[test]
fn a_circle_is_told_of_once_and_the_others_go_on() {
    drive(|| async {
        let told = told();
        let first = crosswise();
        while told.borrow().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(told.borrow()[0].contains("only a cancellation can help them"));
        says_crosswise(&told.borrow()[..1]);
        // It is not told again of the same, also when others wait meanwhile.
        for _ in 0..100 {
            spawn(async {}).await.unwrap();
            sleep(Duration::from_micros(100)).await;
        }
        assert_eq!(told.borrow().len(), 1);
        let second = crosswise();
        while told.borrow().len() == 1 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(told.borrow().len(), 2);
        for task in first.iter().chain(&second) {
            task.cancel("enough");
        }
        for task in first.into_iter().chain(second) {
            assert!(task.await.is_err());
        }
    });
}

/// Something that is alive and never comes.
fn watch_in_vain() -> (UnixStream, UnixStream) {
    let pair = UnixStream::pair().unwrap();
    get_running_loop().add_reader(&pair.0, || ()).unwrap();
    pair
}

#[test]
fn a_circle_with_the_main_task_in_it_ends_no_run_while_others_live() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            let watched = watch_in_vain();
            b.detach();
            // Nobody has the means to cancel it until then.
            get_running_loop().call_later(SHORT * 2, move || {
                for task in get_running_loop().all_tasks() {
                    if task.get_name() == "b" {
                        task.cancel("it took too long");
                    }
                }
                drop(watched);
            });
            a.await.unwrap();
        })
    });
}

#[test]
fn a_guard_that_was_given_away_ends_no_run() {
    for simulated in [true, false] {
        within(WATCHDOG, move || {
            let event_loop = match simulated {
                true => EventLoop::builder().simulated(SimOptions::default()),
                false => EventLoop::builder(),
            };
            let event_loop = event_loop.build().unwrap();
            event_loop.set_exception_handler(|_, _| {});
            let result = event_loop.run_until_complete(async {
                let left: &Lock = Box::leak(Box::new(Lock::named("left")));
                let right: &Lock = Box::leak(Box::new(Lock::named("right")));
                let held = right.acquire().await;
                spawn(async move {
                    let guard = left.acquire().await;
                    get_running_loop().call_later(SHORT, move || drop(guard));
                    drop(right.acquire().await);
                })
                .detach();
                turns(2).await;
                drop(left.acquire().await);
                drop(held);
            });
            result.unwrap();
        });
    }
}

/// A task in the circle is cancelled by somebody who has the means: that helps, and the run is not
/// ended before.
fn is_helped(
    watchdog: impl FnOnce([Task<()>; 2]) -> Pin<Box<dyn Future<Output = ()>>> + Send + 'static,
) {
    drive(|| async {
        let told = told();
        watchdog(crosswise()).await;
        assert_eq!(told.borrow().len(), 1, "{told:?}");
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_a_handle() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            let handle = b.handle();
            spawn(async move {
                sleep(SHORT * 2).await;
                handle.cancel("it took too long");
            })
            .detach();
            b.detach();
            a.await.unwrap();
        })
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_the_task_itself() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            spawn(async move {
                sleep(SHORT * 2).await;
                b.cancel("it took too long");
            })
            .detach();
            a.await.unwrap();
        })
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_the_group() {
    drive(|| async {
        let told = told();
        let left = Rc::new(Lock::new());
        let right = Rc::new(Lock::new());
        let _left = left.acquire().await;
        let group = TaskGroup::new();
        let worker = group.spawn_named("worker", {
            let (left, right) = (left.clone(), right.clone());
            async move {
                let _right = right.acquire().await;
                let _left = left.acquire().await;
            }
        });
        turns(2).await;
        spawn(async move {
            sleep(SHORT * 2).await;
            group.cancel("it took too long");
            let _ = group.join().await;
        })
        .detach();
        // Held by the worker, until the group is cancelled.
        let _right = right.acquire().await;
        assert!(worker.await.is_err());
        assert_eq!(told.borrow().len(), 1, "{told:?}");
    });
}

#[test]
fn a_simulation_in_which_only_a_heart_beats_ends() {
    within(WATCHDOG, || {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions {
                max_jumps: 1_000,
                ..SimOptions::default()
            })
            .build()
            .unwrap();
        event_loop.set_exception_handler(|_, _| {});
        let beats = Rc::new(Cell::new(0));
        let result = event_loop.run_until_complete({
            let beats = beats.clone();
            async move {
                spawn(async move {
                    loop {
                        sleep(Duration::from_secs(1)).await;
                        beats.set(beats.get() + 1);
                    }
                })
                .detach();
                Event::named("never").wait().await;
            }
        });
        let why = result.unwrap_err().cancelled().unwrap().clone();
        assert!(why.is_deadlock());
        assert!(why.reason().contains("waits for Event \"never\""), "{why}");
        assert_eq!(beats.get(), 1_000);
    });
}

#[test]
fn a_run_goes_on_where_somebody_has_a_list_of_all_tasks() {
    is_helped(|[a, b]| {
        Box::pin(async move {
            let name = b.get_name();
            b.detach();
            let all = get_running_loop().all_tasks();
            spawn(async move {
                sleep(SHORT * 2).await;
                for task in all {
                    if task.get_name() == name {
                        task.cancel("it took too long");
                    }
                }
            })
            .detach();
            a.await.unwrap();
        })
    });
}

#[test]
fn a_lock_held_by_hand_may_be_given_up_by_anybody() {
    drive(|| async {
        let told = told();
        let lock = Rc::new(Lock::new());
        LockGuard::forget(lock.acquire().await);
        let releaser = lock.clone();
        get_running_loop().call_later(SHORT, move || releaser.release().unwrap());
        drop(lock.acquire().await);
        assert_eq!(*told.borrow(), [""; 0]);
    });
}

// The graph by itself.

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
