//! What workers run. Each is found by its name in a worker, which is this program too.

use crate::bench::executors::Work;

/// Nothing: what is left is the pool's own cost.
#[bucle::process]
pub(super) fn nothing() {}

/// Takes bytes, which it reads in place, and gives a number: the way in.
#[bucle::process]
pub(super) fn take(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// Makes as many bytes as it took, each of which depends on one of them: the way in and out.
#[bucle::process]
pub(super) fn turn(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// A task of `bucle bench executors`.
#[bucle::process]
pub(crate) fn work(work: Work) -> f64 {
    work.run()
}
