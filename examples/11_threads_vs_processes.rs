//! Threads against processes: the same work in one after the other, in threads, and in processes.
//!
//! The work that computes gains from either, as no lock is around the interpreter here; the work
//! that waits gains from either too, and costs a process no less memory. What processes have beyond
//! threads is that one which dies takes nothing with it: the last line shows it.
//!
//! ```text
//! cargo run --release --package bucle --example 11_threads_vs_processes -- [WORKERS [TASKS [SIZE]]]
//! ```

use std::time::{Duration, Instant};

use bucle::{ProcessPoolExecutor, ThreadPoolExecutor};

/// A sum that approximates nothing in particular, and takes a while.
#[bucle::process]
fn cpu_bound(size: u32) -> f64 {
    (0..size).map(f64::from).map(|i| i.sin() / (i + 1.0)).sum()
}

/// Waits, as for an answer from far away.
#[bucle::process]
fn io_bound(url: &str) -> String {
    std::thread::sleep(Duration::from_millis(20));
    format!("data from {url}")
}

#[bucle::process]
fn crash() {
    std::process::abort()
}

#[bucle::main]
async fn main() {
    let given: Vec<u32> = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = given
        .first()
        .map_or(processors, |workers| (*workers).max(1) as usize);
    let tasks = given.get(1).copied().unwrap_or(8);
    let size = given.get(2).copied().unwrap_or(100_000);

    let threads = ThreadPoolExecutor::builder().max_workers(workers).build();
    let processes = ProcessPoolExecutor::builder().max_workers(workers).build();
    let (threads, processes) = match (threads, processes) {
        (Ok(threads), Ok(processes)) => (threads, processes),
        (threads, processes) => {
            eprintln!("error: {:?} {:?}", threads.err(), processes.err());
            return;
        }
    };

    println!("work that computes: {tasks} tasks of {size} terms, {workers} workers");
    let begun = Instant::now();
    let one_by_one = move || (0..tasks).map(|_| cpu_bound(size)).collect();
    let expected: Vec<f64> = bucle::to_thread(one_by_one).await.unwrap_or_default();
    println!("  one after the other {:>10.1?}", begun.elapsed());
    let begun = Instant::now();
    let jobs: Vec<_> = (0..tasks)
        .map(|_| threads.submit(move || cpu_bound(size)))
        .collect();
    let mut in_threads = Vec::new();
    for job in jobs {
        in_threads.extend(job.await);
    }
    println!("  threads             {:>10.1?}", begun.elapsed());
    let begun = Instant::now();
    let items = (0..tasks).map(|_| size);
    let in_processes: Result<Vec<f64>, _> = processes
        .map(cpu_bound, items)
        .chunk_size(1)
        .collect()
        .await;
    println!(
        "  processes           {:>10.1?}, with their start",
        begun.elapsed()
    );
    let same = in_threads == expected && in_processes.is_ok_and(|all| all == expected);
    println!(
        "  the results are {}",
        if same { "the same" } else { "different" }
    );

    println!("work that waits: {tasks} tasks of 20 ms");
    let urls: Vec<String> = (0..tasks)
        .map(|n| format!("http://example.com/{n}"))
        .collect();
    let begun = Instant::now();
    let jobs: Vec<_> = urls
        .iter()
        .cloned()
        .map(|url| threads.submit(move || io_bound(&url)))
        .collect();
    let mut answers = 0;
    for job in jobs {
        answers += usize::from(job.await.is_ok());
    }
    println!(
        "  threads             {:>10.1?} for {answers} answers",
        begun.elapsed()
    );
    let begun = Instant::now();
    let items = urls.iter().map(String::as_str);
    let answers = processes
        .map(io_bound, items)
        .chunk_size(1)
        .collect::<Vec<String>>()
        .await;
    let answers = answers.map_or(0, |answers| answers.len());
    println!(
        "  processes           {:>10.1?} for {answers} answers",
        begun.elapsed()
    );

    match processes.submit(crash, ()).await {
        Err(error) => println!(
            "one crashed: {}",
            error.to_string().lines().next().unwrap_or("")
        ),
        Ok(()) => println!("it should have crashed"),
    }
    let after = processes.submit(cpu_bound, 10).await;
    println!("and the others work on: {}", after.is_ok());
}
