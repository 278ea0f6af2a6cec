use super::*;

#[test]
fn how_often() {
    use Error::*;
    check(&[
        (
            "9112 3.2: missing",
            b"GET / HTTP/1.1\r\n\r\n",
            no(MissingHost),
        ),
        (
            "9112 3.2: missing",
            b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n",
            no(MissingHost),
        ),
        (
            "9112 3.2: missing, minor 2",
            b"GET / HTTP/1.2\r\n\r\n",
            no(MissingHost),
        ),
        (
            "9112 3.2: missing with absolute-form",
            b"GET http://a/ HTTP/1.1\r\n\r\n",
            no(MissingHost),
        ),
        ("1.0 needs none", b"GET / HTTP/1.0\r\n\r\n", ONE),
        (
            "1.0 may have one",
            b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            ONE,
        ),
        (
            "9112 3.2: two",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            no(RepeatedHost),
        ),
        (
            "9112 3.2: two equal",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            no(RepeatedHost),
        ),
        (
            "9112 3.2: two, 1.0",
            b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
            no(RepeatedHost),
        ),
        (
            "9112 3.2: two with absolute-form",
            b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            no(RepeatedHost),
        ),
        (
            "9112 3.2.2: differs",
            b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
            ONE,
        ),
        (
            "9112 3.2.2: still valid",
            b"GET http://a/ HTTP/1.1\r\nHost: b/\r\n\r\n",
            no(Host),
        ),
    ]);
}

#[test]
fn values() {
    use Error::Host;
    check_parts(
        b"GET / HTTP/1.1\r\nHost:",
        b"\r\n\r\n",
        &[
            ("9110 7.2", b" example.com", ONE),
            ("9110 7.2", b"example.com:8080", ONE),
            ("9110 7.2: empty port", b" example.com:", ONE),
            ("9110 7.2: white space around", b"\t example.com \t", ONE),
            ("9110 7.2", b" 127.0.0.1:80", ONE),
            ("9110 7.2", b" [2001:db8::1]:80", ONE),
            (
                "RFC 3986 3.2.2: all of reg-name",
                b" -._~!$&'()*+,;=%41a",
                ONE,
            ),
            ("9112 3.3: an http URL has a host", b"", no(Host)),
            ("9112 3.3: an http URL has a host", b" :80", no(Host)),
            ("a path", b" a/b", no(Host)),
            ("a URL", b" http://a", no(Host)),
            ("a user", b" u@a", no(Host)),
            ("a list", b" a, b", no(Host)),
            ("white space", b" a b", no(Host)),
            ("a port that is none", b" a:http", no(Host)),
            ("a port that is none", b" a:8 0", no(Host)),
            ("a port too high", b" a:65536", no(Host)),
            ("a port too high", b" a:4294967376", no(Host)),
            ("two ports", b" a:80:80", no(Host)),
            ("IPv6 without brackets", b" ::1", no(Host)),
            ("IPv6 not closed", b" [::1", no(Host)),
            ("IPv6 that is none", b" [::g]", no(Host)),
            ("IPv6 and more", b" [::1]a", no(Host)),
            ("a zone", b" [fe80::1%25eth0]", no(Host)),
            ("a percent sign alone", b" a%", no(Host)),
            ("a backslash", b" a\\b", no(Host)),
            ("a query", b" a?b", no(Host)),
            ("a fragment", b" a#b", no(Host)),
            ("a quotation mark", b" \"a\"", no(Host)),
            ("angle brackets", b" <a>", no(Host)),
            ("braces", b" {a}", no(Host)),
            ("not ASCII", b" b\xc3\xbccher", no(Host)),
        ],
    );
}
