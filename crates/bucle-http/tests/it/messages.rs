//! Whole conversations, and what a connection and a head cost.

use bucle_http::{Event, Limits, Method, RequestHead, ServerConnection};

use crate::drive::{answers_cut, equal_however_cut, serve_cut};

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<ServerConnection>() <= 48);
}

#[test]
fn pipelined_requests_with_all_kinds_of_bodies() {
    let input = b"\r\nGET /a?b HTTP/1.1\r\nHost: x\r\n\r\n\
        POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc\r\n\
        PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;a=\"b\"\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n\
        GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let limits = Limits::default();
    let outcome = equal_however_cut(|cuts| serve_cut(input, cuts, &limits), input.len());
    assert_eq!(
        (outcome.requests().len(), outcome.ends(), outcome.left),
        (4, 4, 0),
        "{outcome:?}"
    );
    assert_eq!(outcome.body(), b"abcabc0123456789");
}

#[test]
fn pipelined_answers_with_all_kinds_of_bodies() {
    let input = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
        HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n\
        HTTP/1.1 404 \r\n\r\nuntil the end";
    let methods = [
        Method::Get,
        Method::Head,
        Method::Get,
        Method::Get,
        Method::Get,
    ];
    let limits = Limits::default();
    let run = |cuts: &[usize]| answers_cut(input, &methods, cuts, &limits);
    let outcome = equal_however_cut(run, input.len());
    assert_eq!((outcome.ends(), outcome.left), (4, 0), "{outcome:?}");
    assert_eq!(outcome.body(), b"okauntil the end");
}

/// The place of a head's bytes after each request.
fn places<'a>(head: &mut RequestHead, requests: impl Iterator<Item = &'a [u8]>) -> Vec<*const u8> {
    let limits = Limits::default();
    requests
        .map(|request| {
            let mut connection = ServerConnection::default();
            let progress = connection.receive(request, head, &limits).unwrap();
            assert_eq!(
                (progress.event, progress.consumed),
                (Event::Head, request.len())
            );
            assert_eq!(head.as_bytes(), request);
            head.as_bytes().as_ptr()
        })
        .collect()
}

#[test]
fn a_recycled_head_keeps_its_buffer() {
    let mut head = RequestHead::default();
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "p".repeat(1000));
    let short = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let requests = [long.as_bytes(), short, long.as_bytes(), short];
    let places = places(&mut head, requests.into_iter().cycle().take(100));
    assert!(places.iter().all(|place| *place == places[0]));
}

#[test]
fn a_head_is_empty_until_it_is_filled() {
    let limits = Limits::default();
    let mut head = RequestHead::default();
    let whole = b"PUT /a?b HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    for input in [
        &whole[..whole.len() - 1],
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\0",
    ] {
        let mut connection = ServerConnection::default();
        connection.receive(whole, &mut head, &limits).unwrap();
        assert_eq!((head.method(), head.query()), (Method::Put, Some("b")));
        let _ = ServerConnection::default().receive(input, &mut head, &limits);
        assert_eq!(
            (head.method(), head.target(), head.path()),
            (Method::Get, "", "")
        );
        assert_eq!(
            (head.query(), head.host(), head.header("host")),
            (None, None, None)
        );
        assert_eq!((head.headers().len(), head.as_bytes()), (0, &b""[..]));
        assert!(!head.has_body() && !head.keep_alive() && head.content_length().is_none());
    }
}

#[test]
fn a_dripped_head_is_gone_through_once() {
    // Two million calls: a parser that begins anew each time would not come to an end.
    let mut limits = Limits::default();
    limits.head_bytes = 4 * 1024 * 1024;
    let value = "v".repeat(2 * 1024 * 1024);
    let input = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {value}\r\n\r\n").into_bytes();
    let (mut connection, mut head) = (ServerConnection::default(), RequestHead::default());
    for end in 0..input.len() {
        let progress = connection
            .receive(&input[..end], &mut head, &limits)
            .unwrap();
        assert_eq!((progress.consumed, progress.event), (0, Event::NeedInput));
        assert_eq!(connection.is_idle(), end == 0);
    }
    let progress = connection.receive(&input, &mut head, &limits).unwrap();
    assert_eq!(
        (progress.consumed, progress.event),
        (input.len(), Event::Head)
    );
    assert_eq!(head.header("A").map(<[u8]>::len), Some(value.len()));
}

#[test]
fn next_request_waits_for_the_end_of_the_current_one() {
    let limits = Limits::default();
    let (mut connection, mut head) = (ServerConnection::default(), RequestHead::default());
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET";
    connection.next_request();
    let mut at = 0;
    let mut next = |connection: &mut ServerConnection, length: usize| {
        let progress = connection
            .receive(&input[at..at + length], &mut head, &limits)
            .unwrap();
        at += progress.consumed;
        connection.next_request();
        progress.event
    };
    assert_eq!(next(&mut connection, 50), Event::Head);
    assert_eq!(next(&mut connection, 1), Event::Body(0..1));
    assert_eq!(next(&mut connection, 0), Event::NeedInput);
    assert_eq!(next(&mut connection, 4), Event::Body(0..1));
    assert!(!connection.is_idle());
    assert_eq!(next(&mut connection, 3), Event::End);
    assert!(connection.is_idle());
    assert_eq!(next(&mut connection, 3), Event::NeedInput);
}

#[test]
fn another_protocol_is_asked_for_in_one_way_only() {
    let upgrade = |version: &str, fields: &str| {
        let input = format!("GET / {version}\r\nHost: a\r\n{fields}\r\n");
        let mut head = RequestHead::default();
        let limits = Limits::default();
        ServerConnection::default()
            .receive(input.as_bytes(), &mut head, &limits)
            .unwrap();
        head.upgrade().map(<[u8]>::to_vec)
    };
    let both = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(
        upgrade("HTTP/1.1", both).as_deref(),
        Some(&b"websocket"[..])
    );
    assert_eq!(upgrade("HTTP/1.0", both), None, "RFC 9110 section 7.8");
    assert_eq!(upgrade("HTTP/1.1", "Upgrade: websocket\r\n"), None);
    assert_eq!(upgrade("HTTP/1.1", "Connection: upgrade\r\n"), None);
}
