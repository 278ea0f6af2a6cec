//! Many tasks on a real loop, turn by turn, with tasks cancelled at any turn: nobody is forgotten,
//! nothing is lost, and in the end everything is as it was.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use bucle_loop::sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};
use bucle_loop::{Task, run, spawn, yield_now};
use proptest::prelude::*;

use super::turns;
use crate::{WATCHDOG, within};

/// What one task does: how many turns it waits first, what it works on, how long, and the turn in
/// which it is cancelled, if it is.
#[derive(Clone, Debug)]
struct Plan {
    delay: usize,
    rounds: usize,
    work: usize,
    cancelled_at: Option<usize>,
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = (
        0..4usize,
        1..4usize,
        0..4usize,
        prop::option::of(0..24usize),
    )
        .prop_map(|(delay, rounds, work, cancelled_at)| Plan {
            delay,
            rounds,
            work,
            cancelled_at,
        });
    prop::collection::vec(plan, 1..12)
}

/// More turns than any plan takes, were everybody to wait for everybody.
const TURNS: usize = 400;

/// Runs a task for each plan, cancels those that are to be, and gives the others time to end.
async fn storm<F: Future<Output = ()> + 'static>(
    plans: &[Plan],
    body: impl Fn(usize, Plan) -> F,
) -> Vec<Task<()>> {
    let tasks: Vec<Task<()>> = plans
        .iter()
        .enumerate()
        .map(|(number, plan)| spawn(body(number, plan.clone())))
        .collect();
    for turn in 0..TURNS {
        for (plan, task) in plans.iter().zip(&tasks) {
            if plan.cancelled_at == Some(turn) {
                task.cancel("the storm");
            }
        }
        yield_now().await;
    }
    tasks
}

fn all_done(tasks: &[Task<()>]) -> bool {
    tasks.iter().all(Task::done)
}

/// Ends what is left, and passes on a panic in any of them.
async fn end(tasks: Vec<Task<()>>) {
    for task in &tasks {
        task.cancel("the storm is over");
    }
    for task in tasks {
        if let Err(error) = task.await {
            assert!(error.panicked().is_none(), "{error}");
        }
    }
}

/// Who came when and who was let in when.
#[derive(Default)]
struct Door {
    line: RefCell<Vec<usize>>,
    inside: Cell<usize>,
}

impl Door {
    /// Says that `number` comes, until it is in or gone.
    fn come(&self, number: usize) -> Coming<'_> {
        self.line.borrow_mut().push(number);
        Coming { door: self, number }
    }

    fn enter(&self, coming: Coming<'_>, most: usize) {
        assert_eq!(
            self.line.borrow()[0],
            coming.number,
            "not in the order they came"
        );
        drop(coming);
        self.inside.set(self.inside.get() + 1);
        assert!(self.inside.get() <= most);
    }

    fn exit(&self) {
        self.inside.set(self.inside.get() - 1);
    }
}

struct Coming<'a> {
    door: &'a Door,
    number: usize,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.door.line.borrow_mut().retain(|n| *n != self.number);
    }
}

