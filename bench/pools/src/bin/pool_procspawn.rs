//! procspawn's `Pool`.

use std::collections::VecDeque;
use std::error::Error;
use std::thread;
use std::time::Instant;

use bench_pools::{Asked, OUTSTANDING, PAUSE, PAYLOAD, each, median, renew, tell};
use procspawn::Pool;

fn main() -> Result<(), Box<dyn Error>> {
    procspawn::init();
    let asked = Asked::from_arguments()?;
    let count = asked.count;
    let workers = match &*asked.case {
        "trip" | "trip-asleep" | "payload" => 1,
        _ => 2,
    };
    let begun = Instant::now();
    let pool = Pool::new(workers)?;
    if asked.case == "first" {
        procspawn::spawn!(in pool, () || ()).join()?;
        tell(each(begun.elapsed(), 1));
        return Ok(());
    }
    for _ in 0..workers * 20 {
        procspawn::spawn!(in pool, () || ()).join()?;
    }
    match &*asked.case {
        "trip" | "trip-asleep" => {
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                if asked.case == "trip-asleep" {
                    thread::sleep(PAUSE);
                }
                let begun = Instant::now();
                procspawn::spawn!(in pool, () || ()).join()?;
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
                    let task: procspawn::JoinHandle<u64> = task;
                    task.join()?;
                }
                outstanding.push_back(procspawn::spawn!(in pool, (number => n) || n));
            }
            for task in outstanding {
                task.join()?;
            }
            tell(each(begun.elapsed(), count));
        }
        "payload" => {
            let numbers = vec![1.0; PAYLOAD];
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let begun = Instant::now();
                // Its arguments are owned.
                let given = numbers.clone();
                let task = procspawn::spawn!(in pool, (given => given) || renew(&given));
                let new: Vec<f64> = task.join()?;
                times.push(begun.elapsed());
                if new.len() != PAYLOAD || new[PAYLOAD - 1] != 2.0 {
                    return Err("the answer is wrong".into());
                }
            }
            tell(median(times));
        }
        other => return Err(format!("no case `{other}`").into()),
    }
    pool.shutdown();
    Ok(())
}
