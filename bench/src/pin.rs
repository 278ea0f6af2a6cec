//! Which CPU a thread may run on.

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins the calling thread, and what it spawns from now on, to one CPU.
pub(crate) fn this_thread(cpu: usize) -> Result<()> {
    this_thread_to(&[cpu])
}

/// The same with several CPUs.
pub(crate) fn this_thread_to(cpus: &[usize]) -> Result<()> {
    let mut only = CpuSet::new();
    cpus.iter().for_each(|&cpu| only.set(cpu));
    sched_setaffinity(None, &only).with_context(|| format!("cannot run on CPUs {cpus:?}"))
}

/// While it lives, the calling thread, and what it spawns, runs on one CPU; then where it could before.
pub(crate) struct Only(CpuSet);

/// See [`Only`].
pub(crate) fn only(cpu: usize) -> Result<Only> {
    let before = sched_getaffinity(None)?;
    this_thread(cpu)?;
    Ok(Only(before))
}

impl Drop for Only {
    fn drop(&mut self) {
        // It was allowed a moment ago.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// The CPUs this process may use: the last for servers, the first for load. An error with fewer than two.
pub(crate) fn choose() -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(None)?;
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .collect();
    match cpus[..] {
        [first, .., last] => Ok((last, first)),
        _ => bail!("two CPUs are needed: one for the server, one for the load"),
    }
}
