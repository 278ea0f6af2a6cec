//! What is served, where, and what is said of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Serving, bucle, get, site};

#[test]
fn several_addresses_are_told_with_the_ports_taken() {
    let site = site();
    let path = site.path().join("x.sock");
    let unix = format!("unix:{}", path.display());
    let mut serving = Serving::start(
        site.path(),
        &[
            "--listen",
            "127.0.0.1:0",
            "--listen",
            &unix,
            "--listen",
            "127.0.0.1:0",
        ],
    );
    assert_eq!(serving.told.len(), 3);
    for line in &serving.told {
        assert!(
            line.starts_with("serving ") && !line.ends_with(":0"),
            "{line}"
        );
    }
    assert!(serving.told[1].ends_with(&unix), "{:?}", serving.told);
    assert!(serving.get("/").ends_with("<p>hello"));
    let stream = UnixStream::connect(&path).unwrap();
    assert!(get(stream, "/").ends_with("<p>hello"));
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
    assert!(!path.exists());
}

#[test]
fn every_worker_serves() {
    let site = site();
    let mut serving = Serving::start(
        site.path(),
        &[
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "3",
            "--access-log",
            "off",
        ],
    );
    // Spread by the kernel; that many connections meet every worker, and each answers right.
    let mut streams: Vec<_> = (0..60).map(|_| serving.connect()).collect();
    for stream in &mut streams {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
    }
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("<p>hello"));
    }
    serving.signal(Signal::INT);
    assert!(serving.wait().success());
}

#[test]
fn echo_is_there_when_asked_for() {
    let site = site();
    let serving = Serving::start(site.path(), &["--listen", "127.0.0.1:0", "--echo"]);
    assert!(
        serving
            .get("/echo")
            .ends_with("\r\n\r\nEcho: GET /echo HTTP/1.1")
    );
    let mut stream = serving.connect();
    stream
        .write_all(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nback",
        )
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nback"), "{answer}");
    let serving = Serving::start(site.path(), &["--listen", "127.0.0.1:0"]);
    assert!(serving.get("/echo").starts_with("HTTP/1.1 404 "));
}

#[test]
fn every_request_is_logged_in_its_format() {
    let site = site();
    for format in ["combined", "json", "off"] {
        let mut serving = Serving::start(
            site.path(),
            &["--listen", "127.0.0.1:0", "--access-log", format],
        );
        serving.get("/?\"x\"");
        serving.get("/missing");
        let mut stream = serving.connect();
        stream.write_all(b"nonsense\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        // A client that may be sending is waited for.
        drop(stream);
        serving.signal(Signal::TERM);
        assert!(serving.wait().success());
        let lines: Vec<_> = (&mut serving.output).lines().map(Result::unwrap).collect();
        match format {
            "off" => assert_eq!(lines, [""; 0]),
            "json" => {
                assert_eq!(lines.len(), 3, "{lines:?}");
                for (line, status) in lines.iter().zip([400, 404, 400]) {
                    assert!(
                        line.starts_with("{\"time\":\"2") && line.ends_with('}'),
                        "{line}"
                    );
                    assert!(line.contains(&format!("\"status\":{status},")), "{line}");
                }
                assert!(lines[1].contains("\"target\":\"/missing\""));
                assert!(lines[2].contains("\"line\":\"nonsense\",\"method\":null"));
            }
            _ => {
                assert_eq!(lines.len(), 3, "{lines:?}");
                assert!(lines[1].starts_with("127.0.0.1 - - ["), "{}", lines[1]);
                assert!(lines[1].contains("\"GET /missing HTTP/1.1\" 404 "));
                assert!(lines[2].contains("\"nonsense\" 400 "), "{}", lines[2]);
            }
        }
    }
}

#[test]
fn a_log_that_nobody_reads_harms_nobody() {
    let site = site();
    // Closed: the server goes on, and its end is a clean one.
    let mut serving = Serving::start(site.path(), &["--listen", "127.0.0.1:0"]);
    serving.close_output();
    for _ in 0..50 {
        assert!(serving.get("/").ends_with("<p>hello"));
    }
    assert!(serving.is_running());
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
    let errors = serving.errors();
    assert_eq!(errors.lines().count(), 1, "{errors}");

    // Open and never read: more than a pipe holds.
    let mut serving = Serving::start(site.path(), &["--listen", "127.0.0.1:0"]);
    let long = "x".repeat(1_000);
    for _ in 0..300 {
        assert!(
            serving
                .get(&format!("/{long}"))
                .starts_with("HTTP/1.1 404 ")
        );
    }
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
    let errors = serving.errors();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let lost = errors.strip_prefix("bucle: ").unwrap();
    let (lost, rest) = lost.split_once(' ').unwrap();
    assert!(
        rest.starts_with("lines of the access log were lost"),
        "{errors}"
    );
    // A pipe holds some of them.
    assert!((1..300).contains(&lost.parse().unwrap()), "{errors}");
}

#[test]
fn where_it_is_is_told_also_without_a_standard_output() {
    let site = site();
    let path = site.path().join("x.sock");
    for redirected in [">&-", ">/dev/full"] {
        // Whoever starts it by a shell.
        let command = format!("exec \"$0\" serve \"$1\" --listen \"unix:$2\" {redirected}");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(command)
            .arg(bucle().get_program())
            .arg(site.path())
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut told = String::new();
        errors.read_line(&mut told).unwrap();
        assert!(told.starts_with("bucle: standard output "), "{told}");
        let mut place = String::new();
        errors.read_line(&mut place).unwrap();
        let wanted = format!(
            "serving {} at unix:{}\n",
            site.path().display(),
            path.display()
        );
        assert_eq!(place, wanted, "{redirected}");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success(), "{redirected}");
    }
}

