//! `bucle bench`: each one runs for real, briefly, and what it reports has the right shape and makes
//! sense. Nothing here depends on how fast the machine is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Serving, bucle, run, site};

/// The JSON that a benchmark prints, which has ended well.
#[track_caller]
fn report(arguments: &[&str]) -> Value {
    let mut all = vec!["bench"];
    all.extend(arguments);
    all.push("--json");
    let output = run(&all);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["bench"], arguments[0]);
    assert_eq!(report["bucle"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["complete"], true);
    let machine = &report["machine"];
    assert!(machine["cpus"].as_u64().unwrap() > 0, "{machine}");
    for key in ["cpu", "linux", "rustc", "profile"] {
        assert!(machine[key].as_str().unwrap().len() > 1, "{key}: {machine}");
    }
    report
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// A median between its quartiles.
#[track_caller]
fn median(spread: &Value) -> f64 {
    let [low, median, high] = ["low", "median", "high"].map(|key| number(&spread[key]));
    assert!(low <= median && median <= high, "{spread}");
    median
}

#[test]
fn the_machine() {
    let report = report(&["os", "--quick"]);
    let figures = report["results"]["figures"].as_object().unwrap();
    let value = |name: &str| {
        let figure = figures.get(name);
        let figure = figure.unwrap_or_else(|| panic!("no {name}; {}", report["notes"]));
        let rounds = figure["samples"].as_array().unwrap().len();
        assert_eq!(
            rounds as u64,
            report["settings"]["rounds"].as_u64().unwrap()
        );
        median(figure)
    };
    // What is so on every machine.
    assert_eq!(value("epoll-event"), 12.0);
    assert!(value("pipe-buffer") >= 4_096.0);
    assert!(value("system-call") > value("cycle") && value("cycle") > 0.0);
    assert!(value("poll-10000") > value("poll-10"));
    assert!(value("thread-mapped") >= 8_388_608.0);
    assert!(value("process-mapped") > value("process-anonymous"));
    assert!(value("sleep-late") > 0.0);
    for name in [
        "switch-processes",
        "switch-tasks",
        "quantum",
        "thread-create-join",
        "fork",
        "fork-large",
        "spawn",
        "copy-on-write",
        "read-one",
        "latency-16k",
        "add-alone",
        "mutex-alone",
        "loop-resident",
        "clock-step",
        "cache-line",
    ] {
        assert!(value(name) > 0.0, "{name}");
    }
    if report["machine"]["cpus"].as_u64() > Some(1) {
        for name in [
            "pipe-round-trip",
            "eventfd-round-trip",
            "futex-round-trip",
            "add-contended",
            "add-64-apart",
        ] {
            assert!(value(name) > 0.0, "{name}");
        }
    }
    assert_eq!(figures["quantum"]["claim"], "10 ms");
}

#[test]
fn only_what_is_asked_for() {
    let report = report(&[
        "os",
        "--quick",
        "--only",
        "system-call,Atomics",
        "--rounds",
        "3",
    ]);
    let figures = report["results"]["figures"].as_object().unwrap();
    assert!(figures.contains_key("system-call") && figures.contains_key("cas-alone"));
    assert!(!figures.contains_key("fork"));
    assert_eq!(
        figures["system-call"]["samples"].as_array().unwrap().len(),
        3
    );
}

#[test]
fn connections_on_a_loop_and_on_threads() {
    let report = report(&[
        "connections",
        "--quick",
        "--connections",
        "50",
        "--busy",
        "5",
    ]);
    let figures = &report["results"]["figures"];
    for way in ["loop", "threads"] {
        let value = |name: &str| median(&figures[name]["ways"][way]["spread"]);
        assert_eq!(value("held"), 50.0);
        assert!(
            value("messages") > 0.0 && value("cpu-message") > 0.0,
            "{way}"
        );
        assert!(value("idle-cpu") >= 0.0);
        assert!(value("switches") > 0.0, "{way}");
    }
    // A thread has a stack, of which a connection on a loop has none.
    let mapped = |way: &str| median(&figures["mapped"]["ways"][way]["spread"]);
    assert!(mapped("threads") >= 8e6 && mapped("loop") < mapped("threads"));
}

#[test]
fn executors_in_every_way() {
    let report = report(&["executors", "--quick", "--workers", "1,3", "--tasks", "4"]);
    let results = &report["results"];
    for work in ["cpu", "io", "matrix"] {
        let rows = results[work]["rows"].as_array().unwrap();
        let ways: Vec<_> = rows
            .iter()
            .map(|row| {
                assert!(median(&row["time"]) > 0.0 && number(&row["speed_up"]) > 0.0);
                (
                    row["way"].as_str().unwrap(),
                    row["workers"].as_u64().unwrap(),
                )
            })
            .collect();
        for way in [
            ("sequential", 1),
            ("tasks", 1),
            ("threads", 3),
            ("processes", 1),
            ("processes", 3),
        ] {
            assert!(ways.contains(&way), "{way:?} is not in {ways:?}");
        }
    }
    // Three wait at a time, and each waits as long as it is told.
    let serial = number(&results["io"]["amdahl"]["threads"]["serial"]);
    assert!((0.0..=1.0).contains(&serial));
    let python = &results["python"];
    if !python.is_null() {
        assert!(
            python["version"].as_str().unwrap().starts_with('3'),
            "{python}"
        );
        for way in ["cpu threads", "cpu processes", "io asyncio"] {
            assert!(number(&python["samples"][way][0]) > 0.0, "{way}");
        }
    }
}

#[test]
fn the_process_pool() {
    let report = report(&["pool", "--quick", "--outstanding", "20"]);
    let figures = report["results"]["figures"].as_object().unwrap();
    let value = |name: &str| {
        let figure = figures.get(name);
        median(&figure.unwrap_or_else(|| panic!("no {name}; {}", report["notes"]))["spread"])
    };
    for name in [
        "cold-start",
        "round-trip",
        "round-trip-from-sleep",
        "pipe-round-trip",
        "pipe-round-trip-from-sleep",
        "throughput",
        "in-1024",
        "in-out-16384",
        "in-20480",
        "in-out-262144",
        "copy-262144",
    ] {
        assert!(value(name) > 0.0, "{name}");
    }
    assert!(value("cold-start") > value("round-trip"));
    assert!(value("copy-262144") > value("copy-1024"));
    assert_eq!(report["results"]["longest_frame"], 8_192);
}

#[test]
fn a_server_as_fast_as_it_can_be_and_at_a_rate() {
    let site = site();
    let server = Serving::start(
        site.path(),
        &["--listen", "127.0.0.1:0", "--access-log", "off"],
    );
    let url = format!("http://{}/", server.address);
    let closed = report(&[
        "http",
        &url,
        "--quick",
        "-c",
        "4",
        "--pipeline",
        "3",
        "--threads",
        "2",
    ]);
    let result = &closed["results"][0];
    assert!(number(&result["answers"]) > 0.0, "{result}");
    assert_eq!(
        result["statuses"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["200"]
    );
    assert_eq!(result["errors"], serde_json::json!({}));
    assert_eq!(result["unanswered"], 0);
    let in_flight = median(&result["figures"]["in-flight"]["spread"]);
    assert!(
        in_flight > 0.0 && in_flight <= 12.0,
        "more than the connections allow: {in_flight}"
    );
    assert!(median(&result["figures"]["generator-cpu"]["spread"]) > 0.0);
    // The server is a process of this machine, which is found.
    assert!(
        median(&result["figures"]["server-cpu"]["spread"]) > 0.0,
        "{result}"
    );
    let limits = ["generator", "server", "machine"];
    assert!(
        limits.contains(&result["limit"]["name"].as_str().unwrap()),
        "{result}"
    );
    let latency = |name: &str| number(&result["latency"][name]);
    assert!(latency("p50") <= latency("p99") && latency("p99") <= latency("max"));

    let open = report(&["http", &url, "--quick", "-c", "4", "--rate", "200"]);
    let result = &open["results"][0];
    // 0.3 s at 200 a second, each of which was sent and answered.
    assert_eq!(number(&result["answers"]), 60.0, "{result}");
    assert!(result["figures"]["send-lag-p99"].is_object());
}

#[test]
fn https_with_a_certificate_of_ones_own() {
    let site = site();
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let (cert, key) = (site.path().join("cert.pem"), site.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
    ];
    let server = Serving::start(site.path(), &arguments);
    let url = format!("https://localhost:{}/", server.address.port());
    let report = report(&["http", &url, "--quick", "-c", "2", "--ca", cert]);
    assert!(number(&report["results"][0]["answers"]) > 0.0);
    let refused = run(&["bench", "http", &url, "--quick", "-c", "2"]);
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8(refused.stderr).unwrap();
    for part in ["no answer", "--ca FILE", "--insecure"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    // The wrong name is no way out of an unknown authority, but this is one of both.
    let unnamed = url.replace("localhost", "127.0.0.1");
    for url in [&url, &unnamed] {
        let report = self::report(&["http", url, "--quick", "-c", "2", "-k"]);
        assert!(number(&report["results"][0]["answers"]) > 0.0);
        assert!(
            report["notes"]
                .to_string()
                .contains("no certificate was checked")
        );
    }
    let refused = run(&["bench", "http", &unnamed, "--quick", "--ca", cert]);
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert!(errors.contains("--insecure"), "{errors}");
}

#[test]
fn https_with_the_certificate_of_an_authority() {
    // As `openssl req -x509` makes it: self-signed, and an authority.
    let site = site();
    let mut parameters = rcgen::CertificateParams::new(["localhost".into()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key_pair = rcgen::KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key_pair).unwrap();
    let (cert, key) = (site.path().join("cert.pem"), site.path().join("key.pem"));
    std::fs::write(&cert, made.pem()).unwrap();
    std::fs::write(&key, key_pair.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let tls = ["--tls-cert", cert, "--tls-key", key];
    let server = Serving::start(
        site.path(),
        &[&["--listen", "127.0.0.1:0"], &tls[..]].concat(),
    );
    let url = format!("https://localhost:{}/", server.address.port());
    let refused = run(&["bench", "http", &url, "--quick", "--ca", cert]);
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8(refused.stderr).unwrap();
    for part in ["authority", "--insecure", "CA:FALSE"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert_eq!(errors.lines().count(), 1, "{errors}");
    report(&["http", &url, "--quick", "-c", "2", "--insecure"]);
}

/// A server that answers well, but stands still for a while after it has answered `before` times.
fn stalling(before: usize, stall: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut answers = 0;
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut stream = stream;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
                if line == "\r\n" {
                    answers += 1;
                    if answers == before {
                        std::thread::sleep(stall);
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    if stream.write_all(answer).is_err() {
                        break;
                    }
                }
                line.clear();
            }
        }
    });
    url
}

#[test]
fn a_stall_is_seen_by_every_request_that_was_due_in_it() {
    // One connection, 200 requests a second for 2 s, and a stall of 1 s in the middle: 200 requests
    // are due in it, half of which find at least 0.5 s of it before them. A generator that waited
    // with its server would see one slow request.
    let url = stalling(150, Duration::from_secs(1));
    let arguments = [
        "http",
        &url,
        "-c",
        "1",
        "--rate",
        "200",
        "--duration",
        "2",
        "--rounds",
        "1",
    ];
    let report = report(&arguments);
    let result = &report["results"][0];
    assert_eq!(number(&result["answers"]), 400.0, "{result}");
    // A quarter of all were 0.5 s late or more, so a tenth certainly was.
    assert!(number(&result["latency"]["p90"]) > 500e6, "{result}");
}

#[test]
fn wrong_answers_are_counted() {
    // Two bytes at first, three from the second answer on.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let answer: &[u8] = match number {
                0 => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                1 => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
                _ => b"HTTP/1.1 500 Broken\r\nContent-Length: 2\r\n\r\nok",
            };
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut input = [0; 4096];
                while stream.read(&mut input).is_ok_and(|length| length > 0) {
                    if stream.write_all(answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    let arguments = ["http", &url, "--quick", "-c", "2", "--json"];
    let output = run(&[&["bench"], &arguments[..]].concat());
    // Nothing right came.
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors = report["results"][0]["errors"].as_object().unwrap();
    assert!(
        number(&errors["a body of 3 bytes, not 2"]) > 0.0,
        "{errors:?}"
    );
    assert!(number(&errors["status 500, not 200"]) > 0.0, "{errors:?}");
}

/// A server that answers every 10 ms on one connection, `answers` times, and then is gone.
fn dying(answers: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut input = [0; 4096];
        let mut answer = |stream: &mut TcpStream, times: usize| {
            for _ in 0..times {
                assert!(stream.read(&mut input).unwrap() > 0);
                std::thread::sleep(Duration::from_millis(10));
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(answer).unwrap();
            }
        };
        // The first connection is the one that asks what the answer is.
        answer(&mut listener.accept().unwrap().0, 1);
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        answer(&mut stream, answers);
        // A request is under way when it dies.
        assert!(stream.read(&mut input).unwrap() > 0);
    });
    url
}

#[test]
fn a_server_that_dies_was_the_limit() {
    let url = dying(20);
    let arguments = [
        "bench",
        "http",
        &url,
        "-c",
        "1",
        "-d",
        "2s",
        "--warm-up",
        "1ms",
        "--rounds",
        "1",
        "--timeout",
        "2",
        "--json",
    ];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("1 never answered"), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["failures"].to_string().contains("1 never answered"));
    let result = &report["results"][0];
    assert_eq!(result["unanswered"], 1, "{result}");
    assert_eq!(result["limit"]["name"], "server", "{result}");
    // It waited for what was left of the 2 s, not only until its connection broke.
    assert!(number(&result["latency"]["max"]) > 200e6, "{result}");
}

#[test]
fn plots_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    for (name, beginning) in [("plot.svg", "<svg"), ("plot.html", "<!DOCTYPE html>")] {
        let file = folder.path().join(name);
        let file = file.to_str().unwrap();
        let output = run(&[
            "bench", "os", "--quick", "--only", "atomics", "--plot", file,
        ]);
        assert!(output.status.success());
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(
            table.contains("add-contended") && table.contains("quartiles"),
            "{table}"
        );
        let drawn = std::fs::read_to_string(file).unwrap();
        assert!(
            drawn.starts_with(beginning),
            "{}",
            &drawn[..100.min(drawn.len())]
        );
        assert!(drawn.contains("add-contended") && drawn.trim_end().ends_with('>'));
    }
}

