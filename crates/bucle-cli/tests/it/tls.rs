//! HTTPS, as clients and operators see it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bucle::net::tls::ClientContext;
use bucle::net::{ConnectOptions, StreamReader, StreamWriter, open_connection_with};
use rustix::process::Signal;

use crate::support::{Serving, WATCHDOG, run, site};

/// Writes a certificate and its key to two files; returns the certificate.
fn write_pair(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

/// A server on any port, with the pair that was written to `keys`.
fn serve_tls(site: &Path, keys: &Path, flags: &[&str]) -> Serving {
    let (certificate, key) = (keys.join("cert.pem"), keys.join("key.pem"));
    let tls = [
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    Serving::start(site, &[&tls, flags].concat())
}

async fn connect(address: SocketAddr, trusted: &str) -> io::Result<(StreamReader, StreamWriter)> {
    let context = ClientContext::from_roots_pem(trusted.as_bytes())?;
    open_connection_with(address, ConnectOptions::default().tls(context)).await
}

/// The status line and the last line of a short answer on a connection that is kept.
async fn get(streams: &mut (StreamReader, StreamWriter)) -> (String, String) {
    get_target(streams, "/").await
}

async fn get_target(
    (reader, writer): &mut (StreamReader, StreamWriter),
    target: &str,
) -> (String, String) {
    writer.write(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    let head = reader.readuntil(b"\r\n\r\n").await.unwrap();
    let body = reader.readexactly(8).await.unwrap();
    let head = String::from_utf8(head.to_vec()).unwrap();
    let status = head.lines().next().unwrap().to_owned();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn ok() -> (String, String) {
    ("HTTP/1.1 200 OK".to_owned(), "<p>hello".to_owned())
}

#[test]
fn a_renewed_certificate_drops_no_connection() {
    let site = site();
    let keys = tempfile::tempdir().unwrap();
    let first = write_pair(keys.path());
    let (certificate, key) = (keys.path().join("cert.pem"), keys.path().join("key.pem"));
    let mut serving = Serving::start(
        site.path(),
        &[
            "--listen",
            "127.0.0.1:0",
            "--listen",
            "http://127.0.0.1:0",
            "--tls-cert",
            certificate.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
            "--workers",
            "2",
        ],
    );
    assert!(serving.told[0].contains(" at https://127.0.0.1:"));
    assert!(serving.told[1].contains(" at http://127.0.0.1:"));
    // Plain HTTP at the wrong port is told so.
    let plain = serving.get("/");
    assert!(
        plain.starts_with("HTTP/1.1 400 Bad Request\r\nDate: "),
        "{plain}"
    );
    let address = serving.address;
    serving = bucle::run(async move {
        let mut before = connect(address, &first).await.unwrap();
        assert_eq!(get(&mut before).await, ok());
        // The connection is one that such a URL asks for (RFC 9110 section 7.4).
        let whole = get_target(&mut before, "https://127.0.0.1/").await;
        assert_eq!(whole, ok());

        // A certificate whose key is not there yet is not taken.
        let old_key = std::fs::read(&key).unwrap();
        let second = write_pair(keys.path());
        let new_key = std::fs::read(&key).unwrap();
        std::fs::write(&key, old_key).unwrap();
        serving.signal(Signal::HUP);
        bucle::sleep(Duration::from_millis(100)).await;
        assert_eq!(
            get(&mut connect(address, &first).await.unwrap()).await,
            ok()
        );

        std::fs::write(&key, new_key).unwrap();
        serving.signal(Signal::HUP);
        let end = Instant::now() + WATCHDOG;
        let mut after = loop {
            match connect(address, &second).await {
                Ok(connection) => break connection,
                Err(_) => assert!(Instant::now() < end, "the new certificate is not shown"),
            }
            bucle::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(get(&mut after).await, ok());
        assert_eq!(get(&mut before).await, ok());
        serving
    })
    .unwrap();
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
    let errors = serving.errors();
    assert!(
        errors.contains("the certificate from before stays in use"),
        "{errors}"
    );
}

#[test]
fn a_certificate_for_development_is_made_at_the_start() {
    let site = site();
    let serving = Serving::start(
        site.path(),
        // A port alone, of this machine.
        &["--listen", "0", "--tls-self-signed"],
    );
    assert!(serving.told[0].contains(" at https://127.0.0.1:"));
    let address = serving.address;
    bucle::run(async move {
        // It is nobody's whom we trust.
        let other = rcgen::generate_simple_self_signed(vec!["x.test".to_owned()]).unwrap();
        let error = connect(address, &other.cert.pem()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("certificate"), "{error}");
    })
    .unwrap();
}

#[test]
fn what_is_no_certificate_is_named() {
    let site = site();
    let keys = tempfile::tempdir().unwrap();
    write_pair(keys.path());
    let path = |name: &str| keys.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, missing) = (path("cert.pem"), path("key.pem"), path("missing.pem"));
    let folder = site.path().to_str().unwrap();
    for (certificate, key, told) in [
        (&missing, &key, &missing),
        (&certificate, &missing, &missing),
        (&key, &key, &key),
        (&certificate, &certificate, &certificate),
    ] {
        let output = run(&[
            "serve",
            folder,
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            certificate,
            "--tls-key",
            key,
        ]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(told.as_str()), "{errors}");
    }
    let output = run(&["serve", folder, "--tls-cert", &certificate]);
    assert_eq!(output.status.code(), Some(2));
    // And what is wrong, in words.
    let whole = std::fs::read_to_string(&key).unwrap();
    let half = &whole[..whole.len() / 2];
    let encrypted = whole.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let other = tempfile::tempdir().unwrap();
    write_pair(other.path());
    let another = std::fs::read_to_string(other.path().join("key.pem")).unwrap();
    let certificate_in_it = std::fs::read_to_string(&certificate).unwrap();
    for (content, words) in [
        (half, "`-----END PRIVATE KEY-----` is missing"),
        (encrypted.as_str(), "openssl pkey"),
        (another.as_str(), "is not that of the first certificate"),
        (
            certificate_in_it.as_str(),
            "are certificate and key swapped?",
        ),
    ] {
        std::fs::write(&key, content).unwrap();
        let output = run(&[
            "serve",
            folder,
            "--listen",
            "0",
            "--tls-cert",
            &certificate,
            "--tls-key",
            &key,
        ]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(words), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn a_client_that_does_not_say_goodbye_holds_up_no_stop() {
    let site = site();
    let keys = tempfile::tempdir().unwrap();
    let trusted = write_pair(keys.path());
    let mut serving = serve_tls(
        site.path(),
        keys.path(),
        &["--linger-timeout", "1h", "--drain-timeout", "1h"],
    );
    let address = serving.address;
    bucle::run(async move {
        let mut idle = connect(address, &trusted).await.unwrap();
        assert_eq!(get(&mut idle).await, ok());
        // While this thread waits, its side of the connection answers nothing.
        serving.signal(Signal::TERM);
        assert!(serving.wait().success(), "{}", serving.errors());
        drop(idle);
    })
    .unwrap();
}

/// A cut answer must not look like a whole one, whatever its length says: no `close_notify`.
#[test]
fn a_cut_answer_over_tls_ends_in_an_error() {
    let site = site();
    let keys = tempfile::tempdir().unwrap();
    let trusted = write_pair(keys.path());
    let serving = serve_tls(site.path(), keys.path(), &["--drain-timeout", "0"]);
    let address = serving.address;
    let mut serving = bucle::run(async move {
        let ask = |target: &str| {
            let ask = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            ask.into_bytes()
        };
        let large = site.path().join("large");
        std::fs::copy(&large, site.path().join("other")).unwrap();
        // By a stop that waits for nobody, and by a file that becomes shorter.
        let (mut stopped, writer) = connect(address, &trusted).await.unwrap();
        writer.write(&ask("/other"));
        stopped.readexactly(1000).await.unwrap();
        let (mut shorter, other_writer) = connect(address, &trusted).await.unwrap();
        other_writer.write(&ask("/large"));
        shorter.readexactly(1000).await.unwrap();
        let large = std::fs::File::options().write(true).open(large).unwrap();
        large.set_len(1_000_000).unwrap();
        shorter.read_to_end().await.unwrap_err();
        serving.signal(Signal::TERM);
        stopped.read_to_end().await.unwrap_err();
        serving
    })
    .unwrap();
    assert_eq!(serving.wait().code(), Some(1), "{}", serving.errors());
}

/// It has its answer, and only has not agreed to the end.
#[test]
fn a_client_that_does_not_say_goodbye_is_not_counted_at_the_deadline() {
    let site = site();
    let keys = tempfile::tempdir().unwrap();
    let trusted = write_pair(keys.path());
    let mut serving = serve_tls(site.path(), keys.path(), &["--drain-timeout", "0"]);
    let address = serving.address;
    bucle::run(async move {
        let mut idle = connect(address, &trusted).await.unwrap();
        assert_eq!(get(&mut idle).await, ok());
        // While this thread waits, its side of the connection answers nothing.
        serving.signal(Signal::TERM);
        assert!(serving.wait().success(), "{}", serving.errors());
        drop(idle);
    })
    .unwrap();
}

#[test]
fn answers_over_tls_leave_no_faster_than_they_may() {
    let site = site();
    let keys = tempfile::tempdir().unwrap();
    let trusted = write_pair(keys.path());
    let serving = serve_tls(site.path(), keys.path(), &["--limit-rate", "20MB"]);
    let address = serving.address;
    bucle::run(async move {
        let (mut reader, writer) = connect(address, &trusted).await.unwrap();
        let begun = Instant::now();
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(reader.read_to_end().await.unwrap().len() > 30_000_000);
        // A second's share leaves at once; never early, however busy the machine is.
        assert!(begun.elapsed() > Duration::from_millis(490));
        drop(serving);
    })
    .unwrap();
}
