//! RFC 9110 sections 8.4, 12.4.2, 12.5.3 and 12.5.5: content codings. `count.txt` is text that is worth
//! compressing; nothing lies beside it.

use crate::Case;
use crate::case::case;

const VARIES: &str = "Vary: Accept-Encoding\r\n";

fn asked(
    method: &str,
    id: &'static str,
    source: &'static str,
    what: &'static str,
    lines: &str,
) -> Case {
    let sent = format!("{method} /count.txt HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    case(id, source, what, sent)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let coded = [
        ("coding-gzip", "9110 12.5.3", "one coding", "gzip", "gzip"),
        ("coding-br", "9110 12.5.3", "another", "br", "br"),
        ("coding-case", "9110 8.4.1", "in capitals", "GZIP", "gzip"),
        (
            "coding-x-gzip",
            "9110 8.4.1.3",
            "by its old name",
            "x-gzip",
            "gzip",
        ),
        (
            "coding-weights",
            "9110 12.4.2",
            "the one liked better",
            "br;q=0.8, gzip;q=0.9",
            "gzip",
        ),
        (
            "coding-weight-least",
            "9110 12.4.2",
            "the least weight",
            "gzip;q=0.001",
            "gzip",
        ),
        (
            "coding-weight-space",
            "9110 12.4.2",
            "white space around a weight",
            "gzip ; q=1",
            "gzip",
        ),
        (
            "coding-weight-capital",
            "9110 12.4.2",
            "a weight in capitals",
            "gzip;Q=1",
            "gzip",
        ),
        (
            "coding-empty-elements",
            "9110 5.6.1.2",
            "empty elements",
            ",, gzip,,",
            "gzip",
        ),
        ("coding-any", "9110 12.5.3", "any coding", "*", "br"),
        (
            "coding-any-but",
            "9110 12.5.3",
            "any coding but one",
            "*, br;q=0",
            "gzip",
        ),
        (
            "coding-none-but",
            "9110 12.5.3",
            "no coding but one",
            "*;q=0, gzip",
            "gzip",
        ),
        (
            "coding-no-identity",
            "9110 12.5.3",
            "none refused, one taken",
            "identity;q=0, gzip",
            "gzip",
        ),
        (
            "coding-unknown-too",
            "9110 12.5.3",
            "one that nobody knows, too",
            "x-foo, gzip",
            "gzip",
        ),
    ];
    for (id, source, what, value, coding) in coded {
        let lines = format!("Accept-Encoding: {value}\r\n");
        let case = asked("GET", id, source, what, &lines);
        cases.push(
            case.answers(&[200])
                .says(&format!("Content-Encoding: {coding}\r\n"))
                .says(VARIES),
        );
    }
    let plain = [
        ("coding-absent", "9110 12.5.3", "nothing said", ""),
        (
            "coding-empty",
            "9110 12.5.3",
            "an empty value",
            "Accept-Encoding:\r\n",
        ),
        (
            "coding-identity",
            "9110 12.5.3",
            "identity",
            "Accept-Encoding: identity\r\n",
        ),
        (
            "coding-identity-liked",
            "9110 12.4.2",
            "identity liked better",
            "Accept-Encoding: identity, gzip;q=0.5\r\n",
        ),
        (
            "coding-refused",
            "9110 12.4.2",
            "a weight of 0",
            "Accept-Encoding: gzip;q=0\r\n",
        ),
        (
            "coding-refused-3",
            "9110 12.4.2",
            "a weight of 0 with decimals",
            "Accept-Encoding: gzip;q=0.000\r\n",
        ),
        (
            "coding-any-refused",
            "9110 12.5.3",
            "all refused",
            "Accept-Encoding: *;q=0\r\n",
        ),
        (
            "coding-unknown",
            "9110 12.5.3",
            "one that nobody knows",
            "Accept-Encoding: x-foo\r\n",
        ),
        (
            "coding-weight-over",
            "9110 12.4.2",
            "a weight over 1",
            "Accept-Encoding: gzip;q=1.001\r\n",
        ),
        (
            "coding-weight-none",
            "9110 12.4.2",
            "a weight that is none",
            "Accept-Encoding: gzip;q=a\r\n",
        ),
        (
            "coding-nothing-left",
            "9110 12.5.3",
            "identity refused, and nothing taken: as it is",
            "Accept-Encoding: identity;q=0\r\n",
        ),
    ];
    for (id, source, what, lines) in plain {
        let case = asked("GET", id, source, what, lines);
        cases.push(
            case.answers(&[200])
                .says("Content-Length: 2000\r\n")
                .says(VARIES)
                .lacks("Content-Encoding"),
        );
    }
    let gzip = "Accept-Encoding: gzip\r\n";
    let lines = |more: &str| format!("{gzip}{more}");
    cases.extend([
        asked(
            "GET",
            "coding-lines",
            "9110 5.3",
            "two lines are one list",
            "Accept-Encoding: br;q=0.1\r\nAccept-Encoding: gzip\r\n",
        )
        .answers(&[200])
        .says("Content-Encoding: gzip\r\n")
        .says(VARIES),
        asked(
            "HEAD",
            "coding-head",
            "9110 9.3.2",
            "HEAD has the coding of GET",
            gzip,
        )
        .head(0)
        .answers(&[200])
        .says("Content-Encoding: gzip\r\n")
        .says(VARIES),
        asked(
            "GET",
            "coding-304",
            "9110 15.4.5",
            "304 varies as 200 does",
            &lines("If-None-Match: *\r\n"),
        )
        .answers(&[304])
        .says(VARIES)
        .says("ETag: ")
        .lacks("Content-Encoding"),
        asked(
            "GET",
            "coding-412",
            "9110 12.5.5",
            "the coding's own tag decides, so 412 varies",
            &lines("If-Match: \"x\"\r\n"),
        )
        .answers(&[412])
        .says(VARIES),
        asked(
            "GET",
            "coding-206",
            "9110 15.3.7",
            "a part of what is coded",
            &lines("Range: bytes=0-9\r\n"),
        )
        .answers(&[206])
        .says("Content-Encoding: gzip\r\n")
        .says(VARIES)
        .says("Content-Length: 10\r\n"),
        asked(
            "GET",
            "coding-416",
            "9110 12.5.5",
            "the coded length decides, so 416 varies",
            &lines("Range: bytes=1999-\r\n"),
        )
        .answers(&[416])
        .says(VARIES)
        .says("Content-Range: bytes */"),
        asked(
            "GET",
            "coding-if-range",
            "9110 13.1.5",
            "a part of what is not coded, with its tag, to who takes the coding",
            &lines("Range: bytes=0-9\r\nIf-Range: @ETAG@\r\n"),
        )
        .answers(&[200])
        .says("Content-Encoding: gzip\r\n")
        .lacks("Content-Range"),
        asked(
            "GET",
            "coding-none-match",
            "9110 8.8.3.3",
            "the tag of what is not coded, to who takes the coding",
            &lines("If-None-Match: @ETAG@\r\n"),
        )
        .answers(&[200])
        .says("Content-Encoding: gzip\r\n"),
    ]);
    cases
}
