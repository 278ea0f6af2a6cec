//! What is wrong is one line, which says what to do, and an exit code.

use crate::support::{Serving, run, site};

#[track_caller]
fn assert_refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = run(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("error: "), "{errors}");
    // Clap's advice how to name a folder like a flag.
    assert!(!errors.contains("as a value"), "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word:?} is not in {errors}");
    }
    assert_eq!(output.stdout, b"");
}

#[test]
fn a_wrong_command_line() {
    let site = site();
    let folder = site.path().to_str().unwrap();
    for (arguments, words) in [
        (
            &["serve", "--bogus"][..],
            &["--bogus", "bucle serve --help"][..],
        ),
        (&["serve", "--listn", "x"], &["--listn", "--listen"]),
        (
            &["serve", folder, "--workers", "0"],
            &["--workers", "from 1 to 1024"],
        ),
        (
            &["serve", folder, "--workers", "many"],
            &["--workers", "from 1 to 1024"],
        ),
        (
            &["serve", folder, "--workers", "-1"],
            &["--workers", "from 1 to 1024"],
        ),
        (
            &["serve", folder, "--port", "8080"],
            &["'--port'", "--listen 8080; see"],
        ),
        (
            &["serve", folder, "-p", "8080"],
            &["'-p'", "--listen 8080; see"],
        ),
        (&[folder], &["is no command", "bucle serve /"]),
        (&[".."], &["to serve that folder: bucle serve .."]),
        (
            &["serve", folder, "--listen", "99999"],
            &["--listen", "out of range", "PORT (of 127.0.0.1)"],
        ),
        (
            &["serve", folder, "--listen", "nowhere"],
            &["--listen", "port"],
        ),
        (
            &["serve", folder, "--listen", "example.com:80"],
            &["127.0.0.1"],
        ),
        (
            &["serve", folder, "--listen", "127.0.0.1:99999"],
            &["--listen"],
        ),
        (&["serve", folder, "--listen"], &["--listen"]),
        (
            &["serve", folder, "--listen", "https://127.0.0.1:8443"],
            &["--listen", "write 127.0.0.1:8443", "--tls-cert"],
        ),
        (
            &["serve", folder, "--listen", "ftp://127.0.0.1:21"],
            &["without ftp://", "ADDRESS:PORT"],
        ),
        (
            &["serve", folder, "--listen", ":8080"],
            &["write 127.0.0.1:8080", "0.0.0.0:8080"],
        ),
        (
            &["serve", folder, "--admin", "99999"],
            &["--admin", "out of range", "PORT (of 127.0.0.1)"],
        ),
        (
            &["serve", folder, "--admin", "foo"],
            &["`foo` is no port", "PORT (of 127.0.0.1)", "unix:PATH"],
        ),
        (
            &["serve", folder, "--proxy-protocol"],
            &["not provided: --trusted-proxy <CIDR>; see"],
        ),
        (
            &["serve", folder, "--access-log", "xml"],
            &["combined", "json"],
        ),
        (
            &["serve", folder, "--idle-timeout", "soon"],
            &["--idle-timeout", "10s"],
        ),
        (
            &["serve", folder, "--header-timeout", "-1"],
            &["--header-timeout"],
        ),
        (
            &["serve", folder, "--idle-timeout", "-5s"],
            &["'-5s'", "--idle-timeout", "10s"],
        ),
        (
            &["serve", folder, "--max-body", "-1KiB"],
            &["'-1KiB'", "--max-body", "8KiB"],
        ),
        (&["serve", folder, "--header-timeout", "0"], &["above 0"]),
        (
            &["serve", folder, "--max-body", "1M"],
            &["--max-body", "8KiB", "or off"],
        ),
        (
            &["serve", folder, "--max-head", "17MiB"],
            &["--max-head", "16MiB at most"],
        ),
        (
            &["serve", folder, "--limit-rate", "1000"],
            &["--limit-rate", "at least 1KiB/s"],
        ),
        (
            &["serve", folder, "--max-connections", "many"],
            &["--max-connections", "such as 100", "or off"],
        ),
        (
            &["serve", folder, "--max-requests", "0"],
            &["--max-requests", "above 0"],
        ),
        (
            &["serve", folder, "--min-receive-rate", "fast"],
            &["--min-receive-rate", "second", "or off"],
        ),
        (&["serve", folder, "more"], &["more"]),
        (&["srve"], &["srve", "see: bucle --help"]),
        (&[], &["bucle serve DIR"]),
    ] {
        assert_refused(arguments, 2, words);
    }
}

#[test]
fn a_folder_that_is_none() {
    let site = site();
    let file = site.path().join("index.html");
    let missing = site.path().join("missing");
    assert_refused(
        &["serve", missing.to_str().unwrap()],
        1,
        &["missing", "bucle serve DIR"],
    );
    assert_refused(&["serve", file.to_str().unwrap()], 1, &["no folder"]);
}

#[test]
fn an_address_that_is_taken() {
    let site = site();
    let folder = site.path().to_str().unwrap();
    for workers in ["1", "3"] {
        let first = Serving::start(
            site.path(),
            &["--listen", "127.0.0.1:0", "--workers", workers],
        );
        let address = first.address.to_string();
        for others in ["1", "3"] {
            let arguments = ["serve", folder, "--listen", &address, "--workers", others];
            assert_refused(&arguments, 1, &[&address, "choose another"]);
        }
        assert!(first.get("/").contains("<p>hello"));
    }
    // By itself, which is nobody to be stopped.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let twice = address.to_string();
    let everywhere = format!("0.0.0.0:{}", address.port());
    for (flag, other, words) in [
        ("--listen", &twice, "was given twice"),
        ("--admin", &twice, "was given twice"),
        ("--listen", &everywhere, "was given too"),
    ] {
        let arguments = ["serve", folder, "--listen", &twice, flag, other];
        assert_refused(&arguments, 1, &[&twice, words]);
    }
    let path = site.path().join("x.sock");
    let unix = format!("unix:{}", path.display());
    let _first = Serving::start(site.path(), &["--listen", "127.0.0.1:0", "--listen", &unix]);
    assert_refused(
        &["serve", folder, "--listen", &unix],
        1,
        &["choose another"],
    );
    let file = format!("unix:{}", site.path().join("index.html").display());
    assert_refused(&["serve", folder, "--listen", &file], 1, &["no socket"]);
    assert!(site.path().join("index.html").exists());
}

#[test]
fn help_and_version_are_answers() {
    let help = run(&["serve", "--help"]);
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for flag in [
        "[DIR]",
        "--listen",
        "--workers",
        "--echo",
        "--access-log",
        "--header-timeout",
        "--idle-timeout",
        "--drain-timeout",
        "--max-body",
        "[default: 1GiB]",
        "[default: 15s]",
        "127.0.0.1:8080",
    ] {
        assert!(text.contains(flag), "{flag} is not in {text}");
    }
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert!(version.stdout.starts_with(b"bucle "));
}