#[test]
fn flags_say_what_is_done_with_files() {
    let site = site();
    let script = "let x = 1;\n".repeat(200);
    std::fs::write(site.path().join("app-5LWNQJ3V.js"), &script).unwrap();
    std::fs::write(site.path().join("app.js"), &script).unwrap();
    std::fs::write(site.path().join("app.js.gz"), "compressed").unwrap();
    let ask = |serving: &Serving, target: &str, lines: &str| {
        let mut stream = serving.connect();
        let request = format!("GET {target} HTTP/1.0\r\n{lines}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let zero = ["--listen", "127.0.0.1:0"];
    let serving = Serving::start(site.path(), &zero);
    let page = "Accept: text/html\r\n";
    assert!(ask(&serving, "/app-5LWNQJ3V.js", "").contains("immutable\r\n"));
    assert!(ask(&serving, "/app.js", "").contains("Cache-Control: no-cache\r\n"));
    assert!(ask(&serving, "/route", page).starts_with("HTTP/1.1 404"));
    assert!(ask(&serving, "/app.js", "Accept-Encoding: gzip\r\n").ends_with("\r\n\r\ncompressed"));
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--spa",
        "--compress",
        "off",
        "--no-immutable",
        "--cache-control",
        "max-age=60",
    ];
    let serving = Serving::start(site.path(), &flags);
    assert!(ask(&serving, "/app-5LWNQJ3V.js", "").contains("Cache-Control: max-age=60\r\n"));
    assert!(ask(&serving, "/route", page).ends_with("<p>hello"));
    assert!(ask(&serving, "/route.js", page).starts_with("HTTP/1.1 404"));
    assert!(ask(&serving, "/app.js", "Accept-Encoding: gzip\r\n").ends_with(&script));
    let empty = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(empty.path(), &["--listen", "127.0.0.1:0", "--spa"]);
    let told = serving.next_error();
    assert!(
        told.contains("--spa") && told.contains("index.html"),
        "{told}"
    );
    // It may come later.
    assert!(ask(&serving, "/route", page).starts_with("HTTP/1.1 404"));
    std::fs::write(empty.path().join("index.html"), "<p>late").unwrap();
    assert!(ask(&serving, "/route", page).ends_with("<p>late"));
    for wrong in [["--cache-control", "a\nb"], ["--compress", "much"]] {
        let path = site.path().to_str().unwrap();
        let output = crate::support::run(&["serve", path, wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}
