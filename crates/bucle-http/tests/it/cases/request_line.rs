use super::*;

const AFTER: &[u8] = b"\r\nHost: a\r\n\r\n";

#[test]
fn methods() {
    use Error::*;
    check_parts(
        b"",
        b" / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[
            ("9110 9.3", b"GET", ONE),
            ("9110 9.3", b"HEAD", ONE),
            ("9110 9.3", b"POST", ONE),
            ("9110 9.3", b"PUT", ONE),
            ("9110 9.3", b"DELETE", ONE),
            ("9110 9.3", b"OPTIONS", ONE),
            ("9110 9.3", b"TRACE", ONE),
            ("RFC 5789", b"PATCH", ONE),
            ("9110 9.1: any token", b"PROPFIND", ONE),
            ("9110 9.1: case-sensitive, so another method", b"get", ONE),
            ("9110 9.1: any token", b"M-SEARCH", ONE),
            ("9110 5.6.2: all of tchar", b"!#$%&'*+-.^_`|~09aZ", ONE),
            ("9112 3.1: empty", b"", no(Method)),
            ("9112 3: white space before", b" GET", no(Method)),
            ("9112 3: white space before", b"\tGET", no(Method)),
            ("9112 3: white space within", b"GE T", no(Version)),
            ("9112 3: two spaces", b"GET ", no(Target)),
            ("9112 3: HTAB for SP", b"GET\t", no(Method)),
            ("9112 3: VT for SP", b"GET\x0b", no(Method)),
            ("9112 3: FF for SP", b"GET\x0c", no(Method)),
            ("9112 3: no-break space", b"GET\xa0", no(Method)),
            ("NUL", b"G\0T", no(Method)),
            ("CR", b"GET\r", no(Method)),
            ("LF", b"GET\n", no(Method)),
            ("no token", b"GET:", no(Method)),
            ("no token", b"(GET)", no(Method)),
            ("no token", b"G\"T", no(Method)),
            ("no token", b"G/T", no(Method)),
            ("no token", b"G@T", no(Method)),
            ("no token", b"G[T", no(Method)),
            ("no token", b"G{T", no(Method)),
            ("DEL", b"G\x7fT", no(Method)),
            ("not ASCII", b"G\xc3\xa9T", no(Method)),
            (
                "9110 9.3.6: CONNECT needs host:port",
                b"CONNECT",
                no(Target),
            ),
        ],
    );
}

#[test]
fn what_is_no_http_at_all() {
    use Error::*;
    check(&[
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            no(Method),
        ),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", no(Method)),
        ("SOCKS 5", b"\x05\x01\x00", no(Method)),
        ("PROXY protocol 2", b"\r\n\r\n\0\r\nQUIT\n", no(Method)),
        (
            "PROXY protocol 1",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 80\r\n",
            no(Version),
        ),
        (
            "HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            no(UnsupportedVersion),
        ),
        ("an answer", b"HTTP/1.1 200 OK\r\n\r\n", no(Method)),
        ("only spaces", b"   \r\n\r\n", no(Method)),
        ("a NUL", b"\0", no(Method)),
    ]);
}

