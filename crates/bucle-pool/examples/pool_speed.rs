//! What the pool costs: first result, round trip, throughput, payloads.
//!
//!   cargo run --release -p bucle-pool --example pool_speed [first|trip|rate|payload|work|endure]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bucle_macros::process;
use bucle_pool::{ProcessPoolExecutor, Shared};

#[process(crate = bucle_pool)]
fn nothing() {}

#[process(crate = bucle_pool)]
fn checksum(bytes: &[u64]) -> u64 {
    bytes.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

#[process(crate = bucle_pool)]
fn new_one(words: &[u64]) -> Shared<u64> {
    let mut new = Shared::unzeroed(words.len()).expect("memory");
    for (new, word) in new.iter_mut().zip(words) {
        *new = word.wrapping_add(1);
    }
    new
}

#[process(crate = bucle_pool)]
fn burn(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

fn main() {
    bucle_pool::init();
    let what = std::env::args().nth(1);
    let all = what.is_none();
    let which = what.clone();
    let wanted = move |name: &str| all || which.as_deref() == Some(name);
    let done = bucle_loop::run(async move {
        if wanted("first") {
            first().await;
        }
        if wanted("trip") {
            trip().await;
        }
        if wanted("rate") {
            rate().await;
        }
        if wanted("payload") {
            payload().await;
        }
        if wanted("work") {
            work().await;
        }
        if what.as_deref() == Some("endure") {
            endure().await;
        }
    });
    done.expect("there is a loop");
}

fn pool(workers: usize) -> ProcessPoolExecutor {
    let pool = ProcessPoolExecutor::builder().max_workers(workers).build();
    pool.expect("there is a pool")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn first() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let pool = pool(2);
        let [first, second] = [pool.submit(nothing, ()), pool.submit(nothing, ())];
        first.await.unwrap();
        times.push(begun.elapsed());
        second.await.unwrap();
        assert!(pool.shutdown(Duration::from_secs(5)).await);
    }
    println!("first result of a cold pool of two: {:?}", median(times));
}

async fn trip() {
    let pool = pool(1);
    for _ in 0..1000 {
        pool.submit(nothing, ()).await.unwrap();
    }
    let mut times = Vec::new();
    for _ in 0..20_000 {
        let begun = Instant::now();
        pool.submit(nothing, ()).await.unwrap();
        times.push(begun.elapsed());
    }
    let mut sorted = times.clone();
    sorted.sort_unstable();
    println!(
        "round trip back to back: median {:?}, 90 % {:?}, 99 % {:?}",
        sorted[times.len() / 2],
        sorted[times.len() * 9 / 10],
        sorted[times.len() * 99 / 100]
    );
    let mut times = Vec::new();
    for _ in 0..300 {
        bucle_loop::sleep(Duration::from_millis(2)).await;
        let begun = Instant::now();
        pool.submit(nothing, ()).await.unwrap();
        times.push(begun.elapsed());
    }
    println!("round trip from sleep: {:?}", median(times));
}

async fn rate() {
    const TASKS: u32 = 500_000;
    let pool = pool(2);
    for round in 0..4 {
        let mut outstanding = VecDeque::new();
        let begun = Instant::now();
        for _ in 0..TASKS {
            if outstanding.len() == 1000
                && let Some(task) = outstanding.pop_front()
            {
                let task: bucle_pool::Submitted<()> = task;
                task.await.unwrap();
            }
            outstanding.push_back(pool.submit(nothing, ()));
        }
        for task in outstanding {
            task.await.unwrap();
        }
        if round > 0 {
            let rate = f64::from(TASKS) / begun.elapsed().as_secs_f64();
            println!("1000 outstanding, two workers: {rate:.0} tasks/s");
        }
    }
}

async fn payload() {
    let pool = pool(1);
    let mut bytes = 1024;
    while bytes <= 64 << 20 {
        let words = vec![7_u64; bytes / 8];
        let rounds = ((256 << 20) / bytes).clamp(5, 2000);
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let begun = Instant::now();
            pool.submit(checksum, &words[..]).await.unwrap();
            there.push(begun.elapsed());
            let begun = Instant::now();
            let new = pool.submit(new_one, &words[..]).await.unwrap();
            back.push(begun.elapsed());
            assert_eq!(new[0], 8);
        }
        let mut copy = vec![0_u64; words.len()];
        let mut copies = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            copy.copy_from_slice(std::hint::black_box(&words));
            std::hint::black_box(&mut copy);
            copies.push(begun.elapsed());
        }
        println!(
            "{:>8} KiB: there {:>10.1?}, there and a new one back {:>10.1?}, memcpy {:>10.1?}",
            bytes / 1024,
            median(there),
            median(back),
            median(copies)
        );
        bytes *= 4;
    }
}

async fn work() {
    for (time, tasks) in [(10_000, 60_u32), (100, 5000)] {
        let time = Duration::from_micros(time);
        let pool = pool(2);
        let warm: Vec<_> = (0..20).map(|_| pool.submit(burn, time)).collect();
        for one in warm {
            one.await.unwrap();
        }
        let begun = Instant::now();
        let all: Vec<_> = (0..tasks).map(|_| pool.submit(burn, time)).collect();
        for one in all {
            one.await.unwrap();
        }
        let ideal = time * tasks / 2;
        let efficiency = ideal.as_secs_f64() / begun.elapsed().as_secs_f64();
        println!("tasks of {time:?} on two workers: {efficiency:.3} of the ideal");
    }
}

/// Ten million tasks, with a fresh worker after every ten thousand: what grows?
async fn endure() {
    let builder = ProcessPoolExecutor::builder().max_workers(2);
    let pool = builder.max_tasks_per_child(10_000).build().expect("a pool");
    for million in 0..=10 {
        let fds = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let restarts = pool.status().restarts;
        println!(
            "{million:>2} million tasks: {} KiB resident, {fds} descriptors, {restarts} workers replaced",
            pages * 4
        );
        let mut outstanding = VecDeque::new();
        for _ in 0..1_000_000 {
            if outstanding.len() == 1000
                && let Some(task) = outstanding.pop_front()
            {
                let task: bucle_pool::Submitted<()> = task;
                task.await.unwrap();
            }
            outstanding.push_back(pool.submit(nothing, ()));
        }
        for task in outstanding {
            task.await.unwrap();
        }
    }
}
