//! Bucle's `ProcessPoolExecutor`.

use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};

use bench_pools::{Asked, OUTSTANDING, PAUSE, PAYLOAD, each, median, renew, tell, work};
use bucle::process::Shared;
use bucle::{ProcessPoolExecutor, sleep};

#[bucle::process]
fn nothing() {}

#[bucle::process]
fn same(number: u64) -> u64 {
    number
}

#[bucle::process]
fn first_of(numbers: &[f64]) -> f64 {
    numbers[0]
}

#[bucle::process]
fn renewed(numbers: &[f64]) -> Shared<f64> {
    let mut new = Shared::new(numbers.len()).expect("memory for the answer");
    for (new, number) in new.iter_mut().zip(numbers) {
        *new = number + 1.0;
    }
    new
}

#[bucle::process]
fn renewed_copied(numbers: &[f64]) -> Vec<f64> {
    renew(numbers)
}

#[bucle::process]
fn worked(steps: u64) -> f64 {
    work(steps)
}

#[bucle::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let asked = Asked::from_arguments()?;
    let count = asked.count;
    let workers = match &*asked.case {
        "trip" | "trip-asleep" | "payload" | "payload-copied" | "payload-in" => 1,
        _ => 2,
    };
    let begun = Instant::now();
    let pool = ProcessPoolExecutor::builder()
        .max_workers(workers)
        .build()?;
    if asked.case == "first" {
        pool.submit(nothing, ()).await?;
        tell(each(begun.elapsed(), 1));
        pool.shutdown(Duration::from_secs(10)).await;
        return Ok(());
    }
    // All are there.
    for _ in 0..workers * 20 {
        pool.submit(nothing, ()).await?;
    }
    let steps = asked.steps;
    match &*asked.case {
        "trip" | "trip-asleep" => {
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                if asked.case == "trip-asleep" {
                    sleep(PAUSE).await;
                }
                let begun = Instant::now();
                pool.submit(nothing, ()).await?;
                times.push(begun.elapsed());
            }
            tell(median(times));
        }
        "rate" => {
            let begun = Instant::now();
            let mut outstanding = VecDeque::with_capacity(OUTSTANDING);
            for number in 0..count as u64 {
                if outstanding.len() == OUTSTANDING
                    && let Some(task) = outstanding.pop_front()
                {
                    let task: bucle::process::Submitted<u64> = task;
                    task.await?;
                }
                outstanding.push_back(pool.submit(same, number));
            }
            for task in outstanding {
                task.await?;
            }
            tell(each(begun.elapsed(), count));
        }
        "map" => {
            let begun = Instant::now();
            let numbers = 0..count as u64;
            let mapped: Vec<u64> = pool.map(same, numbers.clone()).collect().await?;
            let time = begun.elapsed();
            if mapped.into_iter().ne(numbers) {
                return Err("the answers are wrong".into());
            }
            tell(each(time, count));
        }
        "work" => {
            let begun = Instant::now();
            let tasks = (0..count).map(|_| pool.submit(worked, steps));
            for task in tasks.collect::<Vec<_>>() {
                task.await?;
            }
            tell(each(begun.elapsed(), count));
        }
        "payload" | "payload-copied" | "payload-in" => {
            let numbers = vec![1.0; PAYLOAD];
            let mut times = Vec::with_capacity(count);
            for _ in 0..count + 1 {
                let begun = Instant::now();
                let right = match &*asked.case {
                    "payload" => {
                        let new = pool.submit(renewed, &numbers[..]).await?;
                        times.push(begun.elapsed());
                        is_renewed(&new)
                    }
                    "payload-copied" => {
                        let new = pool.submit(renewed_copied, &numbers[..]).await?;
                        times.push(begun.elapsed());
                        is_renewed(&new)
                    }
                    _ => {
                        let first = pool.submit(first_of, &numbers[..]).await?;
                        times.push(begun.elapsed());
                        first == 1.0
                    }
                };
                if !right {
                    return Err("the answer is wrong".into());
                }
            }
            times.remove(0);
            tell(median(times));
        }
        other => return Err(format!("no case `{other}`").into()),
    }
    pool.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

fn is_renewed(numbers: &[f64]) -> bool {
    numbers.len() == PAYLOAD && numbers[PAYLOAD - 1] == 2.0
}
