//! State that is shared: a data race is no program, and what one writes instead.
//!
//! Eight threads count to a thousand each, in one counter. With a plain `u32` the compiler refuses
//! it, since two threads may be between reading and writing at the same time:
//!
//! ```compile_fail,E0499
//! let mut counter = 0;
//! std::thread::scope(|scope| {
//!     scope.spawn(|| counter += 1);
//!     scope.spawn(|| counter += 1); // two threads would write at once
//! });
//! ```
//!
//! The three ways out: a lock, an atomic, and an owner to whom the others send. With tasks of one
//! loop instead of threads there is nothing to refuse: only one runs at a time, and it can lose the
//! processor at an `await` only.
//!
//! ```text
//! cargo run --package bucle --example 12_shared_state
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

const THREADS: u32 = 8;
const TIMES: u32 = 1000;

fn with_a_lock() -> u32 {
    let counter = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..TIMES {
                    // A thread that panicked left a number, which is fine here.
                    *counter
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner()) += 1;
                }
            });
        }
    });
    counter
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn with_an_atomic() -> u32 {
    let counter = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..TIMES {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    counter.into_inner()
}

fn with_an_owner() -> u32 {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let sender = sender.clone();
            scope.spawn(move || {
                for _ in 0..TIMES {
                    let _ = sender.send(1);
                }
            });
        }
        drop(sender);
        receiver.iter().sum()
    })
}

/// Tasks of one loop need none of it.
async fn with_tasks() -> u32 {
    let counter = Rc::new(Cell::new(0));
    let all = bucle::gather((0..THREADS).map(|_| {
        let counter = counter.clone();
        async move {
            for _ in 0..TIMES {
                counter.set(counter.get() + 1);
                bucle::yield_now().await;
            }
        }
    }));
    let _ = all.await;
    counter.get()
}

#[bucle::main]
async fn main() {
    println!("a lock:    {}", with_a_lock());
    println!("an atomic: {}", with_an_atomic());
    println!("an owner:  {}", with_an_owner());
    println!("tasks:     {}", with_tasks().await);
}
