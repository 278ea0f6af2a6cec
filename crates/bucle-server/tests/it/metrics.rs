//! What is counted, read as Prometheus would read it.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bucle_server::{Metrics, Options, Request, Response, Routes, Server, Site};

use crate::support::{Answer, Running, WATCHDOG, read_answers, read_to_end, serve_with};

/// The samples of a scrape by their names and labels, as they stand there.
type Samples = HashMap<String, f64>;

/// Reads a page in the text format, version 0.0.4, by its rules and not by what is known of its
/// writer.
fn read_page(page: &str) -> Samples {
    assert!(page.ends_with('\n'), "the last line has to end");
    let mut samples = Samples::new();
    let mut families = HashSet::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut helped = None;
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect(line);
            assert!(!text.is_empty(), "{line}");
            assert!(families.insert(name.to_owned()), "{name} twice");
            helped = Some(name.to_owned());
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, what) = typed.split_once(' ').expect(line);
            assert_eq!(helped.take().as_deref(), Some(name), "no HELP: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&what), "{line}");
            assert_eq!(what == "counter", name.ends_with("_total"), "{line}");
            (family, kind) = (name.to_owned(), what.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let name = check_series(series);
            let of_family = match &*kind {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|suffix| name.strip_suffix(suffix) == Some(&family)),
                _ => name == family,
            };
            assert!(of_family, "{line} in {family}");
            let value: f64 = value.parse().expect(line);
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            let before = samples.insert(series.to_owned(), value);
            assert_eq!(before, None, "{series} twice");
        }
    }
    check_histograms(&samples);
    samples
}

