//! Context switches between threads, processes and tasks; how long a thread runs before another
//! one's turn; how late a timer is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::calls::{ping, pipe_overhead, pipe_round_trips};
use super::probe::{Effort, Group, Probe, failed, time, try_each};
use crate::bench::child::{self, Kind};
use crate::bench::machine::{cpus, pin, pinned};
use crate::bench::stats::Spread;

pub(super) fn probes(effort: Effort) -> Vec<Probe> {
    vec![
        threads(effort),
        processes(effort),
        tasks(effort),
        quantum(effort),
        sleeps(effort),
    ]
}

/// On one CPU a round trip is two switches, and a write and a read on each side.
fn switch(round_trip: f64, overhead: f64) -> f64 {
    (round_trip / 2.0 - overhead).max(0.0)
}

fn threads(effort: Effort) -> Probe {
    let figure = time(
        "switch-threads",
        "one thread to another on one CPU (ping-pong through pipes, less their own cost)",
    )
    .about("50 cycles, in user mode (17 ns)", 50.0 / 3.0, 10.0..=25.0);
    let times = effort.times(5_000);
    Probe::one(Group::Switches, figure, move || {
        let cpu = cpus()[0];
        let round_trip = pipe_round_trips(times, cpu, cpu)?;
        Ok(switch(round_trip, pipe_overhead(times)?))
    })
}

fn processes(effort: Effort) -> Probe {
    let figure = time("switch-processes", "one process to another, likewise")
        .claim("1-10 us (1,000 cycles)", 1_000.0..=10_000.0);
    let times = effort.times(5_000);
    Probe::one(Group::Switches, figure, move || {
        let _here = pinned(cpus()[0])?;
        // What is started runs on the same CPU.
        let mut child = child::start(&[Kind::Echo.name()])?;
        let (mut to, mut from) = child.pipes()?;
        let round_trip = ping(times, &mut to, &mut from)?;
        Ok(switch(round_trip, pipe_overhead(times)?))
    })
}

fn tasks(effort: Effort) -> Probe {
    let figure = time(
        "switch-tasks",
        "one task of our loop to another (yield_now)",
    );
    let times = effort.times(200_000);
    Probe::one(Group::Switches, figure, move || {
        let turns = move || async move {
            for _ in 0..times / 2 {
                bucle::yield_now().await;
            }
        };
        let both = bucle::run(async move {
            let start = Instant::now();
            let (one, other) = (bucle::spawn(turns()), bucle::spawn(turns()));
            let ended = one.await.is_ok() && other.await.is_ok();
            ended.then(|| start.elapsed().as_nanos() as f64 / f64::from(times))
        });
        match both {
            Ok(Some(time)) => Ok(time),
            Ok(None) => Err("a task failed".into()),
            Err(error) => Err(format!("the loop: {error}")),
        }
    })
}

fn quantum(effort: Effort) -> Probe {
    let figure = time(
        "quantum",
        "how long a busy thread runs before another one's turn on the same CPU",
    )
    .about("10 ms", 10_000_000.0, 8_000_000.0..=12_000_000.0);
    let wanted = if effort.quick { 5 } else { 21 };
    Probe::one(Group::Switches, figure, move || {
        runs_of_two(cpus()[0], wanted)
    })
}

/// Two threads that do nothing but look at the clock, on one CPU: where it jumps, the other ran.
fn runs_of_two(cpu: usize, wanted: usize) -> Result<f64, String> {
    /// A pause that is no interrupt's.
    const JUMP: Duration = Duration::from_micros(300);
    /// If the other never runs.
    const PATIENCE: Duration = Duration::from_secs(5);
    let done = AtomicBool::new(false);
    let busy = || -> Result<Vec<f64>, String> {
        pin(cpu)?;
        let mut runs = Vec::new();
        let begin = Instant::now();
        let (mut since, mut before) = (begin, begin);
        while !done.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now - before > JUMP {
                runs.push((before - since).as_nanos() as f64);
                since = now;
            }
            before = now;
            if runs.len() > wanted || now - begin > PATIENCE {
                done.store(true, Ordering::Relaxed);
            }
        }
        Ok(runs)
    };
    let (one, other) = thread::scope(|scope| {
        let threads = (scope.spawn(busy), scope.spawn(busy));
        (threads.0.join(), threads.1.join())
    });
    let mut runs = Vec::new();
    for thread in [one, other] {
        let thread = thread.map_err(|_| "a thread panicked")??;
        // The first one began before the other thread did.
        runs.extend(thread.into_iter().skip(1));
    }
    Spread::of(runs)
        .map(|spread| spread.median)
        .ok_or_else(|| "the threads did not take turns".into())
}

fn sleeps(effort: Effort) -> Probe {
    let figures = vec![
        time("sleep-late", "how late a thread wakes from a sleep of 1 ms"),
        time(
            "timer-late",
            "how late a timer of our loop fires after 1 ms",
        ),
    ];
    let times = effort.times(40);
    Probe::new(Group::Switches, figures, move || {
        const SLEEP: Duration = Duration::from_millis(1);
        let wanted = SLEEP.as_nanos() as f64;
        let slept = try_each::<String>(times, || {
            thread::sleep(SLEEP);
            Ok(())
        })?;
        let timed = bucle::run(async move {
            let start = Instant::now();
            for _ in 0..times {
                bucle::sleep(SLEEP).await;
            }
            start.elapsed().as_nanos() as f64 / f64::from(times)
        });
        let timed = timed.map_err(failed("the loop"))?;
        Ok(vec![slept - wanted, timed - wanted])
    })
}
