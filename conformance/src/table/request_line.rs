//! RFC 9112 sections 2 and 3: the request line and what stands before it.

use crate::Case;
use crate::case::case;

const METHOD: &str = "the method is not a token";
const VERSION: &str = "does not end with one space and HTTP/1.1";
const TARGET: &str = "the request target is not";

pub(super) fn cases() -> Vec<Case> {
    let line = |id, source, what, line: &str| {
        let sent = format!("{line}\r\nHost: a\r\n\r\n");
        case(id, source, what, sent)
    };
    vec![
        line("line-get", "9112 3", "a request", "GET /a.txt HTTP/1.1")
            .answers(&[200])
            .body("hello\n"),
        line(
            "line-version-1.0",
            "9110 6.2",
            "HTTP/1.0 is answered and closed",
            "GET /a.txt HTTP/1.0",
        )
        .http10()
        .last(&[200])
        .body("hello\n"),
        line(
            "line-version-1.2",
            "9110 2.5",
            "a higher minor version counts as 1.1",
            "GET /echo HTTP/1.2",
        )
        .answers(&[200])
        .body("Echo: GET /echo HTTP/1.1"),
        line(
            "line-version-1.9",
            "9110 2.5",
            "a higher minor version counts as 1.1",
            "GET /a.txt HTTP/1.9",
        )
        .answers(&[200]),
        line(
            "line-version-2.0",
            "9110 15.6.6",
            "a higher major version",
            "GET /a.txt HTTP/2.0",
        )
        .refused(505, "the version is not HTTP/1.0 or HTTP/1.1"),
        line(
            "line-version-3.0",
            "9110 15.6.6",
            "a higher major version",
            "GET /a.txt HTTP/3.0",
        )
        .refused(505, "the version is not"),
        line(
            "line-version-0.9",
            "9110 15.6.6",
            "a lower major version",
            "GET /a.txt HTTP/0.9",
        )
        .refused(505, "the version is not"),
        case(
            "line-preface-h2",
            "9113 3.4",
            "the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        )
        .refused(505, "the version is not"),
        case(
            "line-no-version",
            "9112 3",
            "HTTP/0.9: no version",
            "GET /a.txt\r\n",
        )
        .refused(400, VERSION),
        case(
            "line-no-version-2",
            "9112 3",
            "HTTP/0.9 with fields",
            "GET /a.txt\r\nHost: a\r\n\r\n",
        )
        .refused(400, VERSION),
        line(
            "line-version-lower-case",
            "9112 2.3",
            "the name is case-sensitive",
            "GET /a.txt http/1.1",
        )
        .refused(400, VERSION),
        line(
            "line-version-mixed-case",
            "9112 2.3",
            "the name is case-sensitive",
            "GET /a.txt Http/1.1",
        )
        .refused(400, VERSION),
        line(
            "line-version-two-digits",
            "9112 2.3",
            "one digit each",
            "GET /a.txt HTTP/1.10",
        )
        .refused(400, VERSION),
        line(
            "line-version-two-digits-2",
            "9112 2.3",
            "one digit each",
            "GET /a.txt HTTP/11.1",
        )
        .refused(400, VERSION),
        line(
            "line-version-leading-zero",
            "9112 2.3",
            "one digit each",
            "GET /a.txt HTTP/01.1",
        )
        .refused(400, VERSION),
        line(
            "line-version-no-minor",
            "9112 2.3",
            "no minor version",
            "GET /a.txt HTTP/1",
        )
        .refused(400, VERSION),
        line(
            "line-version-no-minor-2",
            "9112 2.3",
            "no minor version",
            "GET /a.txt HTTP/1.",
        )
        .refused(400, VERSION),
        line(
            "line-version-no-number",
            "9112 2.3",
            "no number",
            "GET /a.txt HTTP/",
        )
        .refused(400, VERSION),
        line(
            "line-version-name",
            "9112 2.3",
            "another protocol",
            "GET /a.txt HTPP/1.1",
        )
        .refused(400, VERSION),
        line(
            "line-version-letter",
            "9112 2.3",
            "no digit",
            "GET /a.txt HTTP/1.x",
        )
        .refused(400, VERSION),
        line(
            "line-version-sign",
            "9112 2.3",
            "a sign",
            "GET /a.txt HTTP/+1.1",
        )
        .refused(400, VERSION),
        line(
            "line-version-comma",
            "9112 2.3",
            "no point",
            "GET /a.txt HTTP/1,1",
        )
        .refused(400, VERSION),
        line(
            "line-version-space",
            "9112 2.3",
            "white space within",
            "GET /a.txt HTTP/ 1.1",
        )
        .refused(400, VERSION),
        line(
            "line-rtsp",
            "9112 2.3",
            "another protocol",
            "GET /a.txt RTSP/1.0",
        )
        .refused(400, VERSION),
        line(
            "line-trailing-space",
            "9112 3",
            "white space at the end",
            "GET /a.txt HTTP/1.1 ",
        )
        .refused(400, VERSION),
        line(
            "line-trailing-tab",
            "9112 3",
            "white space at the end",
            "GET /a.txt HTTP/1.1\t",
        )
        .refused(400, VERSION),
        line(
            "line-trailing-word",
            "9112 3",
            "a fourth word",
            "GET /a.txt HTTP/1.1 x",
        )
        .refused(400, VERSION),
        line(
            "line-trailing-version",
            "9112 3",
            "two versions",
            "GET /a.txt HTTP/1.0 HTTP/1.1",
        )
        .refused(400, VERSION),
        line(
            "line-two-spaces",
            "9112 3",
            "two spaces behind the method",
            "GET  /a.txt HTTP/1.1",
        )
        .refused(400, TARGET),
        line(
            "line-two-spaces-2",
            "9112 3",
            "two spaces behind the target",
            "GET /a.txt  HTTP/1.1",
        )
        .refused(400, VERSION),
        line(
            "line-tab",
            "9112 3",
            "a tab for a space",
            "GET\t/a.txt\tHTTP/1.1",
        )
        .refused(400, METHOD),
        line(
            "line-tab-2",
            "9112 3",
            "a tab for a space",
            "GET /a.txt\tHTTP/1.1",
        )
        .refused(400, TARGET),
        line(
            "line-vt",
            "9112 3",
            "VT for a space",
            "GET /a.txt\x0bHTTP/1.1",
        )
        .refused(400, TARGET),
        line(
            "line-ff",
            "9112 3",
            "FF for a space",
            "GET /a.txt\x0cHTTP/1.1",
        )
        .refused(400, TARGET),
        line(
            "line-cr-space",
            "9112 3",
            "CR for a space",
            "GET /a.txt\rHTTP/1.1",
        )
        .refused(400, VERSION),
        line(
            "line-space-in-target",
            "9112 3.2",
            "white space in the target",
            "GET /a b HTTP/1.1",
        )
        .refused(400, VERSION),
        line("line-no-target", "9112 3", "no target", "GET HTTP/1.1").refused(400, VERSION),
        line(
            "line-no-target-2",
            "9112 3",
            "an empty target",
            "GET  HTTP/1.1",
        )
        .refused(400, TARGET),
        line("line-no-method", "9112 3", "no method", " /a.txt HTTP/1.1").refused(400, METHOD),
        line(
            "line-leading-space",
            "9112 3",
            "white space before the method",
            " GET /a.txt HTTP/1.1",
        )
        .refused(400, METHOD),
        line(
            "line-leading-tab",
            "9112 3",
            "white space before the method",
            "\tGET /a.txt HTTP/1.1",
        )
        .refused(400, METHOD),
        line("line-only-method", "9112 3", "nothing but a method", "GET").refused(400, METHOD),
        line(
            "line-colon",
            "9112 3",
            "a field for a request line",
            "Host: a",
        )
        .refused(400, METHOD),
        case(
            "line-bare-lf",
            "9112 2.2",
            "LF alone behind the request line",
            "GET /a.txt HTTP/1.1\nHost: a\r\n\r\n",
        )
        .refused(400, "a line ends with LF alone"),
        case(
            "line-bare-lf-all",
            "9112 2.2",
            "LF alone all over",
            "GET /a.txt HTTP/1.1\nHost: a\n\n",
        )
        .refused(400, "a line ends with LF alone"),
        case(
            "line-bare-cr",
            "9112 2.2",
            "CR alone behind the request line",
            "GET /a.txt HTTP/1.1\rHost: a\r\n\r\n",
        )
        .refused(400, "a CR is not followed by LF"),
        case(
            "line-cr-cr-lf",
            "9112 2.2",
            "CR CR LF",
            "GET /a.txt HTTP/1.1\r\r\nHost: a\r\n\r\n",
        )
        .refused(400, "a CR is not followed by LF"),
        case(
            "line-lf-cr",
            "9112 2.2",
            "LF CR",
            "GET /a.txt HTTP/1.1\n\rHost: a\n\r\n\r",
        )
        .refused(400, "a line ends with LF alone"),
        case(
            "line-nul",
            "9112 3",
            "NUL in the method",
            "G\0T /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, METHOD),
        case(
            "line-nul-2",
            "9112 3",
            "NUL in the target",
            "GET /a\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, TARGET),
        case(
            "line-nul-3",
            "9112 3",
            "NUL in the version",
            "GET /a.txt HTTP/1.1\0\r\nHost: a\r\n\r\n",
        )
        .refused(400, VERSION),
        case(
            "line-high",
            "9112 2.2",
            "bytes that are not ASCII",
            &b"\xff\xfe\x00G\r\n\r\n"[..],
        )
        .refused(400, METHOD),
        case(
            "line-utf8-method",
            "9112 3.1",
            "a method that is not ASCII",
            "G\u{c9}T /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, METHOD),
        case(
            "line-bom",
            "9112 2.2",
            "a byte order mark",
            "\u{feff}GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, METHOD),
        case(
            "line-tls",
            "9112 2.2",
            "TLS on the plain port",
            &b"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03"[..],
        )
        .refused(400, METHOD),
        case(
            "line-separator",
            "9112 3.1",
            "a separator in the method",
            "G(T /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, METHOD),
        case(
            "line-brace",
            "9112 3.1",
            "a separator in the method",
            "GET{} /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, METHOD),
        case(
            "line-quoted-method",
            "9112 3.1",
            "a quoted method",
            "\"GET\" /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, METHOD),
        case(
            "line-empty-before",
            "9112 2.2",
            "an empty line before",
            "\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .answers(&[200]),
        case(
            "line-empty-before-4",
            "9112 2.2",
            "four empty lines before",
            "\r\n\r\n\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .answers(&[200]),
        case(
            "line-empty-before-5",
            "9112 2.2",
            "five empty lines before",
            "\r\n\r\n\r\n\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, "too many empty lines"),
        case(
            "line-empty-before-head",
            "9112 2.2",
            "five empty lines before a HEAD, which is not reached",
            "\r\n\r\n\r\n\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, "too many empty lines"),
        case(
            "line-empty-cr-head",
            "9112 2.2",
            "CR before a HEAD, which is not reached",
            "\rHEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, "a CR is not followed by LF"),
        case(
            "line-empty-between",
            "9112 2.2",
            "an empty line between two requests",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .answers(&[200, 200]),
        case(
            "line-empty-lf",
            "9112 2.2",
            "an empty line of LF alone",
            "\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, "a line ends with LF alone"),
        case(
            "line-empty-cr",
            "9112 2.2",
            "CR before the request",
            "\rGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, "a CR is not followed by LF"),
        case(
            "line-empty-space",
            "9112 2.2",
            "a line of white space before",
            " \r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .refused(400, METHOD),
        case(
            "line-waits",
            "9112 2.2",
            "half a request line",
            "GET /a.txt HT",
        )
        .waits(&[]),
        case(
            "line-waits-empty",
            "9112 2.2",
            "an empty line and no more",
            "\r\n",
        )
        .waits(&[]),
        case(
            "line-waits-cr",
            "9112 2.2",
            "the CR of the last line",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r",
        )
        .waits(&[]),
        case(
            "line-nothing",
            "9112 9.6",
            "the client ends its side at once",
            "",
        )
        .ends()
        .last(&[]),
        case(
            "line-cut",
            "9112 8",
            "the client ends its side in the request line",
            "GET /a.t",
        )
        .ends()
        .last(&[]),
        case(
            "line-cut-fields",
            "9112 8",
            "the client ends its side in the fields",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n",
        )
        .ends()
        .last(&[]),
    ]
}
