//! How a sample is taken: a loop and a pool of its own each, warm before the clock starts.

use std::future::Future;
use std::time::{Duration, Instant};

use bucle::ProcessPoolExecutor;
use bucle::process::ProcessError;

use super::functions::{nothing, take, turn};

/// How long a pool may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls of nothing that make a pool warm.
const WARM: u32 = 50;

fn told(error: &ProcessError) -> String {
    format!("a task of the pool: {error}")
}

fn make(workers: usize) -> Result<ProcessPoolExecutor, String> {
    ProcessPoolExecutor::builder()
        .max_workers(workers)
        .build()
        .map_err(|error| format!("the pool: {error}"))
}

/// Runs `body` with a pool whose workers have started and have run something.
fn with_pool<F, Fut>(workers: usize, body: F) -> Result<f64, String>
where
    F: FnOnce(ProcessPoolExecutor) -> Fut + 'static,
    Fut: Future<Output = Result<(ProcessPoolExecutor, f64), String>> + 'static,
{
    let ran = bucle::run(async move {
        // A payload of many MiB is copied in one step.
        crate::bench::may_hold_the_loop();
        let pool = make(workers)?;
        while pool.workers() < workers {
            all_of_nothing(&pool, workers as u32).await?;
        }
        for _ in 0..WARM {
            all_of_nothing(&pool, workers as u32).await?;
        }
        let (pool, value) = body(pool).await?;
        pool.shutdown(PATIENCE).await;
        Ok(value)
    });
    ran.map_err(|error| format!("the loop: {error}"))?
}

async fn all_of_nothing(pool: &ProcessPoolExecutor, count: u32) -> Result<(), String> {
    let submitted: Vec<_> = (0..count).map(|_| pool.submit(nothing, ())).collect();
    for task in submitted {
        task.await.map_err(|error| told(&error))?;
    }
    Ok(())
}

/// From nothing to the first result, and to the end of the pool, in nanoseconds.
pub(super) fn cold(workers: usize) -> Result<(f64, f64), String> {
    let ran = bucle::run(async move {
        // So are all workers of a pool started.
        crate::bench::may_hold_the_loop();
        let start = Instant::now();
        let pool = make(workers)?;
        pool.submit(nothing, ())
            .await
            .map_err(|error| told(&error))?;
        let first = start.elapsed();
        let start = Instant::now();
        pool.shutdown(PATIENCE).await;
        Ok((first.as_nanos() as f64, start.elapsed().as_nanos() as f64))
    });
    ran.map_err(|error| format!("the loop: {error}"))?
}

/// A task of nothing, one after the other, with a pause before each: nanoseconds for one.
pub(super) fn round_trips(times: u32, pause: Duration) -> Result<f64, String> {
    with_pool(1, move |pool| async move {
        let mut sum = Duration::ZERO;
        for _ in 0..times {
            if !pause.is_zero() {
                bucle::sleep(pause).await;
            }
            let start = Instant::now();
            pool.submit(nothing, ())
                .await
                .map_err(|error| told(&error))?;
            sum += start.elapsed();
        }
        Ok((pool, sum.as_nanos() as f64 / f64::from(times)))
    })
}

/// Tasks of nothing a second, with so many under way.
pub(super) fn throughput(workers: usize, under_way: u32, times: u32) -> Result<f64, String> {
    with_pool(workers, move |pool| async move {
        let start = Instant::now();
        for _ in 0..times {
            all_of_nothing(&pool, under_way).await?;
        }
        let tasks = f64::from(times) * f64::from(under_way);
        Ok((pool, tasks / start.elapsed().as_secs_f64()))
    })
}

/// Nanoseconds to give a worker `size` bytes, and to get as many back if `both`.
pub(super) fn payload(size: usize, both: bool, times: u32) -> Result<f64, String> {
    with_pool(1, move |pool| async move {
        let bytes: Vec<u8> = (0..size).map(|at| at as u8).collect();
        // Segments are used again: the first call makes them.
        for _ in 0..2 {
            call(&pool, &bytes, both).await?;
        }
        let start = Instant::now();
        for _ in 0..times {
            call(&pool, &bytes, both).await?;
        }
        let time = start.elapsed().as_nanos() as f64 / f64::from(times);
        Ok((pool, time))
    })
}

async fn call(pool: &ProcessPoolExecutor, bytes: &[u8], both: bool) -> Result<(), String> {
    if both {
        let turned = pool
            .submit(turn, bytes)
            .await
            .map_err(|error| told(&error))?;
        let right =
            turned.len() == bytes.len() && turned.first() == bytes.first().map(|b| !b).as_ref();
        return if right {
            Ok(())
        } else {
            Err("a worker gave something else".into())
        };
    }
    let length = pool
        .submit(take, bytes)
        .await
        .map_err(|error| told(&error))?;
    if length == bytes.len() as u64 {
        Ok(())
    } else {
        Err(format!("a worker got {length} bytes of {}", bytes.len()))
    }
}

/// Nanoseconds that a copy of `size` bytes takes here.
pub(super) fn copy(size: usize, times: u32) -> f64 {
    let from = vec![1_u8; size];
    let mut to = vec![0_u8; size];
    let start = Instant::now();
    for _ in 0..times {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
    }
    start.elapsed().as_nanos() as f64 / f64::from(times)
}
