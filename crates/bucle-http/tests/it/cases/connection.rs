use super::*;

/// Whether the connection goes on after a request with this version and these fields.
fn keeps_alive(version: &str, fields: &str) -> bool {
    let request = format!("GET / {version}\r\nHost: a\r\n{fields}\r\n");
    let outcome = run(request.repeat(2).as_bytes());
    assert_eq!(outcome.error(), None, "{fields}");
    let requests = outcome.requests();
    let keep_alive = requests[0].keep_alive;
    // After the last request of a connection no other is taken (RFC 9112 section 9.6).
    assert_eq!(requests.len(), if keep_alive { 2 } else { 1 }, "{fields}");
    assert_eq!(outcome.left, 0);
    keep_alive
}

#[test]
fn persistence() {
    for (version, fields, expected) in [
        ("HTTP/1.1", "", true),
        ("HTTP/1.2", "", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.1", "Connection: keep-alive\r\n", true),
        ("HTTP/1.0", "Connection: keep-alive\r\n", true),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: CLOSE\r\n", false),
        ("HTTP/1.1", "connection:close\r\n", false),
        ("HTTP/1.0", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: foo, close\r\n", false),
        ("HTTP/1.1", "Connection: close, foo\r\n", false),
        ("HTTP/1.1", "Connection: foo ,\tclose ,bar\r\n", false),
        ("HTTP/1.1", "Connection: ,,close\r\n", false),
        (
            "HTTP/1.1",
            "Connection: foo\r\nConnection: close\r\n",
            false,
        ),
        ("HTTP/1.1", "Connection: keep-alive, close\r\n", false),
        ("HTTP/1.1", "Connection: close, keep-alive\r\n", false),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
        (
            "HTTP/1.0",
            "Connection: foo\r\nConnection: keep-alive\r\n",
            true,
        ),
        ("HTTP/1.1", "Connection: closed\r\n", true),
        ("HTTP/1.1", "Connection: not-close\r\n", true),
        ("HTTP/1.1", "Connection: \"close\"\r\n", true),
        ("HTTP/1.1", "Connection:\r\n", true),
        ("HTTP/1.1", "Proxy-Connection: close\r\n", true),
        ("HTTP/1.0", "Keep-Alive: timeout=5\r\n", false),
    ] {
        assert_eq!(keeps_alive(version, fields), expected, "{version} {fields}");
    }
}

#[test]
fn what_comes_after_close_is_no_request() {
    check(&[
        (
            "9112 9.6",
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ONE,
        ),
        ("9112 9.6: not even garbage", b"GET / HTTP/1.0\r\n\r\n\0\n\xff", ONE),
        (
            "9112 9.6: behind a body",
            b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\naGET / HTTP/1.0\r\n\r\n",
            Taken(1, b"a"),
        ),
    ]);
}

#[test]
fn expectations() {
    use Error::Expectation;
    check_parts(
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n",
        b"\r\n\r\na",
        &[
            ("9110 10.1.1", b"Expect: 100-continue", Taken(1, b"a")),
            (
                "9110 10.1.1: case-insensitive",
                b"expect: 100-Continue",
                Taken(1, b"a"),
            ),
            ("9110 10.1.1: another", b"Expect: 200-ok", no(Expectation)),
            (
                "9110 10.1.1: another",
                b"Expect: 100-continu",
                no(Expectation),
            ),
            (
                "9110 10.1.1: another as well",
                b"Expect: 100-continue, x",
                no(Expectation),
            ),
            (
                "9110 10.1.1: a parameter",
                b"Expect: 100-continue;a=b",
                no(Expectation),
            ),
            ("9110 5.6.1.2: an empty list", b"Expect:", Taken(1, b"a")),
            (
                "9110 5.6.1.2: empty elements",
                b"Expect: , 100-continue,,",
                Taken(1, b"a"),
            ),
            (
                "9110 5.3: a list in two lines",
                b"Expect: 100-continue\r\nExpect: 100-continue",
                Taken(1, b"a"),
            ),
            (
                "9110 5.3: another in the second line",
                b"Expect: 100-continue\r\nExpect: x",
                no(Expectation),
            ),
        ],
    );
    let expects = |request: &str| run(request.as_bytes()).requests()[0].expects_continue;
    assert!(expects(
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert!(expects(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    ));
    // Nothing is waited for where nothing comes, nor by HTTP/1.0, where it means nothing.
    assert!(!expects(
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert!(!expects(
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert!(!expects(
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: ,\r\n\r\n"
    ));
    assert!(!expects(
        "PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert!(!expects(
        "PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: something\r\n\r\n"
    ));
}

#[test]
fn pipelines() {
    use Error::{BareLf, MissingHost};
    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    check(&[
        ("9112 9.3.2", &GET.repeat(20), Taken(20, b"")),
        ("the good ones first", &[GET, GET, b"GET / HTTP/1.1\r\n\r\n"].concat(), Refused(2, MissingHost)),
        ("nothing behind a bad one", &[GET, b"GET / HTTP/1.1\n\n", GET].concat(), Refused(1, BareLf)),
        ("the last not whole", &[GET, b"GET / HTTP"].concat(), Waits(1)),
        (
            "bodies between",
            &[
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
                GET,
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n0\r\n\r\n",
                GET,
            ]
            .concat(),
            Taken(4, b"abcd"),
        ),
    ]);
}
