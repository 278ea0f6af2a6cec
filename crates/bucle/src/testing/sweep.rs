//! [`sweep`]: one body under many seeds, several at once.
//!
//! Seeds begin in rising order and none begins after one has failed. So all that are lower than the
//! one that failed first have begun by then and are waited for, and the lowest that fails is the same
//! one on every machine.

use std::future::Future;
use std::ops::{Range, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use bucle_loop::SimOptions;

use super::failure::Failure;
use super::outcome::Outcome;
use super::quiet::Quiet;
use super::running::{Ended, once};
use super::{World, run_test, seed_from_env};

/// Which seeds: so many from 0 on (`1000`), or those of a range (`500..1000`, `500..=999`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no seeds",
    note = "seeds are a number of them, as `1000`, or a range, as `500..1000`, of `u64`"
)]
pub trait Seeds {
    /// The first and the last of them.
    fn seeds(self) -> RangeInclusive<u64>;
}

impl Seeds for u64 {
    fn seeds(self) -> RangeInclusive<u64> {
        (0..self).seeds()
    }
}

impl Seeds for Range<u64> {
    fn seeds(self) -> RangeInclusive<u64> {
        match self.end.checked_sub(1) {
            Some(last) => self.start..=last,
            #[expect(clippy::reversed_empty_ranges, reason = "it is to be empty")]
            None => 1..=0,
        }
    }
}

impl Seeds for RangeInclusive<u64> {
    fn seeds(self) -> RangeInclusive<u64> {
        self
    }
}

/// Runs `body` once for each of the seeds, each in the simulated world that `options` makes of it
/// ([`SimOptions::varied`], [`SimOptions::faulty`], or one's own), as many at once as the machine has
/// cores; returns how the lowest that fails does, or `None` if none does.
///
/// It ends with the first failure: no further seed begins. Panics of these runs are not printed.
/// `BUCLE_SEED` changes nothing here. [`record`](super::record) runs a seed again and shows what
/// happened.
///
/// # Panics
/// If there is no seed, or no thread can be started.
#[track_caller]
pub fn sweep<F>(
    seeds: impl Seeds,
    options: impl Fn(u64) -> SimOptions + Sync,
    body: impl Fn() -> F + Sync,
) -> Option<Failure>
where
    F: Future<Output: Outcome> + 'static,
{
    let seeds = seeds.seeds();
    assert!(!seeds.is_empty(), "no seed is in {seeds:?}");
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    // The threads are called as this one is, lest a body that looks at it see another name.
    let name = thread::current().name().unwrap_or("sweep").to_owned();
    let try_seed = |seed| {
        let _quiet = Quiet::begin();
        let run = || attempt(options(seed), body());
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|payload| Some(Failure::panic(seed, &*payload)))
    };
    let (done, ended) = mpsc::channel::<Option<Failure>>();
    let mut seeds = seeds.peekable();
    let mut running = 0;
    let mut lowest: Option<Failure> = None;
    thread::scope(|scope| {
        loop {
            while running < at_once
                && lowest.is_none()
                && let Some(seed) = seeds.peek().copied()
            {
                let (done, try_seed) = (done.clone(), &try_seed);
                let run = move || {
                    // The receiver lives as long as the scope.
                    let _ = done.send(try_seed(seed));
                };
                let thread = thread::Builder::new().name(name.clone());
                match thread.spawn_scoped(scope, run) {
                    Ok(_) => {
                        running += 1;
                        seeds.next();
                    }
                    // Others run: this one is tried again when one has ended.
                    Err(_) if running > 0 => break,
                    Err(error) => panic!("no thread can be started: {error}"),
                }
            }
            if running == 0 {
                break;
            }
            if let Ok(Some(failure)) = ended.recv()
                && lowest
                    .as_ref()
                    .is_none_or(|lowest| failure.seed < lowest.seed)
            {
                lowest = Some(failure);
            }
            running -= 1;
        }
    });
    lowest
}

/// How one run failed, if it did.
fn attempt<F>(options: SimOptions, body: F) -> Option<Failure>
where
    F: Future<Output: Outcome> + 'static,
{
    let seed = options.seed;
    let Ended { result, told, .. } = once(Some(options), body);
    match result {
        Ok(value) => {
            let message = value.failure()?;
            Some(Failure::other(seed, message))
        }
        Err(ending) => Some(ending.into_failure(seed, told)),
    }
}

/// [`sweep`] for the test function `name`: the seed that fails is run again here, where its output
/// and its panic are the test's. With `BUCLE_SEED`, that one alone is run.
#[doc(hidden)]
#[track_caller]
pub fn run_seeds<F>(
    name: &str,
    seeds: impl Seeds,
    options: fn(u64) -> SimOptions,
    body: impl Fn() -> F + Sync,
) -> F::Output
where
    F: Future<Output: Outcome> + 'static,
{
    if let Some(seed) = seed_from_env() {
        return run_test(name, World::exactly(options(seed)), body());
    }
    let Some(failure) = sweep(seeds, options, &body) else {
        return F::Output::success();
    };
    let seed = failure.seed;
    eprintln!("failed {failure}\nthe same again, alone:");
    let value = run_test(name, World::exactly(options(seed)), body());
    if value.failure().is_none() {
        panic!(
            "failed {failure}\nand passed when it was run again: the test depends on what no seed \
             decides (another thread, the real time, the order of a `HashMap`, a `static`)"
        );
    }
    value
}
