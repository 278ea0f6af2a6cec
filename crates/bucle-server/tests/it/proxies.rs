//! Whom a request is for: peers, trusted proxies and what these tell.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use bucle_server::{
    Metrics, Options, Outcome, Peer, Request, Response, Routes, Server, TowerHandler,
    TrustedProxies,
};

use crate::support::{Answer, Running, WATCHDOG, read_answers, read_to_end, serve_with};

fn told(request: &Request) -> Response {
    let client = request.client_addr().map(|client| client.to_string());
    let is_tcp = request.peer_addr().is_some();
    Response::text(format!(
        "{} {is_tcp}",
        client.as_deref().unwrap_or("nobody")
    ))
}

/// A server that answers with whom a request is for, on this machine's own addresses.
fn serve(trusted: &'static [&'static str], proxy_protocol: bool, metrics: &Metrics) -> Running {
    let metrics = metrics.clone();
    serve_with(WATCHDOG, move || {
        let mut options = Options::default();
        options.proxy_protocol = proxy_protocol;
        options.header_timeout = Duration::from_secs(2);
        for network in trusted {
            options.trusted_proxies = options.trusted_proxies.and(network)?;
        }
        let tower = TowerHandler::new(axum::Router::new().route(
            "/tower",
            axum::routing::get(|axum::Extension(peer): axum::Extension<Peer>| async move {
                let client = peer.client_addr.map(|client| client.to_string());
                format!(
                    "{} {}",
                    client.unwrap_or_default(),
                    peer.peer_addr.is_some()
                )
            }),
        ));
        let routes = Routes::new()
            .get("/", |request: Request| told(&request))
            .get("/later", |request: Request| async move {
                bucle_loop::sleep(Duration::from_millis(1)).await;
                told(&request)
            })
            .get("/tower", tower.with_peer());
        Server::builder()
            .listen("127.0.0.1:0")?
            .options(options)
            .metrics(metrics)
            .serve(routes)
    })
}

const FORWARDED: &str =
    "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.1, 10.1.1.1\r\n";

#[test]
fn only_a_trusted_proxy_says_whom_a_request_is_for() {
    let metrics = Metrics::new();
    let strict = serve(&[], false, &metrics);
    assert_eq!(
        strict.request("GET", "/", FORWARDED).text(),
        "127.0.0.1 true"
    );
    let others = serve(&["10.0.0.0/8"], false, &metrics);
    assert_eq!(
        others.request("GET", "/", FORWARDED).text(),
        "127.0.0.1 true"
    );
    let trusting = serve(&["127.0.0.0/8", "10.0.0.0/8"], false, &metrics);
    for path in ["/", "/later", "/tower"] {
        let answer = trusting.request("GET", path, FORWARDED);
        assert_eq!(answer.text(), "198.51.100.1 true", "{path}");
        assert_eq!(trusting.get(path).text(), "127.0.0.1 true", "{path}");
    }
    // One connection, requests for many.
    let mut stream = trusting.connect();
    for client in ["192.0.2.1", "192.0.2.2"] {
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = read_answers(&mut stream, 1).remove(0);
        assert_eq!(answer.text(), format!("{client} true"));
    }
}

/// The header of version 2 for a client at 192.0.2.7.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x10\x00\x00\x50";

#[test]
fn a_proxy_tells_it_before_the_first_request() {
    let metrics = Metrics::new();
    let server = serve(&["127.0.0.1", "10.0.0.0/8"], true, &metrics);
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let text = b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 80\r\n";
    for (header, wanted) in [
        (&text[..], "192.0.2.7 true"),
        (BINARY, "192.0.2.7 true"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1 true"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 1\r\n", "192.0.2.7 true"),
    ] {
        let input = [header, request.as_bytes(), request.as_bytes()].concat();
        for answer in Answer::all(&server.ask(&input)) {
            assert_eq!((answer.status, answer.text()), (200, wanted));
        }
        // Byte by byte, and with the header's end and a request in one.
        let mut stream = server.connect();
        let (last, before) = header.split_last().unwrap();
        for byte in before {
            stream.write_all(&[*byte]).unwrap();
        }
        let behind = [&[*last], request.as_bytes()].concat();
        stream.write_all(&behind).unwrap();
        assert_eq!(read_answers(&mut stream, 1)[0].text(), wanted);
        // It holds for the whole connection.
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_answers(&mut stream, 1)[0].text(), wanted);
    }
    // A proxy behind a proxy.
    let chained = format!(
        "PROXY TCP4 10.1.1.1 10.2.2.2 4096 80\r\nGET / HTTP/1.1\r\nHost: x\r\n{FORWARDED}\r\n"
    );
    let answers = Answer::all(&server.ask(chained));
    assert_eq!(answers[0].text(), "198.51.100.1 true");
}

