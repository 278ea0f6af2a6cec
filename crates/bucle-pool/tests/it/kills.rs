//! Workers killed at random while many tasks run: every task ends with its output or with the
//! error that says so, and none is run twice. The workers themselves keep the log that shows it.
//!
//! `BUCLE_POOL_TASKS` asks for more tasks than the gate has time for.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use bucle_macros::process;
use bucle_pool::{Cause, ProcessError, ProcessPoolExecutor, TaskOptions};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::run_for;

/// Each run of a task, as it begins: its number, in a file of the worker's.
fn note(directory: &Path, number: u64) {
    static LOG: OnceLock<File> = OnceLock::new();
    let mut log = LOG.get_or_init(|| {
        let name = directory.join(std::process::id().to_string());
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(name)
            .expect("a log")
    });
    log.write_all(&number.to_le_bytes())
        .expect("written at once");
}

#[process(crate = bucle_pool)]
fn logged(number: u64, directory: PathBuf, payload: &[u64]) -> Vec<u64> {
    note(&directory, number);
    if number.is_multiple_of(20) {
        // Some take long enough to be hit.
        std::thread::sleep(Duration::from_micros(500));
    }
    payload.iter().map(|word| word ^ number).collect()
}

/// How often each number is in the logs.
fn runs(directory: &Path) -> HashMap<u64, u32> {
    let mut runs = HashMap::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let bytes = std::fs::read(entry.path()).expect("a log");
        let (numbers, rest) = bytes.as_chunks::<8>();
        assert!(rest.is_empty(), "a record is written whole or not at all");
        for number in numbers {
            *runs.entry(u64::from_le_bytes(*number)).or_insert(0) += 1;
        }
    }
    runs
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn tasks() -> u64 {
    let asked = std::env::var("BUCLE_POOL_TASKS").ok();
    asked.and_then(|tasks| tasks.parse().ok()).unwrap_or(10_000)
}

fn pool() -> Rc<ProcessPoolExecutor> {
    let builder = ProcessPoolExecutor::builder().max_workers(3);
    Rc::new(builder.on_output(|_| {}).build().unwrap())
}

/// Kills a worker now and then, until it is told to stop; how many it was.
async fn killer(pool: Rc<ProcessPoolExecutor>, stop: Rc<Cell<bool>>, pause: u64) -> u32 {
    let mut random = Random(0x9e37_79b9 ^ u64::from(std::process::id()));
    let mut kills = 0;
    while !stop.get() {
        let pause = Duration::from_micros(random.next() % (2 * pause));
        bucle_loop::sleep(pause).await;
        let workers = pool.status().workers;
        if !workers.is_empty() {
            let victim = &workers[random.next() as usize % workers.len()];
            let pid = Pid::from_raw(victim.pid as i32).unwrap();
            kills += u32::from(kill_process(pid, Signal::KILL).is_ok());
        }
    }
    kills
}

/// What was killed.
fn assert_killed(error: &ProcessError) {
    let failure = error.failure().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(failure.cause, Cause::Died, "{failure}");
    assert_eq!(failure.signal(), Some(9), "{failure}");
}

#[test]
fn every_task_ends_and_none_is_run_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_path_buf();
    let (done, failed, kills) = run_for(Duration::from_secs(3600), async move {
        let pool = pool();
        let stop = Rc::new(Cell::new(false));
        let killer = bucle_loop::spawn(killer(pool.clone(), stop.clone(), 5000));
        let (mut done, mut failed) = (0_u64, HashSet::new());
        let mut outstanding = std::collections::VecDeque::new();
        let tasks = tasks();
        for number in 0..=tasks {
            while outstanding.len() == 300 || number == tasks && !outstanding.is_empty() {
                let (number, len, task): (u64, usize, bucle_pool::Submitted<Vec<u64>>) =
                    outstanding.pop_front().unwrap();
                match task.await {
                    Ok(output) => {
                        assert_eq!(output.len(), len);
                        assert!(output.iter().all(|word| *word == 7 ^ number));
                        done += 1;
                    }
                    Err(error) => {
                        assert_killed(&error);
                        failed.insert(number);
                    }
                }
            }
            if number < tasks {
                // Now and then one that goes by shared memory, both ways.
                let len = if number.is_multiple_of(50) {
                    20_000
                } else {
                    number as usize % 40
                };
                let payload = vec![7; len];
                let task = pool.submit(logged, (number, path.clone(), &payload));
                outstanding.push_back((number, len, task));
            }
        }
        stop.set(true);
        let kills = killer.await.unwrap();
        assert!(pool.shutdown(Duration::from_secs(30)).await);
        (done, failed, kills)
    });
    let runs = runs(directory.path());
    println!("{done} done, {} failed, {kills} kills", failed.len());
    assert_eq!(done + failed.len() as u64, tasks());
    assert!(kills > 0);
    for number in 0..tasks() {
        let count = runs.get(&number).copied().unwrap_or(0);
        if failed.contains(&number) {
            assert!(count <= 1, "task {number} was run {count} times and failed");
        } else {
            assert_eq!(count, 1, "task {number} was run {count} times and is done");
        }
    }
}

#[test]
fn of_chunks_and_idempotent_ones_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_path_buf();
    let (failed, twice) = run_for(Duration::from_secs(3600), async move {
        let pool = pool();
        let stop = Rc::new(Cell::new(false));
        let killer = bucle_loop::spawn(killer(pool.clone(), stop.clone(), 5000));
        let payload = [7_u64; 10];
        let (mut failed, mut number) = (HashSet::new(), 0);
        let half = tasks() / 2;
        let items = (0..half).map(|number| (number, path.clone(), &payload[..]));
        let mut map = pool.map(logged, items).chunk_size(20);
        while let Some(result) = map.next().await {
            match result {
                Ok(output) => assert_eq!(output, [7 ^ number; 10]),
                Err(error) => {
                    assert_killed(&error);
                    failed.insert(number);
                }
            }
            number += 1;
        }
        assert_eq!(number, half);
        let mut twice = HashSet::new();
        for number in half..half + 500 {
            let options = TaskOptions::new().idempotent();
            let arguments = (number, path.clone(), &payload[..]);
            match pool.submit_with(options, logged, arguments).await {
                Ok(output) => assert_eq!(output, [7 ^ number; 10]),
                Err(error) => {
                    assert_killed(&error);
                    assert_eq!(error.failure().unwrap().attempts, 2);
                    twice.insert(number);
                }
            }
        }
        stop.set(true);
        killer.await.unwrap();
        (failed, twice)
    });
    let runs = runs(directory.path());
    let half = tasks() / 2;
    for number in 0..half {
        let count = runs.get(&number).copied().unwrap_or(0);
        if failed.contains(&number) {
            assert!(count <= 1, "item {number} was run {count} times and failed");
        } else {
            assert_eq!(count, 1, "item {number} was run {count} times and is done");
        }
    }
    for number in half..half + 500 {
        let count = runs.get(&number).copied().unwrap_or(0);
        assert!(
            count <= 2 && (count >= 1 || twice.contains(&number)),
            "task {number} was run {count} times"
        );
    }
}
