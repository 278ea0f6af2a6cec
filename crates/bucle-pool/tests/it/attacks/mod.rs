//! Ways to make a pool hang, or to make it lose, double or mistake a task. Each of them has worked.

mod bytes;
mod callbacks;
mod ends;
mod scarce;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Notes a run in a file.
fn note(log: &Path) {
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .expect("a log");
    log.write_all(b"x").expect("written");
}

/// How often something was noted.
fn noted(log: &Path) -> usize {
    std::fs::read(log).map_or(0, |bytes| bytes.len())
}
