//! What was counted.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies are kept to three digits.
const DIGITS: u8 = 3;

/// What a share of the load came to, or all of it.
pub(crate) struct Tally {
    /// Answers to requests that were due while it was measured.
    pub(crate) answers: u64,
    /// Answers that came while it was measured. With a server that keeps up they are as many.
    pub(crate) received: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// For how long requests were due.
    pub(crate) time: Duration,
    /// From when a request was due until it was answered, in nanoseconds.
    latency: Option<Histogram<u64>>,
    /// From when a request was due until it was sent.
    lag: Option<Histogram<u64>>,
    /// From when a request was due until the generator came to it, whether or not a connection was
    /// free then: the part of its lag that is not the server's.
    late: Option<Histogram<u64>>,
    /// How long requests were under way while it was measured, all together, in nanoseconds.
    under_way: u128,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// What went wrong, and how often.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Connections that were made again after the server had ended them between two requests.
    pub(crate) reopened: u64,
    /// Requests that were due and never answered.
    pub(crate) unanswered: u64,
    /// Answers with another status or length than they should have.
    pub(crate) wrong: u64,
    /// Requests that a signal cut off while they waited for their answers.
    pub(crate) cut_off: u64,
    /// CPU time of the generator's threads, and how long they waited for a CPU.
    pub(crate) cpu: Duration,
    pub(crate) waited: Duration,
    /// Wall-clock time of the generator's threads, all together.
    pub(crate) thread_time: Duration,
    /// CPUs that the server's process used, if it is known.
    pub(crate) server_cpu: Option<f64>,
    /// The share of all the machine's CPU time that nobody used.
    pub(crate) idle: Option<f64>,
}

impl Default for Tally {
    fn default() -> Tally {
        // Three digits are always possible.
        let histogram = || Histogram::new(DIGITS).ok();
        Tally {
            answers: 0,
            received: 0,
            bytes: 0,
            time: Duration::ZERO,
            latency: histogram(),
            lag: histogram(),
            late: histogram(),
            under_way: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            reopened: 0,
            unanswered: 0,
            wrong: 0,
            cut_off: 0,
            cpu: Duration::ZERO,
            waited: Duration::ZERO,
            thread_time: Duration::ZERO,
            server_cpu: None,
            idle: None,
        }
    }
}

fn record(histogram: &mut Option<Histogram<u64>>, value: u64) {
    if let Some(histogram) = histogram {
        // It grows as it must; no time is too long for it.
        let _ = histogram.record(value);
    }
}

impl Tally {
    /// A right answer came, to a request that was due while it was measured.
    pub(crate) fn answered(&mut self, due: u64, sent: u64, now: u64, status: u16) {
        self.answers += 1;
        record(&mut self.latency, now.saturating_sub(due));
        record(&mut self.lag, sent.saturating_sub(due));
        *self.statuses.entry(status).or_default() += 1;
    }

    /// A right answer came while it was measured, whenever its request was due.
    pub(crate) fn received(&mut self, bytes: u64) {
        self.received += 1;
        self.bytes += bytes;
    }

    /// A request was under way for so long while it was measured, whatever became of it.
    pub(crate) fn was_under_way(&mut self, time: u64) {
        self.under_way += u128::from(time);
    }

    /// The generator came to a request so long after it was due.
    pub(crate) fn came_late(&mut self, time: u64) {
        record(&mut self.late, time);
    }

    /// No answer will come. That it took so long at least is kept.
    pub(crate) fn not_answered(&mut self, due: u64, now: u64) {
        self.unanswered += 1;
        record(&mut self.latency, now.saturating_sub(due));
    }

    /// A signal came before the answer could, which says nothing against the server. That it took
    /// so long at least is kept.
    pub(crate) fn cut_off(&mut self, due: u64, now: u64) {
        self.cut_off += 1;
        record(&mut self.latency, now.saturating_sub(due));
    }

