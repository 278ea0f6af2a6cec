//! RFC 9112 section 3.2, RFC 9110 section 7: the four forms of a target, and `Host`.

use crate::Case;
use crate::case::case;

const TARGET: &str = "the request target is not";
const HOST: &str = "the host is not a name or an address";
const MISSING: &str = "an HTTP/1.1 request needs a Host field";
const REPEATED: &str = "there is more than one Host field";

pub(super) fn cases() -> Vec<Case> {
    let target = |id, source, what, target: &str| {
        case(
            id,
            source,
            what,
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
    };
    let host = |id, source, what, host: &str| {
        case(
            id,
            source,
            what,
            format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        )
    };
    let mut cases = vec![
        target("target-origin", "9112 3.2.1", "a path", "/echo")
            .answers(&[200])
            .body("Echo: GET /echo HTTP/1.1"),
        target(
            "target-query",
            "9112 3.2.1",
            "a path and a query",
            "/echo?a=b&c=?/",
        )
        .answers(&[200])
        .body("Echo: GET /echo?a=b&c=?/ HTTP/1.1"),
        target(
            "target-no-slash",
            "9112 3.2.1",
            "a path without its slash",
            "a.txt",
        )
        .refused(400, TARGET),
        target("target-fragment", "9112 3.2", "a fragment", "/a.txt#x").refused(400, TARGET),
        target(
            "target-only-fragment",
            "9112 3.2",
            "nothing but a fragment",
            "#",
        )
        .refused(400, TARGET),
        target(
            "target-only-query",
            "9112 3.2",
            "nothing but a query",
            "?a=b",
        )
        .refused(400, TARGET),
        target("target-quote", "9112 3.2", "a quotation mark", "/a\"b").refused(400, TARGET),
        target("target-angle", "9112 3.2", "an angle bracket", "/<script>").refused(400, TARGET),
        target("target-high", "9112 3.2", "not ASCII", "/\u{e9}").refused(400, TARGET),
        target(
            "target-control",
            "9112 3.2",
            "a control character",
            "/a\x01",
        )
        .refused(400, TARGET),
        target("target-del", "9112 3.2", "DEL", "/a\x7f").refused(400, TARGET),
        target(
            "target-browser",
            "3986 2",
            "what browsers send as it is",
            "/echo?[a]|b^`{c}\\",
        )
        .answers(&[200])
        .body("Echo: GET /echo?[a]|b^`{c}\\ HTTP/1.1"),
        target(
            "target-asterisk-get",
            "9112 3.2.4",
            "* goes with OPTIONS only",
            "*",
        )
        .refused(400, TARGET),
        target(
            "target-authority-get",
            "9112 3.2.3",
            "host:port goes with CONNECT only",
            "a:80",
        )
        .refused(400, TARGET),
        target("target-absolute", "9112 3.2.2", "a URL", "http://b/echo")
            .answers(&[200])
            .body("Echo: GET http://b/echo HTTP/1.1"),
        target(
            "target-absolute-port",
            "9112 3.2.2",
            "a URL with a port",
            "http://b:8080/a.txt",
        )
        .answers(&[200]),
        target(
            "target-absolute-case",
            "3986 3.1",
            "a scheme in upper case",
            "HTTP://b/a.txt",
        )
        .answers(&[200]),
        target(
            "target-absolute-query",
            "9112 3.2.2",
            "a URL with a query",
            "http://b/echo?x",
        )
        .answers(&[200])
        .body("Echo: GET http://b/echo?x HTTP/1.1"),
        target(
            "target-absolute-no-path",
            "9110 4.2.3",
            "an empty path is /",
            "http://b",
        )
        .answers(&[200])
        .says("<title>"),
        target(
            "target-absolute-query-no-path",
            "9110 4.2.3",
            "an empty path is /",
            "http://b?x=y",
        )
        .answers(&[200]),
        target(
            "target-absolute-ipv6",
            "3986 3.2.2",
            "an address",
            "http://[::1]:80/a.txt",
        )
        .answers(&[200]),
        target(
            "target-absolute-empty-host",
            "9110 4.2.1",
            "a URL without a host",
            "http:///a.txt",
        )
        .refused(400, HOST),
        target(
            "target-absolute-only-port",
            "9110 4.2.1",
            "a URL without a host",
            "http://:80/a.txt",
        )
        .refused(400, HOST),
        target(
            "target-absolute-nothing",
            "9110 4.2.1",
            "a URL without a host",
            "http://",
        )
        .refused(400, HOST),
        target(
            "target-absolute-user",
            "9110 4.2.4",
            "a URL with a user",
            "http://user:pass@b/a.txt",
        )
        .refused(400, HOST),
        target(
            "target-absolute-one-slash",
            "9112 3.2.2",
            "no URL",
            "http:/a.txt",
        )
        .refused(400, TARGET),
        target(
            "target-absolute-bad-port",
            "9110 4.2.1",
            "no port",
            "http://b:x/a.txt",
        )
        .refused(400, HOST),
        target(
            "target-absolute-space",
            "9112 3.2",
            "white space in the host",
            "http://b c/a.txt",
        )
        .refused(400, "does not end with one space and HTTP/1.1"),
        target(
            "target-ftp",
            "9112 3.2.2",
            "a URL that is not ours",
            "ftp://b/a.txt",
        )
        .refused(400, TARGET),
        target(
            "target-file",
            "9112 3.2.2",
            "a URL that is not ours",
            "file:///etc/passwd",
        )
        .refused(400, TARGET),
        target(
            "target-https",
            "9110 7.4",
            "https on a connection that is not secured",
            "https://b/a.txt",
        )
        .answers(&[421]),
        target(
            "target-https-case",
            "9110 7.4",
            "https on a connection that is not secured",
            "HTTPS://b/a.txt",
        )
        .answers(&[421]),
        case(
            "target-absolute-wins",
            "9112 3.2.2",
            "the URL's host counts, not that of Host",
            "GET http://b/a.txt HTTP/1.1\r\nHost: other.example:81\r\n\r\n",
        )
        .answers(&[200]),
        case(
            "target-absolute-no-host",
            "9112 3.2",
            "a URL doesn't replace Host",
            "GET http://b/a.txt HTTP/1.1\r\n\r\n",
        )
        .refused(400, MISSING),
        case(
            "target-absolute-bad-host",
            "9112 3.2",
            "a URL doesn't mend Host",
            "GET http://b/a.txt HTTP/1.1\r\nHost: a b\r\n\r\n",
        )
        .refused(400, HOST),
        case(
            "target-absolute-two-hosts",
            "9112 3.2",
            "a URL doesn't mend Host",
            "GET http://b/a.txt HTTP/1.1\r\nHost: b\r\nHost: b\r\n\r\n",
        )
        .refused(400, REPEATED),
        case(
            "target-absolute-1.0",
            "9112 3.2.2",
            "a URL in HTTP/1.0",
            "GET http://b/a.txt HTTP/1.0\r\n\r\n",
        )
        .http10()
        .last(&[200]),
        case(
            "target-options-asterisk",
            "9112 3.2.4",
            "OPTIONS of the whole server",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .answers(&[200])
        .says("Allow: GET, HEAD"),
        case(
            "target-options-url",
            "9112 3.2.4",
            "OPTIONS of the whole server, through a proxy",
            "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .answers(&[200])
        .says("Allow: GET, HEAD"),
        case(
            "target-options-double",
            "9112 3.2.4",
            "no asterisk",
            "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-post-asterisk",
            "9112 3.2.4",
            "* goes with OPTIONS only",
            "POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-connect",
            "9112 3.2.3",
            "CONNECT is known, and not allowed",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        )
        .last(&[405])
        .says("Allow:"),
        case(
            "target-connect-path",
            "9112 3.2.3",
            "CONNECT with a path",
            "CONNECT /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-connect-url",
            "9112 3.2.3",
            "CONNECT with a URL",
            "CONNECT http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-connect-no-port",
            "9110 9.3.6",
            "CONNECT without a port",
            "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-connect-empty-port",
            "9110 9.3.6",
            "CONNECT with an empty port",
            "CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-connect-port-0",
            "9110 9.3.6",
            "CONNECT to port 0",
            "CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-connect-port-over",
            "9110 9.3.6",
            "CONNECT to port 65536",
            "CONNECT a:65536 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "target-connect-body",
            "9110 9.3.6",
            "CONNECT with content",
            "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        )
        .refused(400, "a CONNECT request has no content"),
        case(
            "host-missing",
            "9112 3.2",
            "no Host in HTTP/1.1",
            "GET /a.txt HTTP/1.1\r\n\r\n",
        )
        .refused(400, MISSING),
        case(
            "host-missing-1.2",
            "9112 3.2",
            "no Host in HTTP/1.2",
            "GET /a.txt HTTP/1.2\r\n\r\n",
        )
        .refused(400, MISSING),
        case(
            "host-missing-1.0",
            "9112 3.2",
            "no Host in HTTP/1.0",
            "GET /a.txt HTTP/1.0\r\n\r\n",
        )
        .http10()
        .last(&[200]),
        case(
            "host-twice",
            "9112 3.2",
            "two Hosts",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        )
        .refused(400, REPEATED),
        case(
            "host-twice-equal",
            "9112 3.2",
            "two Hosts that are equal",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        )
        .refused(400, REPEATED),
        case(
            "host-twice-case",
            "9112 3.2",
            "two Hosts in other cases",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: a\r\n\r\n",
        )
        .refused(400, REPEATED),
        case(
            "host-twice-1.0",
            "9112 3.2",
            "two Hosts in HTTP/1.0",
            "GET /a.txt HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        )
        .http10()
        .refused(400, REPEATED),
        case(
            "host-bad-1.0",
            "9112 3.2",
            "a bad Host in HTTP/1.0",
            "GET /a.txt HTTP/1.0\r\nHost: a b\r\n\r\n",
        )
        .http10()
        .refused(400, HOST),
        host(
            "host-empty",
            "9110 4.2.1",
            "an empty Host: an http URL has one",
            "",
        )
        .refused(400, HOST),
    ];
    for (id, what, value) in [
        ("host-port", "a port", "a:8080"),
        ("host-empty-port", "an empty port", "a:"),
        ("host-case", "letters in upper case", "EXAMPLE.com"),
        ("host-dot", "a dot at its end", "a.example."),
        ("host-underscore", "an underscore", "my_host"),
        ("host-ipv4", "an address", "127.0.0.1:80"),
        ("host-ipv6", "an address", "[::1]:80"),
        (
            "host-ipvfuture",
            "an address of a version to come",
            "[v1.a:b]",
        ),
        ("host-percent", "percent-encoded", "a%2db"),
        (
            "host-sub-delims",
            "all that a name may have",
            "a-._~!$&'()*+,;=",
        ),
        ("host-white-space", "white space around it", " \t a \t "),
    ] {
        cases.push(host(id, "3986 3.2.2", what, value).answers(&[200]));
    }
    for (id, what, value) in [
        ("host-space", "white space within", "a b"),
        ("host-tab", "white space within", "a\tb"),
        ("host-list", "a list", "a, b"),
        ("host-path", "a path", "a/b"),
        ("host-url", "a URL", "http://a"),
        ("host-user", "a user", "user@a"),
        ("host-query", "a query", "a?b"),
        ("host-fragment", "a fragment", "a#b"),
        ("host-backslash", "a backslash", "a\\b"),
        ("host-quote", "quoted", "\"a\""),
        ("host-angle", "angle brackets", "<a>"),
        ("host-braces", "braces", "{a}"),
        ("host-high", "not ASCII", "b\u{fc}cher"),
        ("host-only-port", "nothing but a port", ":80"),
        ("host-two-ports", "two ports", "a:80:80"),
        ("host-port-letters", "no port", "a:b"),
        ("host-port-sign", "a signed port", "a:+80"),
        ("host-port-minus", "a negative port", "a:-1"),
        ("host-port-over", "port 65536", "a:65536"),
        ("host-port-space", "white space before the port", "a: 80"),
        ("host-percent-short", "half an escape", "a%2"),
        ("host-percent-bad", "no escape", "a%zz"),
        ("host-ipv6-bare", "an address without brackets", "::1"),
        ("host-ipv6-open", "an open bracket", "[::1"),
        ("host-ipv6-bad", "no address", "[::g]"),
        ("host-ipv6-empty", "an empty bracket", "[]"),
        ("host-ipv6-ipv4", "another kind of address", "[127.0.0.1]"),
        ("host-ipv6-suffix", "a name behind an address", "[::1]a"),
        ("host-ipv6-zone", "a zone", "[fe80::1%25eth0]"),
    ] {
        cases.push(host(id, "9112 3.2", what, value).refused(400, HOST));
    }
    cases.push(
        case(
            "host-nul",
            "9110 5.5",
            "NUL in Host",
            "GET /a.txt HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        )
        .refused(400, "a control character in it"),
    );
    cases.push(
        case(
            "host-colon-space",
            "9112 5.1",
            "white space before the colon of Host",
            "GET /a.txt HTTP/1.1\r\nHost : a\r\n\r\n",
        )
        .refused(
            400,
            "white space between a header field's name and its colon",
        ),
    );
    cases.push(
        case(
            "host-folded",
            "9112 5.2",
            "a folded Host",
            "GET /a.txt HTTP/1.1\r\nHost:\r\n a\r\n\r\n",
        )
        .refused(400, "a line begins with white space"),
    );
    cases
}
