//! All that is counted, in the text format of Prometheus (version 0.0.4).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::process::Process;
use super::tally::{CLASSES, Count, METHODS, TURN_BOUNDS, Tally};
use super::{Metrics, lock};

/// The type of [`render`]'s text.
pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

const CLASS_NAMES: [&str; CLASSES] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The text of all that was counted.
pub(super) fn render(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape::of(metrics)));
    let mut text = String::new();
    // Writing to a string never fails.
    let _ = prometheus_text::encode(&mut text, &registry);
    text
}

/// What there is to tell at one moment.
#[derive(Debug)]
struct Scrape {
    tallies: Vec<Arc<Tally>>,
    log_lines_dropped: u64,
    tls_errors: u64,
    proxy_errors: u64,
    begun: SystemTime,
    process: Process,
}

impl Scrape {
    fn of(metrics: &Metrics) -> Scrape {
        let shared = &metrics.shared;
        let logs = lock(&shared.logs);
        Scrape {
            tallies: metrics.tallies(),
            log_lines_dropped: logs.iter().map(|log| log.lines_dropped()).sum(),
            tls_errors: shared.tls_errors.load(Ordering::Relaxed),
            proxy_errors: shared.proxy_errors.load(Ordering::Relaxed),
            begun: shared.begun,
            process: Process::now(),
        }
    }

    fn sum(&self, one: impl Fn(&Tally) -> u64) -> u64 {
        let counts = self.tallies.iter().map(|tally| one(tally));
        counts.fold(0, u64::wrapping_add)
    }

