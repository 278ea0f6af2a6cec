//! How tasks are run.

use std::time::{Duration, Instant};

use bucle::{ProcessPoolExecutor, ThreadPoolExecutor};

use super::work::Work;
use crate::bench::{account, pool};

/// How long a pool of processes may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way to run them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One after the other.
    Sequential,
    /// As tasks of one loop.
    Tasks,
    /// In a `ThreadPoolExecutor`.
    Threads,
    /// In a `ProcessPoolExecutor`.
    Processes,
}

/// What it took.
pub(super) struct Ran {
    pub(super) time: Duration,
    /// Bytes that were added to what the process holds.
    pub(super) memory: f64,
}

impl Way {
    /// Those that are faster with more workers.
    pub(super) const PARALLEL: [Way; 2] = [Way::Threads, Way::Processes];

    /// Every way, with every number of workers where that means something.
    pub(super) fn all(workers: &[usize]) -> Vec<(Way, usize)> {
        let mut all = vec![(Way::Sequential, 1), (Way::Tasks, 1)];
        for way in Way::PARALLEL {
            all.extend(workers.iter().map(|&workers| (way, workers)));
        }
        all
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Way::Sequential => "sequential",
            Way::Tasks => "tasks",
            Way::Threads => "threads",
            Way::Processes => "processes",
        }
    }

    pub(super) fn describe(self, workers: usize) -> String {
        match self {
            Way::Sequential | Way::Tasks => self.name().into(),
            Way::Threads if workers == 1 => "1 thread".into(),
            Way::Processes if workers == 1 => "1 process".into(),
            Way::Threads | Way::Processes => format!("{workers} {}", self.name()),
        }
    }

    /// Runs `tasks` tasks, and checks that all of them came to the same.
    pub(super) fn run(self, work: Work, workers: usize, tasks: u32) -> Result<Ran, String> {
        let before = account::memory(std::process::id())?.anonymous;
        let ran = match self {
            Way::Sequential => in_sequence(work, tasks)?,
            Way::Tasks => in_tasks(work, tasks)?,
            Way::Threads => in_threads(work, workers, tasks)?,
            Way::Processes => in_processes(work, workers, tasks)?,
        };
        check(&ran.results, tasks)?;
        Ok(Ran {
            time: ran.time,
            memory: ran.memory.saturating_sub(before) as f64,
        })
    }
}

fn check(results: &[f64], tasks: u32) -> Result<(), String> {
    if results.len() != tasks as usize {
        return Err(format!("{} results of {tasks} tasks", results.len()));
    }
    if results.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err("the tasks came to different results".into());
    }
    Ok(())
}

/// What came of it.
struct Outcome {
    results: Vec<f64>,
    time: Duration,
    /// Bytes that were held when the results were there. Looking is no part of `time`.
    memory: u64,
}

fn held() -> Result<u64, String> {
    Ok(account::memory(std::process::id())?.anonymous)
}

fn in_sequence(work: Work, tasks: u32) -> Result<Outcome, String> {
    let start = Instant::now();
    let results = (0..tasks).map(|_| work.run()).collect();
    let time = start.elapsed();
    Ok(Outcome {
        results,
        time,
        memory: held()?,
    })
}

fn in_tasks(work: Work, tasks: u32) -> Result<Outcome, String> {
    let start = Instant::now();
    let ran = bucle::run(async move {
        // That CPU-bound tasks hold the loop is what this shows.
        crate::bench::may_hold_the_loop();
        let all = bucle::gather((0..tasks).map(move |_| work.run_as_task())).await;
        (all, start.elapsed(), held(), Instant::now())
    });
    let (results, time, memory, closing) = ran.map_err(|error| format!("the loop: {error}"))?;
    Ok(Outcome {
        results: results.map_err(|error| format!("a task: {error}"))?,
        time: time + closing.elapsed(),
        memory: memory?,
    })
}

fn in_threads(work: Work, workers: usize, tasks: u32) -> Result<Outcome, String> {
    let start = Instant::now();
    let pool = ThreadPoolExecutor::builder()
        .max_workers(workers)
        .build()
        .map_err(|error| format!("the thread pool: {error}"))?;
    let futures: Vec<_> = (0..tasks)
        .map(|_| pool.submit(move || work.run()))
        .collect();
    let results = futures
        .into_iter()
        .map(|future| {
            future
                .result()
                .map_err(|error| format!("a thread: {error}"))
        })
        .collect::<Result<Vec<f64>, String>>()?;
    let time = start.elapsed();
    let memory = held()?;
    let closing = Instant::now();
    pool.shutdown(true, false);
    Ok(Outcome {
        results,
        time: time + closing.elapsed(),
        memory,
    })
}

fn in_processes(work: Work, workers: usize, tasks: u32) -> Result<Outcome, String> {
    let start = Instant::now();
    let ran = bucle::run(async move {
        let processes = ProcessPoolExecutor::builder()
            .max_workers(workers)
            .build()
            .map_err(|error| format!("the process pool: {error}"))?;
        let submitted: Vec<_> = (0..tasks)
            .map(|_| processes.submit(pool::work, work))
            .collect();
        let mut results = Vec::with_capacity(submitted.len());
        for task in submitted {
            results.push(task.await.map_err(|error| format!("a process: {error}"))?);
        }
        let time = start.elapsed();
        // What the workers hold, with their share of what they share.
        let memory = held()?
            + account::children()
                .into_iter()
                .filter_map(|pid| Some(account::memory(pid).ok()?.proportional))
                .sum::<u64>();
        let closing = Instant::now();
        processes.shutdown(PATIENCE).await;
        Ok(Outcome {
            results,
            time: time + closing.elapsed(),
            memory,
        })
    });
    ran.map_err(|error| format!("the loop: {error}"))?
}
