//! What locks, semaphores and queues cost, in nanoseconds a step, each beside a plain floor.
//!
//! *Uncontended* is one task that takes and gives back, or puts and gets, without ever waiting; its
//! floor is the bare data (a `RefCell`, a `VecDeque`). *Hand-off* is two tasks on one loop, each of
//! which waits for the other at every step; its floor is a value and a waker in a cell.
//!
//! ```text
//! cargo run --release -p bucle-loop --example sync_handoff [steps]
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bucle_loop::sync::{Lock, Queue, Semaphore};
use bucle_loop::{EventLoop, SimOptions, gather};

/// Rounds of which the median counts.
const ROUNDS: usize = 9;

type Body = Pin<Box<dyn Future<Output = ()>>>;

/// What is measured: that many steps of something.
type Steps = fn(u32) -> Body;

/// Nanoseconds for one of `steps`, by the median round.
fn measure(event_loop: &EventLoop, steps: u32, body: Steps) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            event_loop
                .run_until_complete(body(steps))
                .expect("nothing in here fails");
            start.elapsed().as_nanos() as f64 / f64::from(steps)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// A value on its way from one task to another, and nothing more.
#[derive(Default)]
struct Slot {
    value: Cell<Option<u32>>,
    waker: Cell<Option<Waker>>,
}

impl Slot {
    fn give(&self, value: u32) {
        self.value.set(Some(value));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    async fn take(&self) -> u32 {
        poll_fn(|cx| match self.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

async fn both(
    first: impl Future<Output = ()> + 'static,
    second: impl Future<Output = ()> + 'static,
) {
    let tasks: [Body; 2] = [Box::pin(first), Box::pin(second)];
    gather(tasks).await.expect("nothing in here fails");
}

/// Two tasks that send a value to and fro.
fn slot_hand_off(steps: u32) -> Body {
    let slots = Rc::new([Slot::default(), Slot::default()]);
    let player = move |slots: Rc<[Slot; 2]>, mine: usize| async move {
        for _ in 0..steps / 2 {
            let value = slots[mine].take().await;
            slots[1 - mine].give(value);
        }
    };
    Box::pin(async move {
        slots[0].give(1);
        both(player(slots.clone(), 0), player(slots, 1)).await;
    })
}

fn refcell(steps: u32) -> Body {
    Box::pin(async move {
        let value = RefCell::new(0u32);
        for _ in 0..steps {
            *black_box(&value).borrow_mut() += 1;
        }
        black_box(value);
    })
}

fn lock_uncontended(steps: u32) -> Body {
    Box::pin(async move {
        let lock = Lock::of(0u32);
        for _ in 0..steps {
            *black_box(&lock).acquire().await += 1;
        }
    })
}

/// Whoever gives the lock up asks for it again, and waits, as the other one has it by then.
fn lock_hand_off(steps: u32) -> Body {
    let lock = Rc::new(Lock::of(0u32));
    let player = move |lock: Rc<Lock<u32>>| async move {
        let mut guard = lock.acquire().await;
        bucle_loop::yield_now().await;
        for _ in 0..steps / 2 {
            *guard += 1;
            drop(guard);
            guard = lock.acquire().await;
        }
    };
    Box::pin(both(player(lock.clone()), player(lock)))
}

fn semaphore_uncontended(steps: u32) -> Body {
    Box::pin(async move {
        let semaphore = Semaphore::new(1);
        for _ in 0..steps {
            drop(black_box(&semaphore).acquire().await);
        }
    })
}

fn semaphore_hand_off(steps: u32) -> Body {
    let semaphore = Rc::new(Semaphore::new(1));
    let player = move |semaphore: Rc<Semaphore>| async move {
        let mut permit = semaphore.acquire().await;
        bucle_loop::yield_now().await;
        for _ in 0..steps / 2 {
            drop(permit);
            permit = semaphore.acquire().await;
        }
    };
    Box::pin(both(player(semaphore.clone()), player(semaphore)))
}

fn vec_deque(steps: u32) -> Body {
    Box::pin(async move {
        let queue = RefCell::new(VecDeque::new());
        for step in 0..steps {
            black_box(&queue).borrow_mut().push_back(step);
            black_box(queue.borrow_mut().pop_front());
        }
    })
}

fn queue_uncontended(steps: u32) -> Body {
    Box::pin(async move {
        let queue = Queue::new(0);
        for step in 0..steps {
            queue.put(step).await.expect("it is open");
            black_box(queue.get().await.expect("it is open"));
        }
    })
}

/// Two queues for one item each, and one item that goes to and fro.
fn queue_hand_off(steps: u32) -> Body {
    let queues = Rc::new([Queue::new(1), Queue::new(1)]);
    let player = move |queues: Rc<[Queue<u32>; 2]>, mine: usize| async move {
        for _ in 0..steps / 2 {
            let item = queues[mine].get().await.expect("it is open");
            queues[1 - mine].put(item).await.expect("it is open");
        }
    };
    Box::pin(async move {
        queues[0].put(1).await.expect("it is open");
        both(player(queues.clone(), 0), player(queues, 1)).await;
    })
}

fn main() {
    let steps = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |steps| steps.parse());
    let Ok(steps @ 2..) = steps else {
        eprintln!("the number of steps must be a whole number from 2 on");
        std::process::exit(2);
    };
    let event_loop = EventLoop::builder()
        .simulated(SimOptions::default())
        .build()
        .expect("a simulated loop needs nothing of the system");
    // A round without any wait is one long callback.
    event_loop.set_slow_callback_duration(Duration::MAX);
    let pairs: [(&str, Steps, Steps); 6] = [
        ("lock, uncontended", lock_uncontended, refcell),
        ("lock, hand-off", lock_hand_off, slot_hand_off),
        ("semaphore, uncontended", semaphore_uncontended, refcell),
        ("semaphore, hand-off", semaphore_hand_off, slot_hand_off),
        ("queue, uncontended", queue_uncontended, vec_deque),
        ("queue, hand-off", queue_hand_off, slot_hand_off),
    ];
    println!(
        "{:<24} {:>8} {:>8} {:>7}",
        "ns a step", "bucle", "floor", "ratio"
    );
    for (name, ours, floor) in pairs {
        let ours = measure(&event_loop, steps, ours);
        let floor = measure(&event_loop, steps, floor);
        println!("{name:<24} {ours:>8.1} {floor:>8.1} {:>7.1}", ours / floor);
    }
}