    fn http(&self, page: &mut Page<'_>) -> fmt::Result {
        let answers = METHODS.iter().enumerate().flat_map(|(method, name)| {
            CLASS_NAMES.iter().enumerate().map(move |(class, code)| {
                let count = self.sum(|tally| tally.answers(method, class));
                ([("method", *name), ("code", *code)], count)
            })
        });
        // Of what never was, only what everybody has is told: else it were fifty lines of nothing.
        let told = answers.filter(|(labels, count)| *count > 0 || *labels == COMMON);
        page.counters(
            "bucle_http_requests",
            "Requests that were answered, by method and class of status; what could not be read as a \
             request has the method \"invalid\"",
            told,
        )?;
        page.counter(
            "bucle_http_requests_abandoned",
            "Requests whose client was gone before the answer",
            self.sum(|tally| tally.abandoned.get()),
        )?;
        page.counter(
            "bucle_http_answers_cut",
            "Answers that were begun, and cut before all of them had left",
            self.sum(|tally| tally.cut.get()),
        )?;
        page.counter(
            "bucle_http_parse_errors",
            "Requests that were refused because they could not be read, or went over a limit of the \
             parser",
            self.sum(|tally| tally.unreadable.get()),
        )?;
        page.counter(
            "bucle_http_handler_panics",
            "Handlers that panicked",
            self.sum(|tally| tally.panics.get()),
        )?;
        page.counter(
            "bucle_http_timeouts",
            "Connections that were ended because the client took too long to send or to read",
            self.sum(|tally| tally.timeouts.get()),
        )?;
        page.counter(
            "bucle_http_handler_timeouts",
            "Handlers that were dropped because they took too long to answer",
            self.sum(|tally| tally.handler_timeouts.get()),
        )?;
        page.counter(
            "bucle_received_bytes",
            "Bytes read from connections, those of TLS included",
            self.sum(|tally| tally.traffic.received()),
        )?;
        page.counter(
            "bucle_sent_bytes",
            "Bytes that the system took from connections to send, those of TLS included",
            self.sum(|tally| tally.traffic.sent()),
        )
    }

    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge(
            "bucle_connections_open",
            "Connections there are, handshakes of TLS not counted",
            self.sum(|tally| tally.open.get()),
        )?;
        page.counter(
            "bucle_connections_accepted",
            "Connections that were accepted",
            self.sum(|tally| tally.traffic.accepted()),
        )?;
        let refused = [
            (
                [("reason", "descriptors")],
                self.sum(|tally| tally.traffic.refused()),
            ),
            (
                [("reason", "limit")],
                self.sum(|tally| tally.turned_away.get()),
            ),
        ];
        page.counters(
            "bucle_connections_refused",
            "Connections that were closed as they came, or were told 503, and why",
            refused.into_iter(),
        )?;
        page.counter(
            "bucle_tls_handshake_errors",
            "Handshakes of TLS that failed",
            self.tls_errors,
        )?;
        page.counter(
            "bucle_proxy_header_errors",
            "Connections of trusted proxies that did not begin with a good header of the PROXY protocol",
            self.proxy_errors,
        )
    }

    fn others(&self, page: &mut Page<'_>) -> fmt::Result {
        let lookups = [
            (
                [("result", "hit")],
                self.sum(|tally| tally.kept_files.get()),
            ),
            (
                [("result", "miss")],
                self.sum(|tally| tally.other_files.get()),
            ),
        ];
        page.counters(
            "bucle_file_cache_lookups",
            "Paths that were asked for, and whether the file was at hand",
            lookups.into_iter(),
        )?;
        page.counter(
            "bucle_access_log_dropped_lines",
            "Lines of the access log that were dropped because its reader was too slow",
            self.log_lines_dropped,
        )
    }

    fn loops(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge(
            "bucle_workers",
            "Loops that serve or have served, each with a thread of its own",
            self.tallies.len() as u64,
        )?;
        let mut family = page.0.encode_descriptor(
            "bucle_loop_turn_seconds",
            "How long a loop was at work before it asked the system for more; all that comes in waits \
             for so long",
            None,
            MetricType::Histogram,
        )?;
        for (worker, tally) in self.tallies.iter().enumerate() {
            let counts = tally.turns.buckets.each_ref().map(Count::get);
            let bounds = TURN_BOUNDS.map(|bound| bound as f64 / 1e6);
            let bounds = bounds.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(counts).collect();
            let sum = tally.turns.nanoseconds.get() as f64 / 1e9;
            family
                .encode_family(&[("worker", worker)])?
                .encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)?;
        }
        let mut family = page.0.encode_descriptor(
            "bucle_loop_longest_turn_seconds",
            "The longest of them so far",
            None,
            MetricType::Gauge,
        )?;
        for (worker, tally) in self.tallies.iter().enumerate() {
            let longest = tally.turns.longest.get() as f64 / 1e9;
            family
                .encode_family(&[("worker", worker)])?
                .encode_gauge(&longest)?;
        }
        Ok(())
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let Process {
            resident,
            virtual_memory,
            open_fds,
            max_fds,
            cpu,
            threads,
        } = self.process;
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory", resident),
            (
                "process_virtual_memory_bytes",
                "Address space",
                virtual_memory,
            ),
            ("process_open_fds", "Open file descriptors", open_fds),
            (
                "process_max_fds",
                "The limit on open file descriptors",
                max_fds,
            ),
            ("process_threads", "Threads", threads),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                page.gauge(name, help, value)?;
            }
        }
        if let Some(cpu) = cpu {
            let seconds = ConstCounter::new(cpu.as_secs_f64());
            let help = "Time of the processor, in user and system mode";
            let family =
                page.0
                    .encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            seconds.encode(family)?;
        }
        let since = |moment: SystemTime, before: SystemTime| {
            let passed = moment.duration_since(before);
            passed.unwrap_or_default().as_secs_f64()
        };
        let begun = since(self.begun, SystemTime::UNIX_EPOCH);
        let up = since(SystemTime::now(), self.begun);
        page.gauge(
            "process_start_time_seconds",
            "When it began, in seconds of Unix time",
            begun,
        )?;
        page.gauge("bucle_uptime_seconds", "How long it has run", up)?;
        let mut family = page.0.encode_descriptor(
            "bucle_build_info",
            "The version, as a label of the number 1",
            None,
            MetricType::Gauge,
        )?;
        family
            .encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?
            .encode_gauge(&1u64)
    }
}

/// What is told of from the beginning, so that a rate of it has something to begin with.
const COMMON: [(&str, &str); 2] = [("method", "GET"), ("code", "2xx")];

/// Where it is written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A counter, to whose name `_total` is added.
    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        let family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(count).encode(family)
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl Iterator<Item = ([(&'static str, &'static str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counts {
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauge<N>(&mut self, name: &str, help: &str, value: N) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        let family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(family)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let page = &mut Page(encoder);
        self.http(page)?;
        self.connections(page)?;
        self.others(page)?;
        self.loops(page)?;
        self.process(page)
    }
}
