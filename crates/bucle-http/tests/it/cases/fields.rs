use super::*;

const BEFORE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n";
const AFTER: &[u8] = b"\r\n\r\n";

#[test]
fn names() {
    use Error::*;
    check_parts(
        BEFORE,
        AFTER,
        &[
            ("9112 5", b"A: b", ONE),
            ("9112 5.1: no white space", b"A:b", ONE),
            ("9110 5.6.2: all of tchar", b"!#$%&'*+-.^_`|~09aZ: b", ONE),
            (
                "9110 5.1: case-insensitive, kept as sent",
                b"aCCept: b",
                ONE,
            ),
            (
                "an underscore is a token, and nothing else",
                b"Content_Length: 5",
                ONE,
            ),
            (
                "9112 5.1: SP before the colon",
                b"A : b",
                no(SpaceBeforeColon),
            ),
            (
                "9112 5.1: HTAB before the colon",
                b"A\t: b",
                no(SpaceBeforeColon),
            ),
            (
                "9112 5.1, smuggling",
                b"Content-Length : 5",
                no(SpaceBeforeColon),
            ),
            (
                "9112 5.1, smuggling",
                b"Transfer-Encoding : chunked",
                no(SpaceBeforeColon),
            ),
            (
                "9112 5.1, smuggling",
                b"Transfer-Encoding\x0b: chunked",
                no(FieldName),
            ),
            (
                "9112 5.1, smuggling",
                b"Transfer-Encoding\x85: chunked",
                no(FieldName),
            ),
            (
                "9112 5.1, smuggling",
                b"Transfer-Encoding\xa0: chunked",
                no(FieldName),
            ),
            (
                "9112 5.1, smuggling",
                b"Transfer-Encoding\0: chunked",
                no(FieldName),
            ),
            ("9112 5.1: space within", b"A b: c", no(SpaceBeforeColon)),
            ("empty", b": b", no(FieldName)),
            ("empty, without a value", b":", no(FieldName)),
            ("no colon", b"A", no(FieldName)),
            ("no colon", b"A b", no(SpaceBeforeColon)),
            ("no token", b"A\"b: c", no(FieldName)),
            ("no token", b"A(b): c", no(FieldName)),
            ("no token", b"A,b: c", no(FieldName)),
            ("no token", b"A/b: c", no(FieldName)),
            ("no token", b"A;b: c", no(FieldName)),
            ("no token", b"A<b>: c", no(FieldName)),
            ("no token", b"A=b: c", no(FieldName)),
            ("no token", b"A?b: c", no(FieldName)),
            ("no token", b"A@b: c", no(FieldName)),
            ("no token", b"A[b]: c", no(FieldName)),
            ("no token", b"A\\b: c", no(FieldName)),
            ("no token", b"A{b}: c", no(FieldName)),
            ("NUL", b"A\0b: c", no(FieldName)),
            ("DEL", b"A\x7f: c", no(FieldName)),
            ("not ASCII", b"\xc3\xa9: c", no(FieldName)),
            ("a byte order mark", b"\xef\xbb\xbfA: c", no(FieldName)),
            (
                "a request line among the fields",
                b"GET / HTTP/1.1",
                no(SpaceBeforeColon),
            ),
        ],
    );
}

#[test]
fn values() {
    use Error::*;
    check_parts(
        BEFORE,
        AFTER,
        &[
            ("9110 5.5: empty", b"A:", ONE),
            ("9110 5.5: white space only", b"A: \t ", ONE),
            ("9110 5.5: white space around", b"A: \t b c\t ", ONE),
            ("9110 5.5: obs-text", b"A: \x80\xff\xe9", ONE),
            (
                "9110 5.5: all of VCHAR",
                b"A: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
                ONE,
            ),
            ("9110 5.5: HTAB within", b"A: b\tc", ONE),
            ("9110 5.5: NUL", b"A: b\0c", no(FieldValue)),
            ("9110 5.5: NUL first", b"A: \0", no(FieldValue)),
            ("9110 5.5: CTL 01", b"A: \x01", no(FieldValue)),
            ("9110 5.5: BS", b"A: \x08", no(FieldValue)),
            ("9110 5.5: VT", b"A: \x0b", no(FieldValue)),
            ("9110 5.5: FF", b"A: \x0c", no(FieldValue)),
            ("9110 5.5: ESC", b"A: \x1b[0m", no(FieldValue)),
            ("9110 5.5: 1f", b"A: \x1f", no(FieldValue)),
            ("9110 5.5: DEL", b"A: \x7f", no(FieldValue)),
            ("9110 5.5: DEL behind a tab", b"A: \t\x7f", no(FieldValue)),
            ("9112 2.2: CR", b"A: b\rc", no(BareCr)),
            ("9112 2.2: LF", b"A: b\nc: d", no(BareLf)),
        ],
    );
}