/// The name of a series, whose labels are well-formed.
fn check_series(series: &str) -> &str {
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect(series)),
        None => (series, ""),
    };
    let is_name = |text: &str| {
        !text.is_empty()
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && text
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    assert!(is_name(name), "{series}");
    let mut rest = labels;
    while !rest.is_empty() {
        let (label, behind) = rest.split_once("=\"").expect(series);
        assert!(is_name(label), "{series}");
        // None of ours has a quote or a backslash in it.
        let (value, behind) = behind.split_once('"').expect(series);
        assert!(!value.contains('\\'), "{series}");
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    name
}

fn check_histograms(samples: &Samples) {
    let mut buckets: HashMap<String, Vec<(f64, f64)>> = HashMap::new();
    for (series, count) in samples {
        if let Some((name, labels)) = series.split_once("_bucket{") {
            let (others, le) = labels.split_once("le=\"").unwrap();
            let le = le.trim_end_matches("\"}");
            let bound = match le {
                "+Inf" => f64::INFINITY,
                le => le.parse().unwrap(),
            };
            let key = format!("{name}_count{{{}}}", others.trim_end_matches(','));
            buckets.entry(key).or_default().push((bound, *count));
        }
    }
    for (key, mut buckets) in buckets {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{key}");
        let (bound, all) = buckets.pop().unwrap();
        assert_eq!((bound, all), (f64::INFINITY, samples[&key]), "{key}");
    }
}

fn is_counter(series: &str) -> bool {
    let name = series.split('{').next().unwrap();
    let endings = ["_total", "_bucket", "_sum", "_count"];
    endings.iter().any(|ending| name.ends_with(ending))
}

/// A server of some routes that counts, whose loop is asked for its turns.
fn counted(metrics: &Metrics) -> Running {
    let metrics = metrics.clone();
    serve_with(WATCHDOG, move || {
        let panics = |_: Request| -> Response { panic!("as asked") };
        let routes = Routes::new()
            .get("/", |_: Request| Response::text("hello\n"))
            .post("/", |_: Request| Response::text("posted\n"))
            .get("/panic", panics);
        let server = Server::builder().listen("127.0.0.1:0")?.metrics(metrics);
        server.serve(routes)
    })
}

/// Waits until `wanted` is so: a connection's end is counted when the server has seen it.
fn wait_until(what: &str, wanted: impl Fn() -> bool) {
    let end = Instant::now() + WATCHDOG;
    while !wanted() {
        assert!(Instant::now() < end, "{what} does not come to be");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn figures_are_those_of_what_was_asked() {
    let metrics = Metrics::new();
    let before = read_page(&metrics.render());
    assert_eq!(
        before["bucle_http_requests_total{method=\"GET\",code=\"2xx\"}"],
        0.0
    );
    let server = counted(&metrics);
    let requests: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n",
        b"NO REQUEST\r\n\r\n",
    ];
    let mut sent = 0;
    for request in requests {
        sent += server.ask(request).len();
    }
    let received: usize = requests.iter().map(|request| request.len()).sum();
    wait_until("an end of all connections", || {
        read_page(&metrics.render())["bucle_connections_open"] == 0.0
    });
    let after = read_page(&metrics.render());
    for (series, wanted) in [
        ("bucle_http_requests_total{method=\"GET\",code=\"2xx\"}", 2),
        ("bucle_http_requests_total{method=\"GET\",code=\"4xx\"}", 1),
        ("bucle_http_requests_total{method=\"GET\",code=\"5xx\"}", 1),
        ("bucle_http_requests_total{method=\"HEAD\",code=\"2xx\"}", 1),
        ("bucle_http_requests_total{method=\"POST\",code=\"2xx\"}", 1),
        (
            "bucle_http_requests_total{method=\"invalid\",code=\"4xx\"}",
            1,
        ),
        ("bucle_http_requests_abandoned_total", 0),
        ("bucle_http_parse_errors_total", 1),
        ("bucle_http_handler_panics_total", 1),
        ("bucle_received_bytes_total", received),
        ("bucle_sent_bytes_total", sent),
        ("bucle_connections_accepted_total", 6),
        ("bucle_workers", 1),
    ] {
        assert_eq!(after.get(series), Some(&(wanted as f64)), "{series}");
    }
    assert!(after["bucle_loop_turn_seconds_count{worker=\"0\"}"] >= 6.0);
    assert!(after["process_resident_memory_bytes"] > 100_000.0);
    for (series, count) in before {
        assert!(!is_counter(&series) || after[&series] >= count, "{series}");
    }
}

#[test]
fn counters_never_go_down_while_it_works() {
    let metrics = Metrics::new();
    let server = counted(&metrics);
    let mut before = Samples::new();
    for _ in 0..20 {
        server.get("/");
        let after = read_page(&metrics.render());
        for (series, count) in before {
            let now = after.get(&series);
            let grown = now.is_some_and(|now| *now >= count);
            assert!(!is_counter(&series) || grown, "{series}: {now:?} < {count}");
        }
        before = after;
    }
    // What was counted stays when the server has gone.
    server.stop();
    let after = read_page(&metrics.render());
    let gets = "bucle_http_requests_total{method=\"GET\",code=\"2xx\"}";
    assert_eq!((before[gets], after[gets]), (20.0, 20.0));
    assert_eq!(after["bucle_connections_open"], 0.0);
}

#[test]
fn kept_files_are_told_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, "a").unwrap();
    // What was changed just now is not kept.
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(60);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(long_ago).unwrap();
    let site = Site::open(folder.path()).unwrap();
    let metrics = Metrics::new();
    let counts = metrics.clone();
    let server = serve_with(WATCHDOG, move || {
        let server = Server::builder().listen("127.0.0.1:0")?.metrics(counts);
        server.serve(site.handler())
    });
    let hits = || read_page(&metrics.render())["bucle_file_cache_lookups_total{result=\"hit\"}"];
    wait_until("a kept file", || {
        assert_eq!(server.get("/a").text(), "a");
        hits() >= 1.0
    });
    // However its path is spelled.
    let before = hits();
    for spelled in ["/%61", "//a", "/%61?x"] {
        assert_eq!(server.get(spelled).text(), "a");
    }
    assert_eq!(hits(), before + 3.0);
    assert_eq!(server.get("/b").status, 404);
    let page = read_page(&metrics.render());
    let misses = page["bucle_file_cache_lookups_total{result=\"miss\"}"];
    let all = page["bucle_http_requests_total{method=\"GET\",code=\"2xx\"}"] + 1.0;
    assert_eq!(hits() + misses, all);
}

