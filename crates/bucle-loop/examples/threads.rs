//! What crossing between threads costs: calls into a loop from other threads, and jobs of the loop
//! in threads.
//!
//! Each line is the median of several rounds, with the fastest and the slowest one: what lies within
//! that is a tie. Latencies are measured one at a time, rates with as many under way as there is
//! room for.
//!
//! ```text
//! cargo run --release -p bucle-loop --example threads [ROUNDS]
//! ```

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bucle_loop::concurrent::{Promise, ThreadPoolExecutor};
use bucle_loop::{EventLoop, get_running_loop, run_coroutine_threadsafe, to_thread};

/// Does what is measured, so many times.
type Run = fn(u32);

/// How long one round is to last.
const ROUND: Duration = Duration::from_millis(100);

fn main() {
    let rounds = match std::env::args().nth(1).map(|text| text.parse::<usize>()) {
        None => 15,
        Some(Ok(rounds)) if rounds > 0 => rounds,
        Some(_) => {
            eprintln!("usage: threads [ROUNDS]: how often each is measured, 1 or more");
            std::process::exit(2);
        }
    };
    println!(
        "{:46} {:>10} {:>21}",
        "one item, ns", "median", "fastest..slowest"
    );
    let table: [(&str, Run); 10] = [
        ("call_soon_threadsafe, 1 thread, in a row", |n| calls(1, n)),
        ("call_soon_threadsafe, 4 threads, in a row", |n| calls(4, n)),
        ("call_soon_threadsafe and back, loop asleep", round_trips),
        ("run_coroutine_threadsafe and back", coroutines),
        ("to_thread, one at a time", to_threads),
        ("run_in_executor, 64 under way", executor_crowd),
        ("pool.submit and result, one at a time", submits),
        ("pool.submit in a row, 1 thread", submit_row),
        ("pool.map in a row, 1 thread", map_row),
        ("promise and result, no other thread", promises),
    ];
    for (name, run) in table {
        measure(name, rounds, run);
    }
}

fn measure(name: &str, rounds: usize, run: Run) {
    // So many that a round is long enough for the clock and for chance.
    let mut count = 16;
    loop {
        let begun = Instant::now();
        run(count);
        let took = begun.elapsed();
        if took > ROUND / 4 {
            let scale = ROUND.as_secs_f64() / took.as_secs_f64();
            count = ((f64::from(count) * scale) as u32).max(1);
            break;
        }
        count *= 4;
    }
    let mut figures: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            run(count);
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(count)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let median = figures[figures.len() / 2];
    let spread = format!("{:.0}..{:.0}", figures[0], figures[figures.len() - 1]);
    println!("{name:46} {median:10.0} {spread:>21}");
}

fn new_loop() -> EventLoop {
    EventLoop::new().expect("the system gives a loop its descriptors")
}

/// Threads that call into the loop as fast as they can.
fn calls(threads: u32, count: u32) {
    thread_local!(static LEFT: Cell<u32> = const { Cell::new(0) });
    let each = count / threads;
    LEFT.set(each * threads);
    if each == 0 {
        return;
    }
    let event_loop = new_loop();
    let remote = event_loop.remote();
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            thread::spawn(move || {
                for _ in 0..each {
                    let _ = remote.call_soon_threadsafe(|| {
                        LEFT.set(LEFT.get() - 1);
                        if LEFT.get() == 0 {
                            get_running_loop().stop();
                        }
                    });
                }
            })
        })
        .collect();
    event_loop.run_forever();
    for thread in threads {
        let _ = thread.join();
    }
}

/// A thread calls into a sleeping loop, and waits for it to answer.
fn round_trips(count: u32) {
    let event_loop = new_loop();
    let remote = event_loop.remote();
    let thread = thread::spawn(move || {
        let (send, receive) = mpsc::sync_channel(1);
        for _ in 0..count {
            let send = send.clone();
            let _ = remote.call_soon_threadsafe(move || _ = send.send(()));
            let _ = receive.recv();
        }
        let _ = remote.call_soon_threadsafe(|| get_running_loop().stop());
    });
    event_loop.run_forever();
    let _ = thread.join();
}

fn coroutines(count: u32) {
    let event_loop = new_loop();
    let remote = event_loop.remote();
    let thread = thread::spawn(move || {
        for n in 0..count {
            let _ = black_box(run_coroutine_threadsafe(remote, move || async move { n }).result());
        }
        let _ = remote.call_soon_threadsafe(|| get_running_loop().stop());
    });
    event_loop.run_forever();
    let _ = thread.join();
}

fn to_threads(count: u32) {
    let event_loop = new_loop();
    let _ = event_loop.run_until_complete(async move {
        for n in 0..count {
            let _ = black_box(to_thread(move || n).await);
        }
    });
}

fn executor_crowd(count: u32) {
    let event_loop = new_loop();
    let left = Rc::new(Cell::new(count));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let left = left.clone();
            event_loop.spawn(async move {
                while let Some(rest) = left.get().checked_sub(1) {
                    left.set(rest);
                    let job = get_running_loop().run_in_executor(None, move || rest);
                    let _ = black_box(job.await);
                }
            })
        })
        .collect();
    let _ = event_loop.run_until_complete(async move {
        for task in tasks {
            let _ = task.await;
        }
    });
}

fn submits(count: u32) {
    let pool = ThreadPoolExecutor::new();
    for n in 0..count {
        let _ = black_box(pool.submit(move || n).result());
    }
}

fn one_thread() -> ThreadPoolExecutor {
    let pool = ThreadPoolExecutor::builder().max_workers(1).build();
    pool.expect("1 is more than 0")
}

fn submit_row(count: u32) {
    let pool = one_thread();
    for n in 0..count {
        pool.submit(move || black_box(n)).detach();
    }
}

fn map_row(count: u32) {
    let pool = one_thread();
    let sum: u64 = pool
        .map_buffered(1024, u64::from, 0..count)
        .map_while(Result::ok)
        .sum();
    black_box(sum);
}

/// The two ends of a future alone.
fn promises(count: u32) {
    for n in 0..count {
        let (promise, future) = Promise::<u32>::new();
        let _ = promise.set_result(n);
        let _ = black_box(future.result());
    }
}