#[test]
fn every_control_character_in_a_value_is_refused() {
    for byte in (0..32u8).chain([127]) {
        let outcome = run(&[BEFORE, b"A: 01234567", &[byte], b"89", AFTER].concat());
        match byte {
            b'\t' => assert_eq!(outcome.error(), None),
            b'\r' => assert_eq!(outcome.error(), Some(Error::BareCr)),
            b'\n' => assert_eq!(outcome.error(), Some(Error::BareLf)),
            _ => assert_eq!(outcome.error(), Some(Error::FieldValue), "{byte:#x}"),
        }
    }
}

#[test]
fn folded_lines() {
    use Error::*;
    check(&[
        (
            "9112 5.2",
            b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
            no(LineFolding),
        ),
        (
            "9112 5.2",
            b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc\r\n\r\n",
            no(LineFolding),
        ),
        (
            "9112 5.2: only white space",
            b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n",
            no(LineFolding),
        ),
        (
            "9112 5.2, smuggling",
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
            no(LineFolding),
        ),
        (
            "9112 2.2: behind the request line",
            b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            no(LineFolding),
        ),
        (
            "9112 2.2: behind the request line",
            b"GET / HTTP/1.1\r\n\tTransfer-Encoding: chunked\r\nHost: a\r\n\r\n",
            no(LineFolding),
        ),
    ]);
}

#[test]
fn what_a_head_gives_out() {
    let outcome = run(
        b"PURGE http://b:81/c%20d?e=f?g HTTP/1.1\r\nhOST: a\r\nA:\t b \t\r\nX-Empty:\r\na: \xff\r\n\r\n",
    );
    let requests = outcome.requests();
    let request = requests[0];
    assert_eq!(request.line, "PURGE http://b:81/c%20d?e=f?g HTTP/1.1");
    assert_eq!(
        (&*request.path, request.query.as_deref()),
        ("/c%20d", Some("e=f?g"))
    );
    assert_eq!(
        request.host.as_deref(),
        Some("b:81"),
        "9112 3.2.2: the target's host wins"
    );
    let fields: Vec<(&str, &[u8])> = request
        .fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let expected: &[(&str, &[u8])] = &[
        ("hOST", b"a"),
        ("A", b"b"),
        ("X-Empty", b""),
        ("a", b"\xff"),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn paths_of_all_target_forms() {
    for (line, path, query, host) in [
        ("GET /a?b", "/a", Some("b"), "h"),
        ("GET /a?", "/a", Some(""), "h"),
        ("GET //a", "//a", None, "h"),
        ("GET http://b", "/", None, "b"),
        ("GET http://b?c", "/", Some("c"), "b"),
        ("GET http://b/?c", "/", Some("c"), "b"),
        ("OPTIONS *", "*", None, "h"),
        ("OPTIONS http://b", "*", None, "b"),
        ("OPTIONS http://b/", "/", None, "b"),
        ("CONNECT b:1", "", None, "b:1"),
    ] {
        let outcome = run(format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        let requests = outcome.requests();
        assert_eq!(requests[0].path, path, "{line}");
        assert_eq!(requests[0].query.as_deref(), query, "{line}");
        assert_eq!(requests[0].host.as_deref(), Some(host), "{line}");
    }
}
