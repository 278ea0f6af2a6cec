//! Who was the limit. A load generator that is slower than the server measures itself, and ought to
//! say so.

use super::load::Plan;
use super::tally::Tally;
use crate::bench::units::Unit;

/// From this share on a thread counts as having had no time left.
const FULL: f64 = 0.9;

/// A machine counts as having had no CPU time left if only so much of it was idle.
const IDLE: f64 = 0.05;

/// A rate counts as reached if so much of it was.
const REACHED: f64 = 0.98;

/// Connections count as all taken if so much of them was, on average.
const TAKEN: f64 = 0.9;

/// The generator's own lateness counts as most of a latency from this share on.
const HALF: f64 = 0.5;

/// Who was the limit, and the figures that say so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Requests failed: the other figures are of what it still answered.
    Failed { how: String },
    /// Nothing can be said.
    Unknown,
    /// The generator's threads had no CPU time left.
    Generator { busy: f64, waited: f64 },
    /// The rate that was asked for was reached.
    Rate { asked: f64 },
    /// Every connection had as much under way as it may, while the generator had time to spare, in
    /// an open loop that fell behind.
    Connections { in_flight: f64, slots: u64 },
    /// Neither was busy all the time, and yet the machine had no CPU left: others took it.
    Machine { idle: f64 },
    /// The generator had time to spare.
    Server { busy: f64, cpu: Option<f64> },
}

/// Judges a load.
pub(crate) fn of(tally: &Tally, plan: &Plan) -> Limit {
    if let Some(how) = tally.failures() {
        return Limit::Failed { how };
    }
    let Some(in_flight) = tally.in_flight() else {
        return Limit::Unknown;
    };
    let (busy, waited) = (tally.cpu_share(), tally.waited_share());
    if busy + waited >= FULL {
        return Limit::Generator { busy, waited };
    }
    if let Some(asked) = plan.rate.filter(|asked| tally.rate() >= REACHED * asked) {
        return Limit::Rate { asked };
    }
    let server = Limit::Server {
        busy,
        cpu: tally.server_cpu,
    };
    if tally.server_cpu.is_some_and(|cpu| cpu >= FULL) {
        return server;
    }
    if let Some(idle) = tally.idle.filter(|idle| *idle < IDLE) {
        return Limit::Machine { idle };
    }
    let slots = plan.slots();
    if plan.rate.is_some() && in_flight >= TAKEN * slots as f64 {
        return Limit::Connections { in_flight, slots };
    }
    server
}

/// What to keep in mind of the latencies of an open loop: that the slowest hundredth may be slow for
/// the generator's sake. None if most of it is the server's.
pub(crate) fn caution(tally: &Tally) -> Option<String> {
    let (late, latency) = (tally.late()?, tally.latency(0.99)?);
    let show = |time| Unit::Nanoseconds.show(time);
    (late >= HALF * latency).then(|| {
        format!(
            "most of latency-p99, {}, is probably the generator's own: it came {} late or later to \
             one request in a hundred; give it CPUs of its own and --threads, or a lower --rate",
            show(latency),
            show(late)
        )
    })
}

impl Limit {
    /// In one word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Limit::Unknown => "unknown",
            Limit::Generator { .. } => "generator",
            Limit::Rate { .. } => "rate",
            Limit::Connections { .. } => "number of connections",
            Limit::Machine { .. } => "machine",
            Limit::Server { .. } | Limit::Failed { .. } => "server",
        }
    }

    /// In a sentence.
    pub(crate) fn explain(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        match self {
            Limit::Failed { how } => {
                format!("{how}; the figures are of what it did answer")
            }
            Limit::Unknown => "nothing was answered".into(),
            Limit::Generator { busy, waited } => format!(
                "its threads were on a CPU {} of the time and waited for one {}: the server may be \
                 faster, and latencies contain the generator's own; give it CPUs and --threads, or less load",
                percent(*busy),
                percent(*waited)
            ),
            Limit::Rate { asked } => format!("the rate asked for, {asked}/s, was reached"),
            Limit::Connections { in_flight, slots } => format!(
                "{in_flight:.1} of {slots} requests that may be under way were, on average: more \
                 --connections or --pipeline would show more of the server"
            ),
            Limit::Machine { idle } => format!(
                "only {} of its CPU time was left, though neither the generator nor the server was \
                 busy all the time: other processes took it",
                percent(*idle)
            ),
            Limit::Server { busy, cpu } => format!(
                "the generator was on a CPU {} of the time only{}",
                percent(*busy),
                cpu.map_or(String::new(), |cpu| format!(
                    ", the server used {cpu:.2} CPUs"
                ))
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::http::load::tests::plan;
    use std::time::Duration;

    fn tally(rate: u64, each: Duration, busy: f64, waited: f64) -> Tally {
        let mut tally = Tally::default();
        tally.time = Duration::from_secs(1);
        tally.thread_time = Duration::from_secs(1);
        tally.cpu = Duration::from_secs_f64(busy);
        tally.waited = Duration::from_secs_f64(waited);
        for _ in 0..rate {
            tally.received(0);
            tally.was_under_way(each.as_nanos() as u64);
        }
        tally
    }

    #[test]
    fn a_generator_that_is_late_is_told_from_a_server_that_is() {
        let ms = 1_000_000;
        let judged = |late: u64| {
            let mut tally = Tally::default();
            for _ in 0..100 {
                tally.came_late(late);
                // Sent late in either case: no connection was free before.
                tally.answered(0, 10 * ms, 12 * ms, 200);
            }
            caution(&tally)
        };
        assert_eq!(judged(0), None);
        assert_eq!(judged(5 * ms), None);
        let told = judged(10 * ms).unwrap();
        assert!(
            told.contains("12.0 ms") && told.contains("10.0 ms"),
            "{told}"
        );
        assert_eq!(caution(&Tally::default()), None);
    }

    #[test]
    fn each_limit_is_told_from_the_others() {
        let (closed, open) = (plan(8, 1, None), plan(8, 1, Some(1_000.0)));
        let ms = Duration::from_millis;
        for (tally, plan, name) in [
            (tally(0, ms(1), 0.0, 0.0), &closed, "unknown"),
            (tally(900, ms(8), 0.95, 0.0), &closed, "generator"),
            (tally(900, ms(8), 0.5, 0.45), &open, "generator"),
            (tally(900, ms(8), 0.4, 0.0), &closed, "server"),
            (tally(1_000, ms(1), 0.4, 0.0), &open, "rate"),
            (tally(900, ms(8), 0.4, 0.0), &open, "number of connections"),
            (tally(900, ms(1), 0.4, 0.0), &open, "server"),
        ] {
            let limit = of(&tally, plan);
            assert_eq!(limit.name(), name, "{}", limit.explain());
        }
        let mut busy_server = tally(900, ms(8), 0.4, 0.0);
        busy_server.server_cpu = Some(0.99);
        assert_eq!(of(&busy_server, &open).name(), "server");
        let mut failing = tally(900, ms(8), 0.95, 0.0);
        failing.idle = Some(0.01);
        failing.not_answered(0, 1);
        let limit = of(&failing, &closed);
        assert_eq!(limit.name(), "server");
        assert!(limit.explain().contains("1 never answered"));
        let mut crowded = tally(900, ms(8), 0.4, 0.0);
        crowded.idle = Some(0.01);
        assert_eq!(of(&crowded, &closed).name(), "machine");
    }
}
