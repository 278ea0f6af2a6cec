//! How fast memory is: bandwidth of one CPU and of all, latency by size.

use std::fs;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use bucle_sys::pages::{PageSize, Pages};

use super::probe::{Effort, Figure, Group, Probe, bytes, failed, time};
use crate::bench::machine::{cpus, pin};
use crate::bench::units::Unit;

pub(super) fn probes(effort: Effort) -> Vec<Probe> {
    let mut probes = vec![bandwidth(effort)];
    probes.extend(latencies(effort));
    probes.push(caches());
    probes
}

fn rate(name: &'static str, title: &str) -> Figure {
    Figure {
        unit: Unit::BytesPerSecond,
        ..time(name, title)
    }
}

/// Far more than the caches hold.
fn working_set(effort: Effort) -> usize {
    if effort.quick { 8 << 20 } else { 256 << 20 }
}

fn bandwidth(effort: Effort) -> Probe {
    let claim = |figure: Figure| figure.about("25.6 GB/s (DDR4-3200)", 25.6e9, 24e9..=27e9);
    let figures = vec![
        claim(rate("read-one", "one CPU reads memory")),
        rate("write-one", "one CPU fills memory"),
        rate("copy-one", "one CPU copies memory (bytes copied)"),
        claim(rate("read-all", "all CPUs read memory at once")),
    ];
    let size = working_set(effort);
    Probe::new(Group::Memory, figures, move || {
        let map = || Pages::map(size, PageSize::Huge).map_err(failed("memory"));
        let (mut from, mut to) = (map()?, map()?);
        from.fill(1);
        to.fill(1);
        let timed = |start: Instant| size as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        black_box(sum(&from));
        let read = timed(start);
        let start = Instant::now();
        black_box(&mut to[..]).fill(2);
        let write = timed(start);
        let start = Instant::now();
        black_box(&mut to[..]).copy_from_slice(&from);
        let copy = timed(start);
        Ok(vec![read, write, copy, read_by_all(&from)?])
    })
}

/// Reads everything, eight bytes at a time.
fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words
        .iter()
        .fold(0, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

/// Every CPU reads all of it at once.
fn read_by_all(from: &Pages) -> Result<f64, String> {
    let cpus = cpus();
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = cpus
            .iter()
            .map(|&cpu| {
                scope.spawn(move || {
                    pin(cpu)?;
                    black_box(sum(from));
                    Ok::<(), String>(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a panic".into())))
    })?;
    Ok((from.len() * cpus.len()) as f64 / start.elapsed().as_secs_f64())
}

const SIZES: [(&str, usize); 4] = [
    ("latency-16k", 16 << 10),
    ("latency-256k", 256 << 10),
    ("latency-8m", 8 << 20),
    ("latency-256m", 256 << 20),
];

fn latencies(effort: Effort) -> impl Iterator<Item = Probe> {
    SIZES.into_iter().map(move |(name, size)| {
        let named = size;
        let size = named.min(working_set(effort));
        let mut what = format!(
            "a load that depends on the one before, within {} KiB",
            size >> 10
        );
        if size < named {
            what.push_str(&format!(" (not {}, being --quick)", named >> 10));
        }
        let figure = time(name, what);
        let loads = effort.times(400_000);
        // Made at the first sample, and kept: making it takes longer than walking it.
        let mut chain: Option<Pages> = None;
        Probe::one(Group::Memory, figure, move || {
            let chain = match &mut chain {
                Some(chain) => chain,
                None => chain.insert(cycle_of_lines(size)?),
            };
            Ok(walk(chain, loads))
        })
    })
}

const LINE: usize = 64;

/// One line of the cache after the other, in one cycle through all of them and in no order that a
/// prefetcher knows (Sattolo's shuffle). Each line begins with the number of the next.
fn cycle_of_lines(size: usize) -> Result<Pages, String> {
    let lines = size / LINE;
    let mut order: Vec<u32> = (0..lines as u32).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for last in (1..lines).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(last, (state % last as u64) as usize);
    }
    let mut pages = Pages::map(size, PageSize::Huge).map_err(failed("memory"))?;
    for (line, next) in order.into_iter().enumerate() {
        pages[line * LINE..][..4].copy_from_slice(&next.to_ne_bytes());
    }
    Ok(pages)
}

fn walk(chain: &[u8], loads: u32) -> f64 {
    let (lines, _) = chain.as_chunks::<LINE>();
    let mut at = 0_usize;
    let mut step = |times: u32| {
        let start = Instant::now();
        for _ in 0..times {
            let [a, b, c, d, ..] = lines[at];
            at = u32::from_ne_bytes([a, b, c, d]) as usize;
        }
        start.elapsed().as_nanos() as f64 / f64::from(times)
    };
    // What fits into a cache is there after once around.
    step((lines.len() as u32).min(loads));
    let time = step(loads);
    black_box(at);
    time
}

fn caches() -> Probe {
    let figures = vec![
        bytes("cache-line", "a line of the cache, as the system says")
            .claim("64 bytes", 64.0..=64.0),
        bytes(
            "cache-l1d",
            "the first cache, for data, of each core, as the system says",
        )
        .claim("32 KB", 32_768.0..=32_768.0),
    ];
    Probe::new(Group::Memory, figures, || {
        let read = |file: &str| {
            let path = format!("/sys/devices/system/cpu/cpu0/cache/index0/{file}");
            let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let text = text.trim();
            let (number, times) = match text.strip_suffix('K') {
                Some(number) => (number, 1_024.0),
                None => (text, 1.0),
            };
            let number: f64 = number.parse().map_err(|_| format!("{path}: `{text}`"))?;
            Ok::<f64, String>(number * times)
        };
        Ok(vec![read("coherency_line_size")?, read("size")?])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_goes_through_every_line_once() {
        let chain = cycle_of_lines(64 * LINE).unwrap();
        let mut seen = [false; 64];
        let mut at = 0;
        for _ in 0..64 {
            assert!(!std::mem::replace(&mut seen[at], true));
            at = chain[at * LINE] as usize;
        }
        assert_eq!(at, 0);
    }
}
