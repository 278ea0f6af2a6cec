//! Atomic operations alone, by all CPUs on one word, and on neighbours: false sharing.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::probe::{Effort, Group, Probe, each, time};
use crate::bench::machine::{cpus, pin};

/// A kilobyte of words, so that any two of them can be chosen, from the start of a page on.
#[repr(align(4096))]
struct Words([AtomicU64; 128]);

static WORDS: Words = Words([const { AtomicU64::new(0) }; 128]);

/// Changes a word.
type Step = fn(usize);

pub(super) fn probes(effort: Effort) -> Vec<Probe> {
    let times = effort.times(200_000);
    let alone = vec![
        time("add-plain", "an addition in memory that is not atomic"),
        time("add-alone", "an atomic addition, nobody else there")
            .claim("10-20 cycles (3-7 ns)", 3.0..=7.0),
        time("cas-alone", "a compare-and-swap, nobody else there"),
        time(
            "mutex-alone",
            "a mutex locked and unlocked, nobody else there",
        ),
    ];
    let mutex = Mutex::new(0_u64);
    let mut probes = vec![Probe::new(Group::Atomics, alone, move || {
        let mut plain = 0_u64;
        Ok(vec![
            each(times, || *black_box(&mut plain) += 1),
            each(times, || add(0)),
            each(times, || swap(0)),
            each(times, || {
                *black_box(&mutex)
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) += 1;
            }),
        ])
    })];
    let together: [(&'static str, &str, usize, Step); 6] = [
        (
            "add-contended",
            "an atomic addition, all CPUs on one word",
            0,
            add,
        ),
        (
            "cas-contended",
            "a compare-and-swap that succeeded, all CPUs on one word",
            0,
            swap,
        ),
        (
            "add-8-apart",
            "all CPUs, each on a word, 8 bytes apart: one line",
            8,
            add,
        ),
        ("add-32-apart", "the same, 32 bytes apart", 32, add),
        (
            "add-64-apart",
            "the same, 64 bytes apart: a line each",
            64,
            add,
        ),
        ("add-128-apart", "the same, 128 bytes apart", 128, add),
    ];
    probes.extend(together.map(|(name, title, apart, step)| {
        Probe::one(Group::Atomics, time(name, title), move || {
            by_all(times, apart, step)
        })
    }));
    probes
}

fn add(word: usize) {
    WORDS.0[word].fetch_add(1, Ordering::Relaxed);
}

/// Adds one by compare-and-swap, trying until it succeeds.
fn swap(word: usize) {
    let word = &WORDS.0[word];
    let mut seen = word.load(Ordering::Relaxed);
    while let Err(now) = word.compare_exchange_weak(
        seen,
        seen.wrapping_add(1),
        Ordering::Relaxed,
        Ordering::Relaxed,
    ) {
        seen = now;
    }
}

/// Nanoseconds that `step` takes each CPU while all do it, `apart` bytes from each other.
fn by_all(times: u32, apart: usize, step: Step) -> Result<f64, String> {
    // No more than have a word of their own.
    let most = 1_024_usize.checked_div(apart).unwrap_or(64);
    let cpus: Vec<usize> = cpus().into_iter().take(most).collect();
    if cpus.len() < 2 {
        return Err("it takes two CPUs".into());
    }
    let begin = Barrier::new(cpus.len());
    let times_of_all = thread::scope(|scope| {
        let threads: Vec<_> = cpus
            .iter()
            .enumerate()
            .map(|(number, &cpu)| {
                let begin = &begin;
                scope.spawn(move || {
                    let pinned = pin(cpu);
                    begin.wait();
                    let start = Instant::now();
                    for _ in 0..times {
                        step(number * apart / 8);
                    }
                    let time = start.elapsed().as_nanos() as f64 / f64::from(times);
                    pinned.map(|()| time)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a panic".into())))
            .collect::<Result<Vec<f64>, String>>()
    })?;
    Ok(times_of_all.iter().sum::<f64>() / times_of_all.len() as f64)
}