#[test]
fn administrators_are_answered_until_the_end_and_told_that_it_nears() {
    let (sender, receiver) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let server = serve_with(WATCHDOG, move || {
        let slow = move |_: Request| {
            let wait = wait.clone();
            async move {
                let waited = bucle_loop::to_thread(move || wait.lock().unwrap().recv()).await;
                drop(waited);
                Response::text("at last\n")
            }
        };
        let server = Server::builder()
            .listen("127.0.0.1:0")?
            .admin("127.0.0.1:0")?
            .serve(slow)?;
        let admin = server.admin_addresses()[0].as_tcp().unwrap();
        sender.send(admin).unwrap();
        Ok(server)
    });
    let admin = receiver.recv_timeout(WATCHDOG).unwrap();
    let ask = |method: &str, path: &str| {
        let mut stream = std::net::TcpStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = read_to_end(&mut stream);
        Answer::take(&answer, method == "HEAD").unwrap().0
    };
    let healthy = ask("GET", "/healthz");
    assert_eq!((healthy.status, healthy.text()), (200, "ok\n"));
    assert_eq!(ask("HEAD", "/healthz").status, 200);
    assert_eq!(ask("POST", "/healthz").status, 405);
    assert_eq!(ask("GET", "/").status, 404);
    let page = ask("GET", "/metrics");
    assert_eq!(
        page.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let samples = read_page(page.text());
    assert_eq!(
        samples["bucle_connections_accepted_total"], 0.0,
        "none of it counts"
    );

    // One who waits for an answer while the server is told to stop.
    let mut stream = server.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    wait_until("a request", || {
        read_page(ask("GET", "/metrics").text())["bucle_connections_open"] == 1.0
    });
    server.begin_to_stop();
    wait_until("the stop", || ask("GET", "/healthz").status == 503);
    let stopping = ask("GET", "/healthz");
    assert_eq!((stopping.status, stopping.text()), (503, "not serving\n"));
    assert_eq!(stopping.field("cache-control"), Some("no-store"));
    go_on.send(()).unwrap();
    assert_eq!(read_answers(&mut stream, 1)[0].text(), "at last\n");
    assert_eq!(server.stop(), bucle_server::Outcome::Drained);
    assert!(std::net::TcpStream::connect(admin).is_err());
}

#[test]
fn a_client_that_leaves_or_is_too_slow_is_counted() {
    let metrics = Metrics::new();
    let counts = metrics.clone();
    let mut options = Options::default();
    options.header_timeout = Duration::from_millis(50);
    let server = serve_with(WATCHDOG, move || {
        let never = |_: Request| std::future::pending::<Response>();
        Server::builder()
            .listen("127.0.0.1:0")?
            .options(options)
            .metrics(counts)
            .serve(never)
    });
    let mut slow = server.connect();
    slow.write_all(b"GET / HT").unwrap();
    assert!(read_to_end(&mut slow).starts_with(b"HTTP/1.1 408 "));
    let mut leaves = server.connect();
    leaves
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    wait_until("the request", || {
        read_page(&metrics.render())["bucle_received_bytes_total"] >= 35.0
    });
    rustix::net::sockopt::set_socket_linger(&leaves, Some(Duration::ZERO)).unwrap();
    drop(leaves);
    wait_until("its end", || {
        read_page(&metrics.render())["bucle_http_requests_abandoned_total"] == 1.0
    });
    let page = read_page(&metrics.render());
    assert_eq!(page["bucle_http_timeouts_total"], 1.0);
    assert_eq!(
        page["bucle_http_requests_total{method=\"invalid\",code=\"4xx\"}"],
        1.0
    );
}

#[test]
fn what_a_limit_has_ended_is_counted() {
    let metrics = Metrics::new();
    let counts = metrics.clone();
    let mut options = Options::default();
    options.handler_timeout = Some(Duration::from_millis(50));
    options.max_connections = Some(1);
    let server = serve_with(WATCHDOG, move || {
        let never = |_: Request| std::future::pending::<Response>();
        Server::builder()
            .listen("127.0.0.1:0")?
            .options(options)
            .metrics(counts)
            .serve(never)
    });
    let mut waits = server.connect();
    let mut one_more = server.connect();
    assert!(read_to_end(&mut one_more).starts_with(b"HTTP/1.1 503 "));
    waits
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(read_to_end(&mut waits).starts_with(b"HTTP/1.1 503 "));
    let page = read_page(&metrics.render());
    assert_eq!(page["bucle_http_handler_timeouts_total"], 1.0);
    assert_eq!(
        page["bucle_connections_refused_total{reason=\"limit\"}"],
        1.0
    );
    assert_eq!(page["bucle_http_timeouts_total"], 0.0);
    assert_eq!(page["bucle_http_requests_abandoned_total"], 0.0);
}