#[test]
fn targets() {
    use Error::*;
    check_parts(
        b"GET ",
        b" HTTP/1.1\r\nHost: a\r\n\r\n",
        &[
            ("9112 3.2.1", b"/", ONE),
            ("9112 3.2.1", b"/a/b?c=d&e", ONE),
            ("9112 3.2.1", b"/?", ONE),
            ("9112 3.2.1", b"/a?b?c", ONE),
            ("9112 3.2.1", b"//a", ONE),
            ("9112 3.2.1: resolved by whoever serves it", b"/../a", ONE),
            ("RFC 3986: all of pchar", b"/-._~!$&'()*+,;=:@%20", ONE),
            ("WHATWG URL: a lone percent sign", b"/?100%", ONE),
            ("WHATWG URL: sent as they are", b"/[]?{}|\\^`[]", ONE),
            ("9112 3.2.2", b"http://b/", ONE),
            ("9112 3.2.2", b"http://b", ONE),
            ("9112 3.2.2", b"http://b?c", ONE),
            ("9112 3.2.2", b"HTTP://b:8080/c?d", ONE),
            ("9112 3.2.2", b"https://b/c", ONE),
            ("9112 3.2.2", b"http://[::1]:80/c", ONE),
            ("9110 4.2.1: an empty host", b"http:///a", no(Host)),
            ("9110 4.2.1: an empty host", b"http://:80/a", no(Host)),
            ("9110 4.2.4: a user", b"http://user@b/", no(Host)),
            (
                "9110 4.2.4: a user and a password",
                b"http://user:secret@b/",
                no(Host),
            ),
            ("a port too high", b"http://b:65536/", no(Host)),
            ("a backslash in a host", b"http://b\\c/", no(Host)),
            ("another scheme", b"ftp://b/", no(Target)),
            ("another scheme", b"file:///etc/passwd", no(Target)),
            ("another scheme", b"javascript:alert(1)", no(Target)),
            ("no authority", b"http:/a", no(Target)),
            ("no authority", b"http:a", no(Target)),
            ("9112 3.2: a relative path", b"a", no(Target)),
            ("9112 3.2: a relative path", b"../a", no(Target)),
            ("9112 3.2: a query alone", b"?a", no(Target)),
            (
                "9112 3.2.3: authority-form is for CONNECT",
                b"b:80",
                no(Target),
            ),
            ("9112 3.2.4: asterisk-form is for OPTIONS", b"*", no(Target)),
            ("a fragment", b"/a#b", no(Target)),
            ("a quotation mark", b"/\"", no(Target)),
            ("angle brackets", b"/<script>", no(Target)),
            ("white space", b"/a b", no(Version)),
            ("9112 3: two spaces behind it", b"/a ", no(Version)),
            ("HTAB", b"/a\tb", no(Target)),
            ("NUL", b"/a\0b", no(Target)),
            ("DEL", b"/a\x7fb", no(Target)),
            ("not ASCII", b"/\xc3\xa9", no(Target)),
            ("obs-text", b"/\x80", no(Target)),
            ("CR", b"/a\rb", no(Version)),
            ("LF", b"/a\nb", no(Version)),
            ("empty", b"", no(Target)),
        ],
    );
}