    /// An answer came that is not what it should be.
    pub(crate) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong += 1;
        self.error(what);
    }

    /// What failed, in a sentence; none if nothing did.
    pub(crate) fn failures(&self) -> Option<String> {
        let failed = self.unanswered + self.wrong;
        if failed > 0 {
            let all = self.answers + failed + self.cut_off;
            return Some(format!(
                "{failed} of {all} requests failed: {} never answered, {} answered wrongly",
                self.unanswered, self.wrong
            ));
        }
        let errors: u64 = self.errors.values().sum();
        (errors > 0).then(|| format!("every request was answered, but {errors} errors came up"))
    }

    /// Something went wrong.
    pub(crate) fn error(&mut self, what: impl Into<String>) {
        *self.errors.entry(what.into()).or_default() += 1;
    }

    /// Adds what was counted at another time; times are added up.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.time += other.time;
        self.absorb(other);
        let both = |one: Option<f64>, other: Option<f64>, f: fn(f64, f64) -> f64| match (one, other)
        {
            (Some(one), Some(other)) => Some(f(one, other)),
            (one, other) => one.or(other),
        };
        self.server_cpu = both(self.server_cpu, other.server_cpu, f64::max);
        self.idle = both(self.idle, other.idle, f64::min);
    }

    /// Adds what was counted beside this, in the same time.
    pub(crate) fn absorb(&mut self, other: &Tally) {
        self.answers += other.answers;
        self.received += other.received;
        self.bytes += other.bytes;
        self.under_way += other.under_way;
        for (into, from) in [
            (&mut self.latency, &other.latency),
            (&mut self.lag, &other.lag),
            (&mut self.late, &other.late),
        ] {
            if let (Some(into), Some(from)) = (into, from) {
                let _ = into.add(from);
            }
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (error, count) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
        self.reopened += other.reopened;
        self.unanswered += other.unanswered;
        self.wrong += other.wrong;
        self.cut_off += other.cut_off;
        self.cpu += other.cpu;
        self.waited += other.waited;
        self.thread_time += other.thread_time;
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.received as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Latency at a quantile, in nanoseconds; none without requests.
    pub(crate) fn latency(&self, quantile: f64) -> Option<f64> {
        at(self.latency.as_ref()?, quantile)
    }

    /// How late the slowest hundredth was sent.
    pub(crate) fn lag(&self) -> Option<f64> {
        at(self.lag.as_ref()?, 0.99)
    }

    /// How late the generator itself came to the slowest hundredth.
    pub(crate) fn late(&self) -> Option<f64> {
        at(self.late.as_ref()?, 0.99)
    }

    /// Requests under way on average, over the time that was measured; none if nothing came.
    pub(crate) fn in_flight(&self) -> Option<f64> {
        (self.received > 0).then(|| self.under_way as f64 / self.time.as_nanos().max(1) as f64)
    }

    /// The share of their time that the generator's threads were on a CPU.
    pub(crate) fn cpu_share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.thread_time.as_secs_f64().max(1e-9)
    }

    /// The share of their time that they waited for a CPU.
    pub(crate) fn waited_share(&self) -> f64 {
        self.waited.as_secs_f64() / self.thread_time.as_secs_f64().max(1e-9)
    }

    /// Points (n, latency that one request in n exceeds), for a plot.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let Some(latency) = self.latency.as_ref().filter(|latency| !latency.is_empty()) else {
            return Vec::new();
        };
        let most = latency.len() as f64;
        (0..200)
            .map(|step| 10_f64.powf(f64::from(step) / 20.0))
            .take_while(|n| *n <= most)
            .filter_map(|n| Some((n, at(latency, 1.0 - 1.0 / n)?)))
            .collect()
    }
}

fn at(histogram: &Histogram<u64>, quantile: f64) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        let mut tally = Tally {
            time: Duration::from_secs(1),
            ..Tally::default()
        };
        for number in 0..100 {
            // Due every 10 ms; the server stood still for a second, then answered at once.
            let due = number * 10_000_000;
            tally.answered(due, 1_000_000_000, 1_000_000_000, 200);
            tally.received(5);
        }
        assert_eq!((tally.rate(), tally.bytes), (100.0, 500));
        let median = tally.latency(0.5).unwrap();
        assert!((median - 500e6).abs() < 20e6, "{median}");
        assert!(tally.lag().unwrap() > 900e6);
    }

    #[test]
    fn what_was_not_answered_was_slow() {
        let mut tally = Tally::default();
        tally.answered(0, 0, 1_000, 200);
        tally.not_answered(0, 5_000_000_000);
        assert_eq!((tally.answers, tally.unanswered), (1, 1));
        assert!(tally.latency(1.0).unwrap() > 4.9e9);
        let mut both = Tally::default();
        both.add(&tally);
        both.add(&tally);
        assert_eq!((both.answers, both.unanswered), (2, 2));
        assert!(!both.curve().is_empty());
    }

    #[test]
    fn littles_law() {
        let mut tally = Tally {
            time: Duration::from_secs(1),
            ..Tally::default()
        };
        for _ in 0..1_000 {
            tally.received(0);
            tally.was_under_way(8_000_000);
        }
        // 1,000 a second, each for 8 ms.
        assert_eq!(tally.in_flight(), Some(8.0));
    }
}
