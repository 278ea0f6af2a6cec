//! More faults that others had, server by server, as the advisories tell them.

use crate::Case;
use crate::case::{case, chunked, get, post};

const SMUGGLED: &str = "GET /echo?smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = framing();
    cases.extend(chunks());
    cases.extend(heads());
    cases.extend(selecting());
    cases.extend(paths());
    cases
}

/// Where a body ends.
fn framing() -> Vec<Case> {
    let smuggle = |id, known, lines: &str, rest: &str| {
        let rest = format!("{rest}{SMUGGLED}");
        post(id, "9112 11.2", "request smuggling", lines, &rest)
            .lacks("smuggled")
            .known(known)
    };
    let length = "Content-Length is not";
    let coding = "Transfer-Encoding is not";
    let unknown = "no transfer coding";
    let both = "both Content-Length";
    let twice = "more than one Content-Length";
    vec![
        smuggle("cve-apache-2005-2088", "Apache CVE-2005-2088, Twisted CVE-2020-10109, Netty CVE-2019-20445, WEBrick CVE-2024-47220: Content-Length beside Transfer-Encoding",
            "Content-Length: 50\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n").refused(400, both),
        smuggle("cve-tomcat-2005-2090", "Tomcat CVE-2005-2090, Go CVE-2015-5740, Twisted CVE-2020-10108, waitress CVE-2019-16792: Content-Length twice",
            "Content-Length: 0\r\nContent-Length: 0\r\n", "").refused(400, twice),
        smuggle("cve-tomcat-2014-0099", "Tomcat CVE-2014-0099, Jetty CVE-2017-7658: a length that wraps",
            "Content-Length: 4294967296000000000000\r\n", "").refused(400, length),
        smuggle("cve-tomcat-2022-42252", "Tomcat CVE-2022-42252: an invalid length is passed over", "Content-Length: abc\r\n", "").refused(400, length),
        smuggle("cve-node-2018-7159", "Node CVE-2018-7159: white space within a length", "Content-Length: 1 2\r\n", "").refused(400, length),
        smuggle("cve-ats-2021-32565", "Apache Traffic Server CVE-2021-32565: what follows the number", "Content-Length: 0;x\r\n", "").refused(400, length),
        smuggle("cve-haproxy-2023-40225", "HAProxy CVE-2023-40225: an empty length is passed on", "Content-Length: \r\nContent-Length: 38\r\n", "").refused(400, "Content-Length"),
        smuggle("cve-twisted-2022-24801", "Twisted CVE-2022-24801: signs and prefixes", "Content-Length: +0x0\r\n", "").refused(400, length),
        smuggle("cve-go-2015-5739", "Go CVE-2015-5739: white space within a name", "Content Length: 38\r\n", "").refused(400, "white space between"),
        smuggle("cve-haproxy-2021-40346", "HAProxy CVE-2021-40346: a name whose length wraps",
            &format!("Content-Length0{}: \r\nContent-Length: 38x\r\n", "a".repeat(255)), "").refused(400, length),
        smuggle("cve-node-2020-8287", "Node CVE-2020-8287: the second Transfer-Encoding is passed over",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: eee\r\n", "0\r\n\r\n").refused(400, coding),
        smuggle("cve-node-2019-15605", "Node CVE-2019-15605: a coding of which the end is taken", "Transfer-Encoding: chunkedchunked\r\n", "0\r\n\r\n").refused(501, unknown),
        smuggle("cve-tiny-http-2020-35884", "tiny_http RUSTSEC-2020-0031: a coding that is malformed", "Transfer-Encoding: cchunked\r\n", "0\r\n\r\n").refused(501, unknown),
        smuggle("cve-haproxy-2019-18277", "HAProxy CVE-2019-18277: VT before chunked, beside a length",
            "Content-Length: 38\r\nTransfer-Encoding:\x0bchunked\r\n", "").refused(400, "a control character"),
        smuggle("cve-go-2022-1705", "Go CVE-2022-1705: a Transfer-Encoding that is no token", "Transfer-Encoding: chunked\"\r\n", "0\r\n\r\n").refused(400, coding),
        smuggle("cve-puma-2020-11076", "puma CVE-2020-11076, gunicorn CVE-2024-6827: chunked is not the last coding", "Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n").refused(400, coding),
        smuggle("cve-tomcat-2021-33037", "Tomcat CVE-2021-33037: identity behind chunked", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n").refused(400, coding),
        smuggle("cve-webrick-2020-25613", "WEBrick CVE-2020-25613: whatever contains chunked", "Transfer-Encoding: not-chunked-at-all\r\n", "0\r\n\r\n").refused(501, unknown),
        smuggle("cve-netty-2020-7238", "Netty CVE-2020-7238: white space before the colon of Transfer-Encoding, and a length later",
            "Transfer-Encoding : chunked\r\nContent-Length: 38\r\n", "").refused(400, "white space between"),
        smuggle("cve-netty-2019-20444", "Netty CVE-2019-20444: a line without a colon", "Content-Length\r\nX: y\r\n", "").refused(400, "a header line is not"),
        smuggle("cve-netty-2021-43797", "Netty CVE-2021-43797: a control character before a name", "\x1fTransfer-Encoding: chunked\r\n", "0\r\n\r\n").refused(400, "a header line is not"),
        smuggle("cve-node-2022-35256", "Node CVE-2022-35256: a line that ends with CR alone", "X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n").refused(400, "CR is not followed"),
        smuggle("cve-node-2020-8201", "Node CVE-2020-8201: CR in a name becomes a hyphen", "Content\rLength: 38\r\n", "").refused(400, "a header line is not"),
        smuggle("cve-puma-2020-5249", "puma CVE-2020-5249: CR within a value", "X: y\rContent-Length: 38\r\n", "").refused(400, "CR is not followed"),
        smuggle("cve-varnish-2022-45059", "Varnish CVE-2022-45059: Connection names the field that says the length", "Connection: Content-Length\r\nContent-Length: 0\r\n", "")
            .answers(&[200, 200]).says("smuggled").lacks_nothing(),
        case("cve-hyper-2020-35863", "9112 6.3", "request smuggling",
            format!("GET /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2d\r\n{SMUGGLED}\r\n0\r\n\r\n").replace("2d", &format!("{:x}", SMUGGLED.len())))
            .answers(&[200]).lacks("smuggled").known("hyper CVE-2020-35863: the chunked content of GET is the next request"),
        case("cve-jetty-2017-7656", "9112 2.3", "request smuggling", format!("GET /a.txt\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()))
            .refused(400, "does not end with").lacks("smuggled").known("Jetty CVE-2017-7656: HTTP/0.9 with content"),
        case("cve-lighttpd-2022-41556", "9112 8", "a client that ends its side in a body",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").ends().refused(400, "the client ended before")
            .known("lighttpd CVE-2022-41556: such a connection stays for ever"),
        case("cve-tomcat-2025-24813", "9110 14.5", "a part of a file that is put", "PUT /a.txt HTTP/1.1\r\nHost: a\r\nContent-Range: bytes 0-4/6\r\nContent-Length: 5\r\n\r\nHELLO")
            .answers(&[405]).known("Tomcat CVE-2025-24813: a part that is put becomes a file"),
        case("cve-twisted-2023-46137", "9112 9.3.2", "answers out of order",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\noneGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree")
            .answers(&[200, 200, 200]).body("three").known("Twisted CVE-2023-46137: pipelined requests are answered in another order"),
    ]
}

/// Chunks and trailers.
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
    let size = "size is not";
    vec![
        fault("cve-apache-2015-3183", "Apache CVE-2015-3183: white space and more behind a size", "1 x\r\na\r\n0\r\n\r\n").refused(400, "extension is not"),
        fault("cve-jetty-2017-7657", "Jetty CVE-2017-7657: a size of 32 bits that wraps", "1000000000000000b\r\na\r\n0\r\n\r\n").refused(400, size),
        fault("cve-tomcat-2014-0075", "Tomcat CVE-2014-0075: a size that becomes negative", "ffffffffffffffff\r\na\r\n0\r\n\r\n").refused(400, size),
        fault("cve-kestrel-2025-55315", "Kestrel CVE-2025-55315, fasthttp, aiohttp CVE-2024-52304: LF alone in an extension", "1;x\na\r\n0\r\n\r\n").refused(400, "LF alone"),
        fault("cve-kestrel-2025-55315-2", "Kestrel CVE-2025-55315: LF, then CR LF, in an extension", "1;x\nyz\r\na\r\n0\r\n\r\n").refused(400, "LF alone"),
        fault("cve-node-2021-22960", "Node CVE-2021-22960: an extension that is not looked at", "1;\x01\r\na\r\n0\r\n\r\n").refused(400, "extension is not"),
        fault("cve-ats-2021-37147", "Apache Traffic Server CVE-2021-37147: LF ends the last chunk", "1\r\na\r\n0\n\n").refused(400, "LF alone"),
        fault("cve-squid-2023-46846", "Squid CVE-2023-46846: a size with what is no digit", "0x1\r\na\r\n0\r\n\r\n").refused(400, size),
        fault("cve-pound-oversized", "pound: more data than the size says is passed on", "5\r\nAAAAAXXX\r\n0\r\n\r\n").refused(400, "data is not followed"),
        fault("cve-tomcat-2023-45648", "Tomcat CVE-2023-45648, Apache Traffic Server CVE-2024-35161: a trailer that is malformed", "1\r\na\r\n0\r\nX\r\n\r\n").refused(400, "header line is not"),
        fault("cve-aiohttp-2025-53643", "aiohttp CVE-2025-53643: trailers are not looked at", "1\r\na\r\n0\r\nX: \0y\r\n\r\n").refused(400, "a control character"),
        chunked("cve-lighttpd-2025-12642", "9110 6.5.1", "trailers are no header", "1\r\na\r\n0\r\nConnection: close\r\nX-Original-URL: /secret\r\nForwarded: for=127.0.0.1\r\n\r\n")
            .echoes("a").known("lighttpd CVE-2025-12642: trailers are merged into the header"),
        chunked("cve-tomcat-2012-3544", "9112 7.1.1", "faults in chunks", format!("1;{}\r\na\r\n0\r\n\r\n", "e".repeat(100_000)))
            .refused(400, "extensions are too long").known("Tomcat CVE-2012-3544: an extension without end"),
        chunked("cve-tomcat-2023-46589", "9110 5.4", "faults in chunks", format!("1\r\na\r\n0\r\nX: {}\r\n\r\n", "t".repeat(50_000)))
            .refused(431, "trailer section is too long").known("Tomcat CVE-2023-46589: a trailer longer than the limit"),
    ]
}

/// Request lines and fields.
fn heads() -> Vec<Case> {
    let field = |id, what, known, lines: &str| get(id, "9110 5.5", what, lines).known(known);
    let cookies = format!("Cookie: secret={}\r\n", "c".repeat(40_000));
    vec![
        field("cve-lighttpd-2012-5533", "an empty element", "lighttpd CVE-2012-5533: `Connection: TE,,Keep-Alive` is parsed for ever", "Connection: TE,,Keep-Alive\r\n").answers(&[200]),
        field("cve-apache-2017-7668", "a list of nothing", "Apache CVE-2017-7668: the end of a list of tokens is passed", "Connection: ,\r\n").answers(&[200]),
        field("cve-lighttpd-2007-3947", "a field twice", "lighttpd CVE-2007-3947: it crashes", "Location: a\r\nLocation: b\r\n").answers(&[200]),
        field("cve-lighttpd-2014-2323", "a path in a host", "lighttpd CVE-2014-2323, CVE-2014-2324: the host chooses the folder", "").hosted("[::1]/../../etc"),
        field("cve-lighttpd-2014-2323-2", "up in a host", "lighttpd CVE-2014-2324: the host chooses the folder", "").hosted("../../etc"),
        case("cve-mini-httpd-2018-18778", "9112 3.2", "an empty host", "GET /etc/passwd HTTP/1.1\r\nHost:\r\n\r\n")
            .refused(400, "the host is not").lacks("root:").known("mini_httpd CVE-2018-18778: an empty host makes the path one of the system"),
        field("cve-apache-2006-3918", "markup in an expectation", "Apache CVE-2006-3918: it is sent back as it is", "Expect: <script>alert(1)</script>\r\n")
            .refused(417, "no expectation").lacks("<script>"),
        field("cve-apache-2012-0053", "cookies in an error page", "Apache CVE-2012-0053: a field that is too long is sent back", &cookies)
            .refused(431, "the header section is too long").lacks("secret"),
        field("cve-jetty-2015-2080", "memory in an error page", "Jetty CVE-2015-2080: what stands in the buffer is sent back with a bad field", "Cookie: secret\r\nReferer: \0\r\n")
            .refused(400, "a control character").lacks("secret"),
        field("cve-waitress-2020-5236", "a field that takes long to be refused", "waitress CVE-2020-5236: a regular expression that goes back and back", &format!("X: {}\x10\r\n", "x".repeat(8000)))
            .refused(400, "a control character"),
        field("cve-puma-2024-45614", "names folded to variables", "puma CVE-2024-45614: X_Forwarded_For is X-Forwarded-For", "X_Forwarded_For: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n").answers(&[200]),
        field("cve-iis-2000-0778", "a field that asks for the source", "IIS CVE-2000-0778: Translate: f", "Translate: f\r\n").answers(&[200]).body("hello\n"),
        case("cve-tomcat-2016-6816", "9112 3.2", "characters that no target has", "GET /a.txt?{\"x\"} HTTP/1.1\r\nHost: a\r\n\r\n")
            .refused(400, "the request target is not").known("Tomcat CVE-2016-6816, Undertow CVE-2017-2666: they are passed on"),
        case("cve-haproxy-2023-45539", "9112 3.2", "a fragment in the target", "GET /a.png#.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .refused(400, "the request target is not").known("HAProxy CVE-2023-45539: rules are asked about what is behind #"),
        case("cve-apache-2011-4317", "9112 3.2", "a target behind @", "GET @localhost::8880 HTTP/1.1\r\nHost: a\r\n\r\n")
            .refused(400, "the request target is not").known("Apache CVE-2011-4317: such a target is put behind a host"),
        case("cve-apache-2023-25690", "9112 3", "a request within the target", "GET /a.txt%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0aGET%20/echo?smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(&[404]).known("Apache CVE-2023-25690: what is decoded splits the request"),
        case("cve-aiohttp-2023-49081", "9112 2.3", "line breaks in the version", "GET /a.txt HTTP/1.1\nX: y HTTP/1.1\r\nHost: a\r\n\r\n")
            .refused(400, "LF alone").known("aiohttp CVE-2023-49081: the version is not looked at"),
        case("cve-aiohttp-2023-49082", "9112 3.1", "line breaks in the method", "GET\r\nX: y / HTTP/1.1\r\nHost: a\r\n\r\n")
            .refused(400, "the method is not").known("aiohttp CVE-2023-49082: the method is not looked at"),
        case("cve-aiohttp-2024-23829", "9112 2.3", "a version of other digits", "GET /a.txt HTTP/\u{661}.1\r\nHost: a\r\n\r\n")
            .refused(400, "does not end with").known("aiohttp CVE-2024-23829: digits of other scripts"),
        case("cve-apache-2017-9798", "9110 9.3.7", "what OPTIONS tells", "OPTIONS /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(&[200]).says("Allow: GET, HEAD, OPTIONS\r\n").known("Apache CVE-2017-9798 (Optionsbleed): freed memory in Allow"),
        case("cve-nginx-2009-2629", "3986 3.3", "above the root", "GET /x//../../../../x HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(&[400]).known("nginx CVE-2009-2629: dots that go above the beginning of the buffer"),
        case("cve-go-2023-24534", "9110 5.4", "many short fields", format!("GET /a.txt HTTP/1.1\r\nHost: a\r\n{}\r\n", "a:\r\n".repeat(5000)))
            .refused(431, "").known("Go CVE-2023-24534: memory for each of many fields"),
    ]
}

/// What chooses among representations: codings, ranges, types.
fn selecting() -> Vec<Case> {
    let field = |id, what, known, lines: &str| get(id, "9110 12.5", what, lines).known(known);
    let many = |element: &str, count| [element].repeat(count).join(",");
    vec![
        field(
            "cve-http-sys-2021-31166",
            "empty elements of Accept-Encoding",
            "HTTP.sys CVE-2021-31166: a list that ends with nothing",
            "Accept-Encoding: doar-e, ftw, imo, ,\r\n",
        )
        .answers(&[200]),
        field(
            "cve-http-sys-2022-21907",
            "what no coding is called",
            "HTTP.sys CVE-2022-21907: such a list is freed twice",
            &format!("Accept-Encoding: {}, &&**, **, ***, ,\r\n", "A".repeat(500)),
        )
        .answers(&[200]),
        field(
            "cve-jetty-2020-27223",
            "qualities without end",
            "Jetty CVE-2020-27223: a long list of qualities takes minutes",
            &format!("Accept: {}\r\n", many("a/b;q=0.1", 2500)),
        )
        .answers(&[200]),
        field(
            "cve-rack-2024-26146",
            "qualities that are none",
            "Rack CVE-2024-26146: a list of codings that takes long",
            &format!(
                "Accept-Encoding: {}\r\n",
                many("gzip;q=0.0000000001x", 1000)
            ),
        )
        .answers(&[200]),
        field(
            "cve-apache-2005-2728",
            "many ranges",
            "Apache CVE-2005-2728: each takes memory",
            &format!("Range: bytes={}\r\n", many("0-", 5000)),
        )
        .answers(&[200]),
        field(
            "cve-apache-2011-3192-2",
            "Range by its old name",
            "Apache CVE-2011-3192: Request-Range does the same",
            &format!("Request-Range: bytes={}\r\n", many("0-1", 1000)),
        )
        .answers(&[200])
        .body("hello\n"),
        field(
            "cve-rack-2022-44570",
            "a range that takes long to be refused",
            "Rack CVE-2022-44570: a regular expression that goes back and back",
            &format!("Range: bytes={}\r\n", "1".repeat(5000)),
        )
        .answers(&[200]),
        field(
            "cve-go-range-minus",
            "two signs in a suffix",
            "Go before 1.16.6: `bytes=--2` is a part before the file",
            "Range: bytes=--2\r\n",
        )
        .answers(&[200]),
    ]
}

/// Paths to files.
fn paths() -> Vec<Case> {
    let path = |id, what, known, path: &str, status: u16| {
        let sent = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        case(id, "9110 17.3", what, sent)
            .known(known)
            .answers(&[status])
            .lacks("root:")
    };
    vec![
        path(
            "cve-aiohttp-2024-23334",
            "up behind a folder",
            "aiohttp CVE-2024-23334: links are followed, and so are dots",
            "/sub/../../../etc/passwd",
            400,
        ),
        path(
            "cve-starlette-2023-29159",
            "up, to a folder whose name begins as the root's",
            "Starlette CVE-2023-29159, Rack CVE-2025-27610: a prefix is compared, not a path",
            "/../site-other/x",
            400,
        ),
        path(
            "cve-tomcat-2007-0450",
            "up with a backslash",
            "Tomcat CVE-2007-0450: a backslash is a slash behind a proxy",
            "/\\../\\../etc/passwd",
            404,
        ),
        path(
            "cve-jetty-2021-28164",
            "a dot, encoded",
            "Jetty CVE-2021-28164: a rule is asked about the path before it is decoded",
            "/%2e/.hidden",
            400,
        ),
        path(
            "cve-jetty-2021-28169",
            "encoded twice",
            "Jetty CVE-2021-28169: it is decoded twice",
            "/%252ehidden",
            404,
        ),
        path(
            "cve-jetty-2021-34429",
            "an encoded NUL before a dot",
            "Jetty CVE-2021-34429: /%u002e and /.%00/",
            "/.%00/.hidden",
            400,
        ),
        path(
            "cve-jetty-2021-34429-2",
            "an escape of another kind",
            "Jetty CVE-2021-34429: /%u002e",
            "/%u002e/.hidden",
            400,
        ),
        path(
            "cve-lighttpd-2019-11072",
            "an encoded slash alone",
            "lighttpd CVE-2019-11072: it is normalized past its end",
            "/%2F?",
            400,
        ),
        path(
            "cve-lighttpd-2018-19052",
            "up behind a name",
            "lighttpd CVE-2018-19052: an alias without a slash",
            "/sub../.hidden",
            404,
        ),
        path(
            "cve-nginx-2010-2266",
            "up in malformed UTF-8",
            "nginx CVE-2010-2266: it crashes",
            "/%c0.%c0./%c0.%c0./%20",
            404,
        ),
        path(
            "cve-nginx-2010-2263",
            "a stream of another system",
            "nginx CVE-2010-2263, lighttpd: the source instead of what it says",
            "/a.txt::$data",
            404,
        ),
        path(
            "cve-apache-2001-0925",
            "many slashes",
            "Apache CVE-2001-0925: so many that the index is not found",
            &format!("{}sub/", "/".repeat(4000)),
            200,
        ),
        path(
            "cve-http-server-2021-28861",
            "a redirect to another host",
            "CPython CVE-2021-28861, serve-static CVE-2015-1164: a path of two slashes",
            "//evil.example/%2e%2e",
            400,
        ),
        path(
            "cve-http-server-2021-28861-2",
            "a redirect to another host",
            "CPython CVE-2021-28861: a path of two slashes to a folder",
            "//dir?//evil.example/",
            301,
        )
        .says("Location: /dir/?//evil.example/\r\n"),
        path(
            "cve-node-2025-27210",
            "a device of another system",
            "Node CVE-2025-27210: CON, PRN, AUX",
            "/CON/../etc/passwd",
            400,
        ),
        path(
            "cve-spring-2024-38816",
            "up, with a scheme",
            "Spring CVE-2024-38816, CVE-2024-38819: file: in a path",
            "/file:%2f%2f/etc/passwd",
            400,
        ),
        path(
            "cve-go-2022-41722",
            "a drive of another system",
            "Go CVE-2022-41722: a/../c:/b becomes c:\\b",
            "/a/../c:/b",
            400,
        ),
        path(
            "cve-vite-2025-30208",
            "a query that asks for the source",
            "Vite CVE-2025-30208: ?raw?? passes by what is denied",
            "/.hidden?raw??",
            404,
        ),
        path(
            "cve-vite-2025-31125",
            "a query that asks for the source",
            "Vite CVE-2025-31125, CVE-2025-31486: ?.svg",
            "/.hidden?.svg?.wasm?init",
            404,
        ),
    ]
}

impl Case {
    /// What was smuggled is a request by right: the length said so.
    fn lacks_nothing(mut self) -> Case {
        self.lacks.clear();
        self
    }

    /// With this host, which is refused.
    fn hosted(mut self, host: &str) -> Case {
        self.sent = format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        self.refused(400, "the host is not")
    }
}