#[test]
fn figures_are_printed_even_if_the_plot_fails() {
    let folder = tempfile::tempdir().unwrap();
    // It can be opened, and no byte fits in.
    let file = folder.path().join("plot.svg");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let file = file.to_str().unwrap();
    let output = run(&[
        "bench",
        "os",
        "--quick",
        "--only",
        "add-alone",
        "--plot",
        file,
    ]);
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("add-alone"), "{table}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("plot.svg"), "{errors}");
}

/// Whether a process has a handler for SIGINT.
fn catches_sigint(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    let mask = u64::from_str_radix(caught.trim(), 16).unwrap();
    mask & (1 << (Signal::INT.as_raw() - 1)) != 0
}

#[test]
fn a_signal_ends_it_with_what_was_measured() {
    let mut child = bucle()
        .args([
            "bench",
            "os",
            "--only",
            "clock-read,system-call",
            "--rounds",
            "1000",
            "--json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while !catches_sigint(child.id()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success());
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["complete"], false);
    assert!(report["notes"].to_string().contains("signal"));
}

#[test]
fn what_a_signal_cuts_off_is_no_failure_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (stalled, stalls) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // The first connection asks what the answer is; the other one is left waiting at its 20th
        // request, until the client goes.
        for answers in [1, 19] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut input = [0; 4096];
            for _ in 0..answers {
                assert!(stream.read(&mut input).unwrap() > 0);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(answer).unwrap();
            }
            if answers > 1 {
                assert!(stream.read(&mut input).unwrap() > 0);
                stalled.send(()).unwrap();
                let _ = stream.read(&mut input);
            }
        }
    });
    let child = bucle()
        .args([
            "bench", "http", &url, "-c", "1", "--rate", "100", "-d", "10m",
        ])
        .args([
            "--warm-up",
            "1ms",
            "--rounds",
            "1",
            "--timeout",
            "10m",
            "--json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    stalls.recv_timeout(Duration::from_secs(60)).unwrap();
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let result = &report["results"][0];
    assert!(number(&result["cut_off"]) >= 1.0, "{result}");
    assert_eq!(result["unanswered"], 0, "{result}");
    assert_eq!(report["failures"], serde_json::json!([]));
}

#[test]
fn what_is_wrong_is_one_line() {
    for (arguments, code, words) in [
        (&["bench"][..], 2, &["bucle bench --help"][..]),
        (
            &["bench", "everything"],
            2,
            &["everything", "bucle bench --help"],
        ),
        (&["bench", "os", "--rounds", "0"], 2, &["--rounds"]),
        (&["bench", "os", "--plot", "x.png"], 2, &["--plot", ".svg"]),
        (&["bench", "os", "--only", "nonsense"], 1, &["nonsense"]),
        (&["bench", "http"], 2, &["URL", "bucle bench http --help"]),
        (
            &["bench", "http", "http://x/", "-d", "1d"],
            2,
            &["500ms, 10s"],
        ),
        (
            &["bench", "http", "http://127.0.0.1:1/", "--pid", "4194303"],
            1,
            &["--pid 4194303", "no such process"],
        ),
        (&["bench", "http", "localhost:80"], 2, &["http://"]),
        (
            &["bench", "http", "http://127.0.0.1:1/"],
            1,
            &["127.0.0.1:1"],
        ),
        (
            &["bench", "http", "http://x/", "--rate", "fast"],
            2,
            &["--rate"],
        ),
        (
            &["bench", "http", "http://x/", "-H", "Host: y"],
            2,
            &["Host"],
        ),
        (
            &["bench", "http", "http://x/", "-c", "2", "--threads", "3"],
            1,
            &["--threads"],
        ),
        (
            &["bench", "http", "https://x/", "--ca", "/nowhere"],
            1,
            &["--ca"],
        ),
        (
            &["bench", "connections", "--seconds", "-1"],
            2,
            &["--seconds"],
        ),
        (
            &["bench", "executors", "--workers", "1,x"],
            2,
            &["--workers"],
        ),
        (&["bench", "executors", "--work", "sleep"], 2, &["cpu"]),
        (&["bench", "pool", "--workers", "0"], 2, &["--workers"]),
        (&["bench", "pool", "--payload", "many"], 2, &["--payload"]),
        (
            &[
                "bench",
                "os",
                "--quick",
                "--only",
                "cycle",
                "--plot",
                "/nowhere/x.svg",
            ],
            1,
            &["/nowhere/x.svg"],
        ),
    ] {
        let output = run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
        // It was refused before anything was measured.
        assert_eq!(output.stdout, b"", "{arguments:?}");
        for word in words {
            assert!(
                errors.contains(word),
                "{arguments:?}: {word:?} is not in {errors}"
            );
        }
    }
}
