//! The address for administrators, as they and their load balancers see it.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::process::Signal;

use crate::support::{Serving, WATCHDOG, get, run, site};

/// The address in the line that tells it.
fn admin_address(serving: &mut Serving) -> String {
    let mut line = String::new();
    serving.output.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("metrics at http://").unwrap();
    address.strip_suffix("/metrics").unwrap().to_owned()
}

fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find(|line| {
        let rest = line.strip_prefix(series);
        rest.is_some_and(|rest| rest.starts_with(' '))
    });
    let line = line.unwrap_or_else(|| panic!("no {series} in {page}"));
    line[series.len() + 1..].parse().unwrap()
}

#[test]
fn a_load_balancer_is_told_while_what_is_under_way_is_finished() {
    let folder = site();
    let socket = folder.path().join("admin.sock");
    let unix = format!("unix:{}", socket.display());
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "2",
        "--access-log",
        "off",
        "--admin",
        "0",
        "--admin",
        &unix,
    ];
    let mut serving = Serving::start(folder.path(), &arguments);
    let admin = admin_address(&mut serving);
    assert!(admin.starts_with("127.0.0.1:"), "{admin}");
    let ask = |path: &str| get(TcpStream::connect(&admin).unwrap(), path);
    assert!(ask("/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
    for _ in 0..4 {
        assert!(serving.get("/").ends_with("<p>hello"));
    }
    let page = get(UnixStream::connect(&socket).unwrap(), "/metrics");
    let gets = "bucle_http_requests_total{method=\"GET\",code=\"2xx\"}";
    assert_eq!(value(&page, gets), 4.0);
    assert_eq!(value(&page, "bucle_workers"), 2.0);
    assert_eq!(value(&page, "bucle_connections_accepted_total"), 4.0);

    // Under load: a download that nobody reads for now.
    let mut download = serving.connect();
    write!(download, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut begun = [0; 4096];
    download.read_exact(&mut begun).unwrap();
    serving.signal(Signal::TERM);
    let end = Instant::now() + WATCHDOG;
    while !ask("/healthz").starts_with("HTTP/1.1 503 ") {
        assert!(Instant::now() < end, "it is not told");
    }
    assert_eq!(value(&ask("/metrics"), "bucle_connections_open"), 1.0);
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    assert!(begun.len() + rest.len() > 30_000_000);
    assert!(serving.wait().success(), "{}", serving.errors());
    assert!(TcpStream::connect(&admin).is_err());
    assert!(!socket.exists());
}

/// A download that its client leaves is not told of as a whole one, neither counted nor logged.
#[test]
fn an_answer_that_was_cut_is_told_of() {
    const LARGE: u64 = 30_000_000;
    let folder = site();
    let arguments = ["--listen", "127.0.0.1:0", "--admin", "0"];
    let mut serving = Serving::start(folder.path(), &arguments);
    let admin = admin_address(&mut serving);
    let cut = || {
        let page = get(TcpStream::connect(&admin).unwrap(), "/metrics");
        value(&page, "bucle_http_answers_cut_total")
    };
    assert!(serving.get("/large").len() as u64 > LARGE);
    let mut leaves = serving.connect();
    leaves
        .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    leaves.read_exact(&mut [0; 1000]).unwrap();
    assert_eq!(cut(), 0.0);
    drop(leaves);
    let began = Instant::now();
    while cut() < 1.0 {
        assert!(began.elapsed() < WATCHDOG);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    serving.signal(Signal::TERM);
    assert!(serving.wait().success(), "{}", serving.errors());
    let lines: Vec<_> = (&mut serving.output).lines().map(Result::unwrap).collect();
    let sent: Vec<u64> = lines
        .iter()
        .map(|line| line.split(' ').nth(9).unwrap().parse().unwrap())
        .collect();
    assert_eq!(sent.len(), 2, "{lines:?}");
    assert_eq!(sent[0], LARGE);
    assert!((1..LARGE).contains(&sent[1]), "{lines:?}");
}

#[test]
fn an_address_that_can_t_be_had_is_an_error() {
    let folder = site();
    let root = folder.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, wanted) in [
        ("not an address", "--admin"),
        ("70000", "--admin"),
        (&*taken, &*taken),
    ] {
        let output = run(&["serve", root, "--listen", "127.0.0.1:0", "--admin", address]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(wanted), "{address}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!output.status.success());
    }
}