struct Inside<'a>(&'a Door);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.exit();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn locks(plans in plans()) {
        within(WATCHDOG, move || run(async move {
            let shared = Rc::new((Lock::of(0), Door::default()));
            let tasks = storm(&plans, |number, plan| {
                let shared = shared.clone();
                async move {
                    let (lock, door) = &*shared;
                    turns(plan.delay).await;
                    for _ in 0..plan.rounds {
                        let coming = door.come(number);
                        let mut guard = lock.acquire().await;
                        door.enter(coming, 1);
                        let _inside = Inside(door);
                        let before = *guard;
                        turns(plan.work).await;
                        *guard = before + 1;
                    }
                }
            })
            .await;
            assert!(all_done(&tasks), "somebody waits for ever: {:?}", shared.0);
            end(tasks).await;
            assert!(!shared.0.locked());
        }).unwrap());
    }

    #[test]
    fn semaphores(plans in plans(), permits in 1..4usize) {
        within(WATCHDOG, move || run(async move {
            let shared = Rc::new((Semaphore::new(permits), Door::default()));
            let tasks = storm(&plans, |number, plan| {
                let shared = shared.clone();
                async move {
                    let (semaphore, door) = &*shared;
                    turns(plan.delay).await;
                    for _ in 0..plan.rounds {
                        let coming = door.come(number);
                        let _permit = semaphore.acquire().await;
                        door.enter(coming, permits);
                        let _inside = Inside(door);
                        turns(plan.work).await;
                    }
                }
            })
            .await;
            assert!(all_done(&tasks), "somebody waits for ever: {:?}", shared.0);
            end(tasks).await;
            assert_eq!(shared.0.value(), permits);
        }).unwrap());
    }

    #[test]
    fn queues(plans in plans(), maxsize in 0..3usize) {
        within(WATCHDOG, move || run(async move {
            let queue = Rc::new(Queue::new(maxsize));
            let put = Rc::new(RefCell::new(Vec::new()));
            let got = Rc::new(RefCell::new(Vec::new()));
            // Even ones put, odd ones get.
            let tasks = storm(&plans, |number, plan| {
                let (queue, put, got) = (queue.clone(), put.clone(), got.clone());
                async move {
                    turns(plan.delay).await;
                    for round in 0..plan.rounds {
                        let item = (number, round);
                        if number % 2 == 0 {
                            // A put that is polled to its end in the same step as this is noted.
                            queue.put(item).await.unwrap();
                            put.borrow_mut().push(item);
                        } else {
                            let item = queue.get().await.unwrap();
                            got.borrow_mut().push(item);
                        }
                        turns(plan.work).await;
                    }
                }
            })
            .await;
            // Those that are left wait all on one side.
            let left: Vec<usize> = (0..plans.len()).filter(|n| !tasks[*n].done()).collect();
            let putters = left.iter().filter(|n| **n % 2 == 0).count();
            assert!(putters == 0 || queue.full() && putters == left.len(), "{queue:?}");
            assert!(putters > 0 || left.is_empty() || queue.empty(), "{queue:?}");
            end(tasks).await;
            let rest = std::iter::from_fn(|| queue.get_nowait().ok());
            got.borrow_mut().extend(rest);
            let sorted = |items: &RefCell<Vec<(usize, usize)>>| {
                let mut items = items.borrow().clone();
                items.sort_unstable();
                items
            };
            assert_eq!(sorted(&put), sorted(&got), "an item is lost, or there twice");
            // What one task put is got in that order.
            for number in 0..plans.len() {
                assert!(got.borrow().iter().filter(|(by, _)| *by == number).is_sorted());
            }
        }).unwrap());
    }

    /// A buffer for two, of a condition.
    #[test]
    fn conditions(plans in plans()) {
        within(WATCHDOG, move || run(async move {
            let condition = Rc::new(Condition::of(0usize));
            // Even ones add, odd ones take: one item a notification.
            let tasks = storm(&plans, |number, plan| {
                let condition = condition.clone();
                async move {
                    turns(plan.delay).await;
                    for _ in 0..plan.rounds {
                        let mut guard = condition.acquire().await;
                        turns(plan.work).await;
                        if number % 2 == 0 {
                            *guard += 1;
                            condition.notify(1).unwrap();
                        } else {
                            let mut guard = condition.wait_for(guard, |n| *n > 0).await;
                            *guard -= 1;
                        }
                    }
                }
            })
            .await;
            assert!(!condition.locked(), "{condition:?}");
            let items = *condition.acquire().await;
            // Whoever waits still does so because there is nothing.
            assert!(items == 0 || all_done(&tasks), "a notification is lost: {condition:?}");
            end(tasks).await;
        }).unwrap());
    }

    #[test]
    fn barriers(plans in plans(), parties in 1..4usize) {
        within(WATCHDOG, move || run(async move {
            let barrier = Rc::new(Barrier::new(parties));
            let tasks = storm(&plans, |_, plan| {
                let barrier = barrier.clone();
                async move {
                    turns(plan.delay).await;
                    for _ in 0..plan.rounds {
                        assert!(barrier.wait().await.unwrap() < parties);
                        turns(plan.work).await;
                    }
                }
            })
            .await;
            let left = tasks.iter().filter(|task| !task.done()).count();
            assert!(left < parties, "{barrier:?}");
            assert_eq!(barrier.n_waiting(), left);
            end(tasks).await;
        }).unwrap());
    }

    #[test]
    fn events(plans in plans()) {
        within(WATCHDOG, move || run(async move {
            let event = Rc::new(Event::new());
            // The first one sets it, again and again; the others wait.
            let tasks = storm(&plans, |number, plan| {
                let event = event.clone();
                async move {
                    turns(plan.delay).await;
                    for _ in 0..plan.rounds {
                        if number == 0 {
                            event.set();
                            event.clear();
                            turns(plan.work).await;
                        } else {
                            event.wait().await;
                        }
                    }
                }
            })
            .await;
            event.set();
            turns(3).await;
            assert!(all_done(&tasks), "{event:?}");
            end(tasks).await;
        }).unwrap());
    }
}