#[test]
fn targets_of_options_and_connect() {
    use Error::*;
    check(&[
        ("9112 3.2.4", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ONE),
        ("9112 3.2.4", b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", ONE),
        (
            "9112 3.2.4",
            b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            ONE,
        ),
        (
            "9112 3.2.4",
            b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9112 3.2.4",
            b"OPTIONS *?a HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9112 3.2.3",
            b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            ONE,
        ),
        (
            "9112 3.2.3",
            b"CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n",
            ONE,
        ),
        (
            "9110 9.3.6: no port",
            b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9110 9.3.6: empty port",
            b"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9110 9.3.6: port 0",
            b"CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9110 9.3.6: port too high",
            b"CONNECT a:65536 HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9110 9.3.6: no host",
            b"CONNECT :443 HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9112 3.2.3: a URL",
            b"CONNECT http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9112 3.2.3: a path",
            b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9112 3.2.3: a user",
            b"CONNECT u@a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            no(Target),
        ),
        (
            "9110 9.3.6: content",
            b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            no(ContentInConnect),
        ),
        (
            "9110 9.3.6: content",
            b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            no(ContentInConnect),
        ),
        (
            "9110 9.3.6: what follows may be meant for a tunnel, and is no request",
            b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ONE,
        ),
    ]);
}

#[test]
fn versions() {
    use Error::*;
    check_parts(
        b"GET / ",
        AFTER,
        &[
            ("9112 2.3", b"HTTP/1.1", ONE),
            ("9112 2.3", b"HTTP/1.0", ONE),
            ("9110 2.5: a higher minor version", b"HTTP/1.2", ONE),
            ("9110 2.5: a higher minor version", b"HTTP/1.9", ONE),
            ("9110 15.6.6", b"HTTP/2.0", no(UnsupportedVersion)),
            ("9110 15.6.6", b"HTTP/3.0", no(UnsupportedVersion)),
            ("9110 15.6.6", b"HTTP/0.9", no(UnsupportedVersion)),
            ("9110 15.6.6", b"HTTP/9.9", no(UnsupportedVersion)),
            ("9112 2.3: case-sensitive", b"http/1.1", no(Version)),
            ("9112 2.3: case-sensitive", b"HTTp/1.1", no(Version)),
            ("9112 2.3: one digit", b"HTTP/1.10", no(Version)),
            ("9112 2.3: one digit", b"HTTP/11.1", no(Version)),
            ("9112 2.3: one digit", b"HTTP/01.1", no(Version)),
            ("9112 2.3: a digit", b"HTTP/1.", no(Version)),
            ("9112 2.3: a digit", b"HTTP/1", no(Version)),
            ("9112 2.3: a digit", b"HTTP/", no(Version)),
            ("9112 2.3: a digit", b"HTTP", no(Version)),
            ("9112 2.3: a digit", b"HTTP/1.x", no(Version)),
            ("9112 2.3: a digit", b"HTTP/-1.1", no(Version)),
            ("9112 2.3: a digit", b"HTTP/+1.1", no(Version)),
            ("9112 2.3: a point", b"HTTP/1,1", no(Version)),
            ("9112 2.3: another name", b"HTTQ/1.1", no(Version)),
            ("9112 2.3: another name", b"HTTPS/1.1", no(Version)),
            ("9112 3: white space behind", b"HTTP/1.1 ", no(Version)),
            ("9112 3: white space behind", b"HTTP/1.1\t", no(Version)),
            ("9112 3: white space within", b"HTTP/ 1.1", no(Version)),
            ("9112 3: white space within", b"HTTP /1.1", no(Version)),
            ("9112 3: a word more", b"HTTP/1.1 x", no(Version)),
            (
                "9112 3: a second version",
                b"HTTP/1.1 HTTP/1.1",
                no(Version),
            ),
            ("NUL", b"HTTP/1.1\0", no(Version)),
            ("empty", b"", no(Version)),
        ],
    );
    check(&[
        ("HTTP/0.9", b"GET /\r\n\r\n", no(Version)),
        ("HTTP/0.9", b"GET /\r\n", no(Version)),
        ("HTTP/0.9 and LF", b"GET /\n", no(Version)),
        ("a method alone", b"GET\r\n\r\n", no(Method)),
    ]);
}

#[test]
fn line_ends() {
    use Error::*;
    check(&[
        ("9112 2.2: LF", b"GET / HTTP/1.1\nHost: a\n\n", no(BareLf)),
        (
            "9112 2.2: LF once",
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            no(BareLf),
        ),
        (
            "9112 2.2: LF in fields",
            b"GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n",
            no(BareLf),
        ),
        (
            "9112 2.2: LF at the end",
            b"GET / HTTP/1.1\r\nHost: a\r\n\n",
            no(BareLf),
        ),
        ("9112 2.2: CR", b"GET / HTTP/1.1\rHost: a\r\r", no(BareCr)),
        (
            "9112 2.2: CR in a value",
            b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            no(BareCr),
        ),
        (
            "9112 2.2: CR CR LF",
            b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
            no(BareCr),
        ),
        (
            "9112 2.2: CR CR LF",
            b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
            no(BareCr),
        ),
        (
            "a head cut at CR LF CR x",
            b"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n",
            no(BareCr),
        ),
        ("LF CR", b"GET / HTTP/1.1\n\rHost: a\n\r\n\r", no(BareLf)),
        (
            "9112 2.2: an empty line first",
            b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ONE,
        ),
        (
            "9112 2.2: some",
            b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ONE,
        ),
        (
            "9112 2.2: too many",
            b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n",
            no(EmptyLines),
        ),
        (
            "9112 2.2: an LF first",
            b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            no(BareLf),
        ),
        (
            "9112 2.2: a CR first",
            b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            no(BareCr),
        ),
        (
            "9112 2.2: between requests, as old clients do behind a body",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n\
              GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n",
            Taken(2, b"x"),
        ),
        (
            "a request that is not whole",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r",
            Waits(0),
        ),
        (
            "a request that is not whole",
            b"GET / HTTP/1.1\r\nHost: a",
            Waits(0),
        ),
        ("a request that is not whole", b"G", Waits(0)),
        ("a CR that may begin an empty line", b"\r", Waits(0)),
    ]);
}
