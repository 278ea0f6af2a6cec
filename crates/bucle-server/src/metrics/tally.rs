//! [`Tally`]: what one loop counts of its connections and requests.
//!
//! Only the loop's own thread writes, anybody reads. So counting is a load and a store, neither of
//! which costs more than on a plain number; there is no atomic read-modify-write. A tally has cache
//! lines of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bucle_http::{Method, StatusCode};
use bucle_net::Traffic;

/// The upper ends of the histogram of turns, in microseconds.
pub(crate) const TURN_BOUNDS: [u64; 12] = [
    100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
];

/// The classes of status codes, 1xx to 5xx.
pub(crate) const CLASSES: usize = 5;

/// The methods that are told apart, and what could not be read as a request.
pub(crate) const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "other",
    "invalid",
];

/// Written by one thread.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long a loop's turns took.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// One for each bound, and one for what is longer than all.
    pub(crate) buckets: [Count; TURN_BOUNDS.len() + 1],
    pub(crate) nanoseconds: Count,
    pub(crate) longest: Count,
}

impl Turns {
    pub(crate) fn count(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = TURN_BOUNDS.partition_point(|bound| bound * 1000 < nanoseconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.add(1);
        }
        self.nanoseconds.add(nanoseconds);
        if nanoseconds > self.longest.get() {
            self.longest.set(nanoseconds);
        }
    }
}

/// What one loop counts.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    /// Answers, by method and class of status.
    answers: [[Count; CLASSES]; METHODS.len()],
    /// Requests whose client was gone before they were answered.
    pub(crate) abandoned: Count,
    /// Answers that had begun to leave and did not all leave.
    pub(crate) cut: Count,
    /// Requests that could not be read.
    pub(crate) unreadable: Count,
    pub(crate) panics: Count,
    /// Connections that were ended because their client took too long.
    pub(crate) timeouts: Count,
    /// Handlers that were dropped because they took too long.
    pub(crate) handler_timeouts: Count,
    /// Connections that came when there were as many as there may be.
    pub(crate) turned_away: Count,
    /// Connections there are.
    pub(crate) open: Count,
    /// Files that were answered from what is kept, and others.
    pub(crate) kept_files: Count,
    pub(crate) other_files: Count,
    pub(crate) turns: Turns,
    /// What the loop's listeners count.
    pub(crate) traffic: Arc<Traffic>,
}

fn place(method: Option<Method>) -> usize {
    match method {
        Some(Method::Get) => 0,
        Some(Method::Head) => 1,
        Some(Method::Post) => 2,
        Some(Method::Put) => 3,
        Some(Method::Delete) => 4,
        Some(Method::Connect) => 5,
        Some(Method::Options) => 6,
        Some(Method::Trace) => 7,
        Some(Method::Patch) => 8,
        Some(_) => 9,
        None => 10,
    }
}

impl Tally {
    /// Counts an answer; without a method, to what could not be read as a request.
    #[inline]
    pub(crate) fn answered(&self, method: Option<Method>, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).wrapping_sub(1);
        if let Some(count) = self.answers[place(method)].get(class) {
            count.add(1);
        }
    }

    /// Answers to a method of [`METHODS`], of a class from 0 for 1xx.
    pub(crate) fn answers(&self, method: usize, class: usize) -> u64 {
        self.answers[method][class].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_their_places() {
        let tally = Tally::default();
        for name in &METHODS[..9] {
            tally.answered(
                Some(Method::from_bytes(name.as_bytes())),
                StatusCode::NOT_FOUND,
            );
        }
        tally.answered(Some(Method::Other), StatusCode::NOT_FOUND);
        tally.answered(None, StatusCode::NOT_FOUND);
        for (method, name) in METHODS.iter().enumerate() {
            let counts: Vec<_> = (0..CLASSES).map(|it| tally.answers(method, it)).collect();
            assert_eq!(counts, [0, 0, 0, 1, 0], "{name}");
        }
    }

    #[test]
    fn turns_are_put_where_they_belong() {
        let turns = Turns::default();
        for micros in [0, 99, 100, 101, 1_000_000, 1_000_001] {
            turns.count(Duration::from_micros(micros));
        }
        let buckets = turns.buckets.each_ref().map(Count::get);
        assert_eq!(buckets, [3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(turns.longest.get(), 1_000_001_000);
        assert_eq!(turns.nanoseconds.get(), 2_000_301_000);
    }
}
