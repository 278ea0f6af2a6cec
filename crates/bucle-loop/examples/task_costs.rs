//! What tasks cost: nanoseconds for a yield, and for a spawn with the await of its result, on this
//! loop and on the smallest executor that `async-task` allows, in turn in one run.
//!
//! `cargo run --release -p bucle-loop --example task_costs`. Figures of a busy machine mean little:
//! look at the medians, and run it again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bucle_loop::{EventLoop, TaskError, spawn, yield_now};

const YIELDS: u32 = 1_000_000;
const SPAWNS: u32 = 300_000;
const TASKS: u32 = 100;
const ROUNDS: usize = 11;

fn main() {
    let event_loop = EventLoop::new().expect("a loop");
    let ours: [&dyn Fn() -> Measured; 4] = [
        &|| Box::pin(yields()),
        &|| Box::pin(yields_among_many(|| spawn(share_of_yields()).detach())),
        &|| {
            Box::pin(spawns(
                |n| async move { joined(spawn(async move { n }).await) },
            ))
        },
        &|| {
            Box::pin(many_spawns(|n| {
                let task = spawn(async move { n });
                async move { joined(task.await) }
            }))
        },
    ];
    let theirs: [&dyn Fn() -> Measured; 4] = [
        &|| Box::pin(yields()),
        &|| {
            Box::pin(yields_among_many(|| {
                Executor::spawn(share_of_yields()).detach();
            }))
        },
        &|| Box::pin(spawns(|n| Executor::spawn(async move { n }))),
        &|| Box::pin(many_spawns(|n| Executor::spawn(async move { n }))),
    ];
    let names = [
        "a yield, one task",
        "a yield, one of 100 tasks",
        "a spawn and its join",
        "a spawn and its join, 100 at a time",
    ];
    let mut figures = [const { (Vec::new(), Vec::new()) }; 4];
    for _ in 0..ROUNDS {
        for ((ours, theirs), figures) in ours.iter().zip(theirs).zip(&mut figures) {
            let ours = event_loop.run_until_complete(ours());
            figures.0.push(ours.expect("it ends"));
            figures.1.push(Executor::run_until_complete(theirs()));
        }
    }
    println!(
        "{:<38}{:>8}{:>12}",
        "ns, median of 11 rounds", "bucle", "async-task"
    );
    for (name, (mut ours, mut theirs)) in names.iter().zip(figures) {
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        println!("{name:<38}{ours:>8.1}{theirs:>12.1}");
    }
}

fn joined(result: Result<u32, TaskError>) -> u32 {
    result.expect("it neither panics nor is cancelled")
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A measurement: it gives nanoseconds.
type Measured = Pin<Box<dyn Future<Output = f64>>>;

fn since(begun: Instant, count: u32) -> f64 {
    begun.elapsed().as_nanos() as f64 / f64::from(count)
}

async fn yields() -> f64 {
    let begun = Instant::now();
    for _ in 0..YIELDS {
        yield_now().await;
    }
    since(begun, YIELDS)
}

async fn share_of_yields() {
    for _ in 0..YIELDS / TASKS {
        yield_now().await;
    }
}

async fn yields_among_many(start_one: impl Fn()) -> f64 {
    for _ in 1..TASKS {
        start_one();
    }
    let begun = Instant::now();
    share_of_yields().await;
    let took = since(begun, YIELDS);
    yield_now().await;
    took
}

async fn spawns<F: Future<Output = u32>>(spawn: impl Fn(u32) -> F) -> f64 {
    let begun = Instant::now();
    for n in 0..SPAWNS {
        black_box(spawn(n).await);
    }
    since(begun, SPAWNS)
}

async fn many_spawns<F: Future<Output = u32>>(spawn: impl Fn(u32) -> F) -> f64 {
    let mut tasks = Vec::with_capacity(TASKS as usize);
    let begun = Instant::now();
    for _ in 0..SPAWNS / TASKS {
        tasks.extend((0..TASKS).map(&spawn));
        for task in tasks.drain(..) {
            black_box(task.await);
        }
    }
    since(begun, SPAWNS)
}

thread_local! {
    static QUEUE: RefCell<VecDeque<async_task::Runnable>> = const { RefCell::new(VecDeque::new()) };
}

/// The least that `async-task` needs to run: a queue that belongs to the thread, no lock.
struct Executor;

impl Executor {
    fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> async_task::Task<T> {
        let schedule = |runnable| QUEUE.with_borrow_mut(|queue| queue.push_back(runnable));
        let (runnable, task) = async_task::spawn_local(future, schedule);
        runnable.schedule();
        task
    }

    fn run_until_complete<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut task = Executor::spawn(future);
        while !task.is_finished() {
            if let Some(runnable) = QUEUE.with_borrow_mut(VecDeque::pop_front) {
                runnable.run();
            }
        }
        match Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => unreachable!("it is finished"),
        }
    }
}
