//! Faults that other servers and parsers had, each with what was published of it. Many more rows
//! stand in the other topics; these are the requests as they were used.

use crate::Case;
use crate::case::{case, chunked, get, post};

const SMUGGLED: &str = "GET /echo?smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = smuggling();
    cases.extend(chunks());
    cases.extend(fields());
    cases.extend(files());
    cases
}

fn smuggling() -> Vec<Case> {
    let smuggle = |id, known, lines: &str, rest: &str| {
        post(
            id,
            "9112 11.2",
            "request smuggling",
            lines,
            &format!("{rest}{SMUGGLED}"),
        )
        .lacks("smuggled")
        .known(known)
    };
    vec![
        smuggle("fault-cl-te", "CL.TE (Linhart 2005, Kettle 2019): aiohttp CVE-2023-47641",
            "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n").refused(400, "both Content-Length"),
        smuggle("fault-te-cl", "TE.CL (Kettle 2019)",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "27\r\n").refused(400, "both Content-Length"),
        smuggle("fault-te-te", "TE.TE (Kettle 2019): an obfuscated second Transfer-Encoding",
            "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n", "0\r\n\r\n").refused(400, "Transfer-Encoding is not"),
        smuggle("fault-te-x", "Kettle 2019: xchunked",
            "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n").refused(501, "no transfer coding"),
        smuggle("fault-te-space-colon", "white space before the colon (Kettle 2019): Netty CVE-2019-16869, Go CVE-2019-16276, OpenLiteSpeed CVE-2023-40518",
            "Transfer-Encoding : chunked\r\n", "0\r\n\r\n").refused(400, "white space between"),
        post("fault-te-tab", "9112 11.2", "a tab before chunked, which is white space",
            "Transfer-Encoding:\tchunked\r\n", "5\r\nhello\r\n0\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(&[200, 200])
            .known("a tab before chunked (Kettle 2019)"),
        smuggle("fault-te-vt", "VT before chunked (Kettle 2019): waitress CVE-2019-16789",
            "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n").refused(400, "a control character"),
        smuggle("fault-te-lf", "LF alone ends a field: Node CVE-2022-32214, waitress CVE-2019-16785",
            "X: x\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n").refused(400, "LF alone"),
        smuggle("fault-te-folded", "folded (Kettle 2019): Node CVE-2022-32215",
            "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n").refused(400, "begins with white space"),
        smuggle("fault-te-folded-2", "folded behind chunked: Node CVE-2022-32215",
            "Transfer-Encoding: chunked\r\n , identity\r\n", "0\r\n\r\n").refused(400, "begins with white space"),
        smuggle("fault-te-space-first", "white space before the name (Kettle 2019): Node CVE-2024-27982",
            "X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n").refused(400, "begins with white space"),
        smuggle("fault-te-nul", "NUL before chunked", "Transfer-Encoding: \0chunked\r\n", "0\r\n\r\n").refused(400, "a control character"),
        smuggle("fault-te-list", "a list that hides chunked: Node CVE-2022-32213, waitress CVE-2019-16786",
            "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n").refused(400, "Transfer-Encoding is not"),
        smuggle("fault-te-two-lines", "two lines are ignored: tornado GHSA-753j-mpmx-qq6g",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n").refused(400, "Transfer-Encoding is not"),
        smuggle("fault-te-empty-element", "a value that is not checked: gunicorn CVE-2024-1135",
            "Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n").refused(400, "Transfer-Encoding is not"),
        smuggle("fault-te-identity", "identity is passed over: Go before 1.15",
            "Transfer-Encoding: identity\r\n", "0\r\n\r\n").refused(501, "no transfer coding"),
        smuggle("fault-cl-plus", "a sign: hyper CVE-2021-32715, Jetty CVE-2023-40167",
            "Content-Length: +0\r\n", "").refused(400, "Content-Length is not"),
        smuggle("fault-cl-minus", "a sign: tornado GHSA-qppv-j76h-2rpx", "Content-Length: -0\r\n", "")
            .refused(400, "Content-Length is not"),
        smuggle("fault-cl-hex", "0x: waitress CVE-2022-24761", "Content-Length: 0x0\r\n", "")
            .refused(400, "Content-Length is not"),
        smuggle("fault-cl-underscore", "an underscore, as int() of Python: tornado GHSA-qppv-j76h-2rpx", "Content-Length: 0_0\r\n", "")
            .refused(400, "Content-Length is not"),
        smuggle("fault-cl-empty", "an empty one is 0: Go 1.19, Caddy 2.6", "Content-Length:\r\n", "")
            .refused(400, "Content-Length is not"),
        smuggle("fault-cl-cl", "two Content-Length: Apache Traffic Server CVE-2018-8004",
            "Content-Length: 0\r\nContent-Length: 38\r\n", "").refused(400, "more than one Content-Length"),
        smuggle("fault-cl-list", "a list, of which one is taken (Linhart 2005)", "Content-Length: 0, 0\r\n", "")
            .refused(400, "Content-Length is not"),
        smuggle("fault-cl-overflow", "2^64 wraps to 0", "Content-Length: 18446744073709551616\r\n", "")
            .refused(400, "Content-Length is not"),
        smuggle("fault-cl-space-colon", "white space before the colon: Apache CVE-2016-8743", "Content-Length : 38\r\n", "")
            .refused(400, "white space between"),
        smuggle("fault-cl-nul", "a name that is cut at NUL", "Content-Length\0: 38\r\n", "")
            .refused(400, "a header line is not"),
        smuggle("fault-empty-name", "an empty name ends the fields: HAProxy CVE-2023-25725", ": x\r\nContent-Length: 38\r\n", "")
            .refused(400, "a header line is not"),
        smuggle("fault-cr-cut", "CR ends a line: llhttp CVE-2023-30589", "\rX: y\r\n", "").refused(400, "CR is not followed"),
        smuggle("fault-lf-lf", "LF LF ends the fields: nginx 1.22, waitress CVE-2019-16785", "X: y\n\nX: z\r\n", "").refused(400, "LF alone"),
        case("fault-te-1.0", "9112 6.1", "request smuggling",
            format!("POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"))
            .http10()
            .refused(400, "HTTP/1.0 has no")
            .lacks("smuggled")
            .known("Transfer-Encoding is ignored in HTTP/1.0: Go 1.19, Caddy 2.6"),
        case("fault-get-body", "9112 9.3", "request smuggling",
            format!("GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .answers(&[200])
            .lacks("smuggled")
            .known("CL.0 (Kettle 2022): content of GET is the next request"),
        case("fault-405-body", "9112 9.3", "request smuggling",
            format!("POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .answers(&[405])
            .lacks("smuggled")
            .known("content of a refused request is the next one: Apache CVE-2022-22720"),
        case("fault-404-body", "9112 9.3", "request smuggling",
            format!("GET /missing HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .answers(&[404])
            .lacks("smuggled")
            .known("nginx CVE-2019-20372: content of an error page's request is the next one"),
        case("fault-redirect-body", "9112 9.3", "request smuggling",
            format!("GET /dir HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .answers(&[301])
            .lacks("smuggled")
            .known("CL.0 (Kettle 2022): content of a redirect's request is the next one"),
        case("fault-head-body", "9112 9.3", "request smuggling",
            format!("HEAD /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .head(0)
            .answers(&[200])
            .known("CL.0: content of HEAD is the next request"),
        case("fault-expect-body", "9110 10.1.1", "request smuggling",
            format!("POST /a.txt HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .known("0.CL by Expect (Kettle 2025): an early answer leaves the content")
            .last(&[405])
            .lacks("smuggled"),
        case("fault-expect-obfuscated", "9110 10.1.1", "request smuggling",
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: y 100-continue\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .known("0.CL by an obfuscated Expect (Kettle 2025)")
            .refused(417, "no expectation")
            .lacks("smuggled"),
        case("fault-connect-pipeline", "9110 9.3.6", "request smuggling",
            format!("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"))
            .known("what follows CONNECT is the next request")
            .last(&[405])
            .lacks("smuggled"),
        case("fault-upgrade-h2c", "9110 7.8", "request smuggling",
            format!("GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n{SMUGGLED}"))
            .known("h2c smuggling (Bishop Fox 2020)")
            .answers(&[200, 200]),
        case("fault-close-pipeline", "9112 9.6", "a request behind close",
            format!("GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{SMUGGLED}"))
            .known("actix-http: requests behind Connection: close are answered")
            .last(&[200])
            .lacks("smuggled"),
        case("fault-head-pipeline", "9110 9.3.2", "a body in the answer to HEAD",
            "HEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .known("actix-http: the answer to a pipelined HEAD has a body")
            .head(0)
            .head(1)
            .answers(&[200, 200]),
        case("fault-pipeline-error", "9112 9.3.2", "answers before a bad request are lost",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n\0").known("Node 20: the answers before a bad pipelined request are dropped")
            .last(&[200, 400]),
        case("fault-half-close", "9112 9.6", "a client that ends its side gets no answer",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .known("Node 20: no answers to a half-closed client")
            .ends()
            .last(&[200, 200]),
    ]
}

fn chunks() -> Vec<Case> {
    let fault = |id, known, body: &str| {
        chunked(
            id,
            "9112 7.1",
            "faults in chunks",
            format!("{body}{SMUGGLED}"),
        )
        .lacks("smuggled")
        .known(known)
    };
    vec![
        fault("fault-chunk-crlf", "h11 CVE-2025-43859: the two bytes behind the data are not looked at", "1\r\naXX0\r\n\r\n")
            .refused(400, "data is not followed"),
        fault("fault-chunk-prefix", "protocol-http1 CVE-2023-38697, aiohttp, WEBrick: 0x", "0x1\r\na\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-plus", "protocol-http1 CVE-2023-38697, gunicorn: a sign", "+1\r\na\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-minus", "a negative size: Apache CVE-2002-0392", "-1\r\na\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-sign-bit", "negative as a signed number: Apache CVE-2002-0392, nginx CVE-2013-2028",
            "fffffffffffffffe\r\na\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-wrap", "2^64 + 1 wraps to 1: hyper CVE-2021-32714", "10000000000000001\r\na\r\n0\r\n\r\n")
            .refused(400, "size is not"),
        fault("fault-chunk-wrap-32", "2^32 + 1 wraps to 1; it is more than a body may have", "100000001\r\na\r\n0\r\n\r\n").last(&[413]),
        fault("fault-chunk-underscore", "an underscore, as int() of Python: tornado GHSA-qppv-j76h-2rpx", "1_0\r\n0123456789abcdef\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-space", "white space behind the size, as strtol() takes it", "1 \r\na\r\n0\r\n\r\n").refused(400, "extension is not"),
        fault("fault-chunk-space-before", "white space before the size, as strtol() takes it", " 1\r\na\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-empty", "an empty size is 0, as strtol() has it", "\r\na\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-garbage", "what follows the digits is passed over, as strtol() does", "1zz\r\na\r\n0\r\n\r\n").refused(400, "size is not"),
        fault("fault-chunk-term-ext", "funky chunks 2025, TERM.EXT: LF ends the extension: Netty CVE-2025-58056", "1;\na\r\n0\r\n\r\n").refused(400, "LF alone"),
        fault("fault-chunk-ext-term", "funky chunks 2025, EXT.TERM: LF is part of the extension", "1;a\nb\r\na\r\n0\r\n\r\n").refused(400, "LF alone"),
        fault("fault-chunk-ext-cr", "funky chunks 2025: CR is part of the extension", "1;a\rb\r\na\r\n0\r\n\r\n").refused(400, "CR is not followed"),
        fault("fault-chunk-ext-quoted", "funky chunks 2025: CR LF within quotes", "1;a=\"\r\na\r\n0\r\n\r\n\"\r\n").refused(400, "extension is not"),
        fault("fault-chunk-term-spill", "funky chunks 2025, TERM.SPILL: LF behind the data", "1\r\na\n0\r\n\r\n").refused(400, "data is not followed"),
        fault("fault-chunk-spill", "funky chunks 2025, SPILL: more data than said", "1\r\nabc\r\n0\r\n\r\n").refused(400, "data is not followed"),
        fault("fault-chunk-one-two", "funky chunks 2025, ONE.TWO: one byte for CR LF", "1\r\naX0\r\n\r\n").refused(400, "data is not followed"),
        fault("fault-chunk-zero-two", "funky chunks 2025, ZERO.TWO: nothing for CR LF", "1\r\na0\r\n\r\n").refused(400, "data is not followed"),
        fault("fault-chunk-lf", "LF behind the size: Go CVE-2025-22871", "1\na\r\n0\r\n\r\n").refused(400, "LF alone"),
        fault("fault-chunk-cr", "CR behind the size", "1\ra\r\n0\r\n\r\n").refused(400, "CR is not followed"),
        fault("fault-chunk-ext-nul", "nginx 1.22: NUL in a chunk's line", "1;a=\0\r\na\r\n0\r\n\r\n").refused(400, "extension is not"),
        fault("fault-chunk-trailer-length", "framing in the trailers is merged", "1\r\na\r\n0\r\nContent-Length: 38\r\n\r\n").refused(400, "among the trailers"),
        fault("fault-chunk-trailer-lf", "trailers that are not parsed: puma CVE-2023-40175", "1\r\na\r\n0\r\nX: y\n\n").refused(400, "LF alone"),
        chunked("fault-chunk-ext-flood", "9112 7.1.1", "faults in chunks", format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "e".repeat(2000)).repeat(10)))
            .known("extensions without a bound: Go CVE-2023-39326, Node CVE-2024-22019, puma CVE-2024-21647")
            .refused(400, "the chunk extensions are too long"),
    ]
}

fn fields() -> Vec<Case> {
    let fault = |id, what, known, lines: &str| get(id, "9110 5.5", what, lines).known(known);
    vec![
        fault("fault-nbsp", "white space of Python", "aiohttp CVE-2023-47627, gunicorn: str.strip() takes 0xA0 and 0x85 away", "Content-Length: \u{a0}0\r\n")
            .refused(400, "Content-Length is not"),
        fault("fault-name-nbsp", "white space of Python", "aiohttp GHSA-gfw2: str.strip() on names", "Content-Length\u{a0}: 0\r\n")
            .refused(400, "a header line is not"),
        fault("fault-digits", "digits of Python", "aiohttp CVE-2023-47627, tornado: str.isdigit() takes other scripts", "Content-Length: \u{b9}\r\n")
            .refused(400, "Content-Length is not"),
        fault("fault-underscore", "names folded to variables", "CGI, WSGI, waitress CVE-2022-24761: Content_Length is Content-Length", "Content_Length: 5\r\n")
            .answers(&[200]),
        fault("fault-kelvin", "letters that fold to others", "K (Kelvin) folds to k in Unicode", "Transfer-Encoding: chun\u{212a}ed\r\n")
            .refused(400, "Transfer-Encoding is not"),
        fault("fault-shellshock", "a value is no code", "bash CVE-2014-6271", "User-Agent: () { :;}; echo vulnerable\r\n").answers(&[200]).lacks("vulnerable"),
        fault("fault-log4shell", "a value is no code", "log4j CVE-2021-44228", "User-Agent: ${jndi:ldap://127.0.0.1/a}\r\n").answers(&[200]),
        fault("fault-proxy", "httpoxy", "CGI, Go, PHP CVE-2016-5385: Proxy is taken for HTTP_PROXY", "Proxy: http://evil.example\r\n").answers(&[200]),
        fault("fault-hop-by-hop", "a field taken away by Connection", "Apache CVE-2022-31813: Connection names a field that is to stay", "Connection: close, X-Forwarded-For, Host\r\n")
            .last(&[200]),
        fault("fault-header-split", "a field within a value", "CR CR LF ends a field", "X: a\r\r\nY: b\r\n").refused(400, "CR is not followed"),
        fault("fault-accept-language", "a value with a NUL", "a value that is cut at NUL", "Accept-Language: a\0\r\n").refused(400, "a control character"),
        case("fault-uri-space", "9112 3.2", "white space in the target", "GET /a.txt \0.php HTTP/1.1\r\nHost: a\r\n\r\n")
            .known("nginx CVE-2013-4547: white space that is not escaped")
            .refused(400, "does not end with one space"),
        case("fault-method-space", "9112 3", "a request line of one word", "/a.txt\r\n\r\n").known("Apache CVE-2016-8743: lax request lines")
            .refused(400, "the method is not a token"),
        case("fault-absolute-host", "9112 3.2.2", "two hosts", "GET http://a/echo HTTP/1.1\r\nHost: evil@b\r\n\r\n")
            .known("host header attacks (Kettle 2013): one server trusts the one, another the other")
            .refused(400, "the host is not"),
        case("fault-two-hosts", "9112 3.2", "two hosts", "GET /a.txt HTTP/1.1\r\nHost: a\r\nHost: evil\r\n\r\n")
            .known("host of troubles (Chen 2016)")
            .refused(400, "more than one Host"),
        case("fault-space-host", "9112 3.2", "a host behind white space", "GET /a.txt HTTP/1.1\r\n Host: evil\r\nHost: a\r\n\r\n")
            .known("host of troubles (Chen 2016): white space before the first field")
            .refused(400, "begins with white space"),
        case("fault-scheme", "9112 3.2.2", "a URL that is not of HTTP", "GET test://evil/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .known("host of troubles (Chen 2016): a scheme that is not known")
            .refused(400, "the request target is not"),
        case("fault-internal", "9112 3.2", "a target behind @", "GET @internal/secret HTTP/1.1\r\nHost: a\r\n\r\n")
            .known("Apache CVE-2011-3368: a target without its slash is put behind the host")
            .refused(400, "the request target is not"),
        case("fault-websocket-version", "9110 7.8", "an upgrade that is not taken",
            format!("GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n{SMUGGLED}"))
            .known("websocket smuggling (Egorov 2019): a tunnel is opened though the upgrade failed")
            .answers(&[200, 200]),
    ]
}

fn files() -> Vec<Case> {
    let file = |id, what, known, path: &str, status: u16| {
        case(
            id,
            "9110 17.3",
            what,
            format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .known(known)
        .answers(&[status])
        .lacks("root:")
    };
    let range = |id, what, known, range: &str| {
        get(id, "9110 14.2", what, &format!("Range: {range}\r\n"))
            .known(known)
            .lacks("root:")
    };
    let killer: Vec<_> = (0..1300).map(|n| format!("5-{n}")).collect();
    vec![
        file(
            "fault-apache-2021",
            "up, encoded",
            "Apache CVE-2021-41773",
            "/icons/.%2e/%2e%2e/%2e%2e/etc/passwd",
            400,
        ),
        file(
            "fault-apache-2021-2",
            "up, encoded twice",
            "Apache CVE-2021-42013",
            "/icons/.%%32%65/.%%32%65/etc/passwd",
            400,
        ),
        file(
            "fault-alias",
            "up behind a prefix",
            "nginx: alias without a slash",
            "/static../a.txt",
            404,
        ),
        file(
            "fault-iis-unicode",
            "overlong slash",
            "IIS CVE-2000-0884",
            "/dir/..%c0%af../a.txt",
            404,
        ),
        file(
            "fault-iis-double",
            "decoded twice",
            "IIS CVE-2001-0333",
            "/dir/..%255c../a.txt",
            404,
        ),
        file(
            "fault-tomcat-semicolon",
            "a path parameter",
            "Tomcat, Spring: /..;/",
            "/..;/etc/passwd",
            404,
        ),
        file(
            "fault-node-static",
            "up, with backslashes",
            "backslashes taken for slashes",
            "/..%5c..%5cetc/passwd",
            404,
        ),
        file(
            "fault-grafana",
            "up, through a folder",
            "Grafana CVE-2021-43798, aiohttp CVE-2024-23334",
            "/dir/../../../../etc/passwd",
            400,
        ),
        file(
            "fault-symlink",
            "a link that leads out",
            "aiohttp CVE-2024-23334 (follow_symlinks), static servers",
            "/link-etc/passwd",
            404,
        ),
        file(
            "fault-nul-ending",
            "a NUL before another ending",
            "a name that is cut at NUL",
            "/a.txt%00.php",
            400,
        ),
        file(
            "fault-open-redirect",
            "another host",
            "// redirects to a host: Django CVE-2018-14574, static-web-server",
            "//dir",
            301,
        )
        .says("Location: /dir/\r\n"),
        file(
            "fault-open-redirect-2",
            "another host, with a backslash",
            "an open redirect: Caddy CVE-2022-28923",
            "/%5cdir",
            404,
        ),
        file(
            "fault-redirect-split",
            "a line break in the redirect",
            "nginx $uri in return, Flask: CRLF in Location",
            "/dir%0d%0aSet-Cookie:x",
            404,
        )
        .lacks("Set-Cookie"),
        file(
            "fault-xss",
            "markup in an error page",
            "Apache CVE-2007-6203",
            "/%3Cscript%3Ealert(1)%3C/script%3E",
            404,
        )
        .lacks("<script>"),
        file(
            "fault-fifo",
            "a FIFO",
            "opening a FIFO stalls the server",
            "/fifo",
            404,
        ),
        range(
            "fault-range-killer",
            "1,300 ranges that overlap",
            "Apache killer CVE-2011-3192",
            &format!("bytes=0-,{}", killer.join(",")),
        )
        .answers(&[200]),
        range(
            "fault-range-overflow",
            "a suffix that overflows",
            "nginx CVE-2017-7529",
            "bytes=-17208,-9223372036854758792",
        )
        .answers(&[206])
        .says("Content-Range: bytes 0-5/6\r\n"),
        range(
            "fault-range-http-sys",
            "the largest number there is",
            "HTTP.sys CVE-2015-1635",
            "bytes=0-18446744073709551615",
        )
        .answers(&[206])
        .says("Content-Range: bytes 0-5/6\r\n"),
        range(
            "fault-range-reverse",
            "a range that ends before it begins",
            "a length below zero",
            "bytes=5-2",
        )
        .answers(&[200]),
        range(
            "fault-range-redos",
            "white space without end",
            "Rack CVE-2024-26141, Starlette CVE-2025-62727",
            &format!("bytes={}0-1", " ".repeat(5000)),
        )
        .answers(&[206])
        .says("Content-Range: bytes 0-1/6\r\n"),
        range(
            "fault-range-unit",
            "a unit that nobody knows",
            "RFC 9110 section 14.2",
            "lines=0-1",
        )
        .answers(&[200]),
        range(
            "fault-range-commas",
            "elements without anything",
            "a list that costs more than it says",
            &format!("bytes={}", ",".repeat(5000)),
        )
        .answers(&[200]),
    ]
}