fn errors(metrics: &Metrics) -> String {
    let page = metrics.render();
    let line = page
        .lines()
        .find(|line| line.starts_with("bucle_proxy_header_errors_total"));
    line.unwrap().to_owned()
}

#[test]
fn without_a_good_header_a_proxy_is_not_answered() {
    let metrics = Metrics::new();
    let server = serve(&["127.0.0.1"], true, &metrics);
    for bad in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"PROXY TCP4 nonsense\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROXY TCP4 192.0.2.7",
        &BINARY[..20],
    ] {
        let mut stream = server.connect();
        stream.write_all(bad).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        assert_eq!(
            read_to_end(&mut stream),
            b"",
            "{:?}",
            String::from_utf8_lossy(bad)
        );
    }
    assert_eq!(errors(&metrics), "bucle_proxy_header_errors_total 4");
    // Nor is one that says nothing.
    assert_eq!(read_to_end(&mut server.connect()), b"");
    assert_eq!(errors(&metrics), "bucle_proxy_header_errors_total 5");
}

#[test]
fn a_stranger_s_header_is_no_request() {
    let metrics = Metrics::new();
    let server = serve(&["10.0.0.0/8"], true, &metrics);
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let plain = Answer::all(&server.ask(request));
    assert_eq!(plain[0].text(), "127.0.0.1 true");
    for header in [&b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 80\r\n"[..], BINARY] {
        let mut stream = server.connect();
        stream.write_all(&[header, request].concat()).unwrap();
        let answers = Answer::all(&read_to_end(&mut stream));
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].status, 400, "{}", answers[0].head);
    }
}

#[test]
fn who_comes_by_a_unix_socket_has_no_address_but_may_tell_one() {
    let folder = tempfile::tempdir().unwrap();
    for trusted in [false, true] {
        let path = folder.path().join(format!("{trusted}.sock"));
        let address = format!("unix:{}", path.display());
        let server = serve_with(WATCHDOG, move || {
            let mut options = Options::default();
            if trusted {
                options.trusted_proxies = TrustedProxies::nobody().and("unix")?;
            }
            let server = Server::builder()
                .listen("127.0.0.1:0")?
                .listen(&*address)?
                .options(options);
            server.serve(|request: Request| told(&request))
        });
        for (lines, wanted) in [
            ("", "nobody false"),
            ("X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7 false"),
        ] {
            let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(WATCHDOG)).unwrap();
            write!(stream, "GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let wanted = if trusted { wanted } else { "nobody false" };
            assert_eq!(Answer::all(&answer)[0].text(), wanted, "{trusted}");
        }
        drop(server);
    }
}

#[test]
fn the_protocol_without_proxies_is_a_mistake() {
    let mut options = Options::default();
    options.proxy_protocol = true;
    let server = Server::builder().listen("127.0.0.1:0").unwrap();
    let error = server.options(options).bind().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("trusted"), "{error}");
}

/// A connection that has not come as far as HTTP when the server ends is none of those that are finished or cut then, and must
/// not be served later.
#[test]
fn who_tells_it_after_the_end_is_not_answered() {
    for shut_down in [true, false] {
        let answer = bucle_loop::run(async move {
            let mut options = Options::default();
            options.trusted_proxies = TrustedProxies::nobody().and("127.0.0.1").unwrap();
            options.proxy_protocol = true;
            let handler = |_: Request| Response::text("still here");
            let server = Server::bind("127.0.0.1:0", handler, options).unwrap();
            let address = server.addresses()[0].clone();
            let (mut reader, writer) = bucle_net::open_connection(&address).await.unwrap();
            writer.write(b"PROXY TCP4 ");
            bucle_loop::sleep(Duration::from_millis(50)).await;
            if shut_down {
                assert_eq!(server.shutdown(WATCHDOG).await, Outcome::Drained);
            } else {
                drop(server);
            }
            writer.write(b"192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
            bucle_loop::timeout(WATCHDOG, reader.read(100))
                .await
                .unwrap()
        });
        let answer = answer.unwrap().unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&answer), "", "{shut_down}");
    }
}
