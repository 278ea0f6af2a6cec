//! RFC 9110 sections 13.1.5, 14 and 15.3.7: parts of a file. `count.txt` has 400 lines of 5 bytes, from
//! `0000` to `0399`, and was last modified on 9 September 2001.

use crate::Case;
use crate::case::{ETAG, case};

const THEN: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

/// Files with more than this between two ranges get a part for each.
const GAP: usize = 128;

/// Ranges in one request that are answered one by one.
const RANGES: usize = 32;

fn of(id: &'static str, source: &'static str, what: &'static str, path: &str, lines: &str) -> Case {
    let sent = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    case(id, source, what, sent)
}

fn range(id: &'static str, what: &'static str, value: &str) -> Case {
    let lines = format!("Range: {value}\r\n");
    of(id, "9110 14.2", what, "/count.txt", &lines)
}

impl Case {
    /// 206 with one part, these bytes of `count.txt`.
    fn part(self, first: usize, last: usize) -> Case {
        let whole: String = (0..400).map(|n| format!("{n:04}\n")).collect();
        self.answers(&[206])
            .says(&format!("Content-Range: bytes {first}-{last}/2000\r\n"))
            .says("ETag: ")
            .says("Last-Modified: ")
            .lacks("multipart")
            .body(&whole[first..=last])
    }

    /// 200 with the whole file.
    fn whole(self) -> Case {
        self.answers(&[200])
            .says("Content-Length: 2000\r\n")
            .lacks("Content-Range")
    }

    /// 416, which says how long `count.txt` is.
    fn unsatisfied(self) -> Case {
        self.answers(&[416])
            .says("Content-Range: bytes */2000\r\n")
            .lacks("0399")
    }

    /// 206 with several parts, each of which begins and ends so.
    fn parts(self, parts: &[(&str, &str)]) -> Case {
        let case = self
            .answers(&[206])
            .says("Content-Type: multipart/byteranges; boundary=")
            .says("--\r\n");
        parts.iter().fold(case, |case, (range, content)| {
            case.says(&format!(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/2000\r\n\r\n{content}\r\n--"
            ))
        })
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        of(
            "range-offered",
            "9110 14.3",
            "a file says that it has ranges",
            "/count.txt",
            "",
        )
        .whole()
        .says("Accept-Ranges: bytes\r\n"),
        range("range-first", "the first bytes", "bytes=0-4").part(0, 4),
        range("range-one", "one byte", "bytes=0-0").part(0, 0),
        range("range-within", "a part of the middle", "bytes=1000-1004").part(1000, 1004),
        range("range-last", "the last byte", "bytes=1999-1999").part(1999, 1999),
        range("range-from", "up to the end", "bytes=1995-").part(1995, 1999),
        range("range-from-0", "from the beginning to the end", "bytes=0-").part(0, 1999),
        range("range-suffix", "the last bytes", "bytes=-5").part(1995, 1999),
        range(
            "range-suffix-all",
            "as many last bytes as there are",
            "bytes=-2000",
        )
        .part(0, 1999),
        range(
            "range-suffix-more",
            "more last bytes than there are",
            "bytes=-5000",
        )
        .part(0, 1999),
        range(
            "range-suffix-overflow",
            "more than any number holds",
            "bytes=-99999999999999999999999",
        )
        .part(0, 1999),
        range(
            "range-over",
            "it ends behind the file's end",
            "bytes=1995-5000",
        )
        .part(1995, 1999),
        range(
            "range-overflow",
            "it ends behind any number",
            "bytes=1995-99999999999999999999999",
        )
        .part(1995, 1999),
        range(
            "range-overflow-64",
            "it ends at 2^64-1",
            "bytes=1995-18446744073709551615",
        )
        .part(1995, 1999),
        range("range-zeros", "leading zeros", "bytes=000000-0000000004").part(0, 4),
        range("range-unit-case", "units are case-insensitive", "BYTES=0-4").part(0, 4),
        range(
            "range-space",
            "white space around an element",
            "bytes= 0-4 ",
        )
        .part(0, 4),
        range("range-tab", "a tab before an element", "bytes=\t0-4").part(0, 4),
        range(
            "range-empty-elements",
            "empty elements of a list",
            "bytes=,, 0-4 ,",
        )
        .part(0, 4),
        range(
            "range-list-one",
            "what is behind the end is left out",
            "bytes=0-4,5000-",
        )
        .part(0, 4),
        range(
            "range-list-suffix-0",
            "no last bytes are left out",
            "bytes=0-4,-0",
        )
        .part(0, 4),
        range(
            "range-equal",
            "the same twice is sent once",
            "bytes=0-4,0-4",
        )
        .part(0, 4),
        range(
            "range-overlap",
            "ranges that overlap are sent as one",
            "bytes=0-9,5-14",
        )
        .part(0, 14),
        range(
            "range-overlap-3",
            "the third joins the first two",
            "bytes=0-4,1000-1004,5-999",
        )
        .part(0, 1004),
        range(
            "range-adjacent",
            "ranges that touch are sent as one",
            "bytes=5-9,0-4",
        )
        .part(0, 9),
        range(
            "range-near",
            "a gap smaller than the lines between parts",
            "bytes=0-4,100-104",
        )
        .part(0, 104),
        range("range-all-and-part", "all and a part", "bytes=0-,5-9").part(0, 1999),
        range("range-two", "two parts", "bytes=0-4,1000-1004")
            .parts(&[("0-4", "0000\n"), ("1000-1004", "0200\n")]),
        range(
            "range-two-reverse",
            "two parts, the later one first",
            "bytes=1000-1004,0-4",
        )
        .parts(&[("0-4", "0000\n"), ("1000-1004", "0200\n")]),
        range(
            "range-three",
            "three parts of each kind",
            "bytes=0-4, 1000-1004, -5",
        )
        .parts(&[
            ("0-4", "0000\n"),
            ("1000-1004", "0200\n"),
            ("1995-1999", "0399\n"),
        ]),
        range(
            "range-gap",
            "the largest gap that is filled",
            &format!("bytes=0-4,{0}-{0}", 5 + GAP),
        )
        .part(0, 5 + GAP),
        range(
            "range-gap-over",
            "one byte more",
            &format!("bytes=0-4,{0}-{0}", 6 + GAP),
        )
        .answers(&[206])
        .says("multipart/byteranges"),
    ];
    let many = |count: usize| {
        let each: Vec<_> = (0..count).map(|n| format!("{0}-{0}", n * 1000)).collect();
        format!("Range: bytes={}\r\n", each.join(","))
    };
    cases.extend([
        of(
            "range-32",
            "9110 14.2",
            "as many parts as are sent",
            "/large.bin",
            &many(RANGES),
        )
        .answers(&[206])
        .says("Content-Range: bytes 31000-31000/100000\r\n\r\nl\r\n--"),
        of(
            "range-33",
            "9110 17.15",
            "one more: all of it",
            "/large.bin",
            &many(RANGES + 1),
        )
        .answers(&[200])
        .says("Content-Length: 100000\r\n"),
        of(
            "range-commas",
            "9110 5.6.1.2",
            "a reasonable number of empty elements",
            "/count.txt",
            &format!("Range: bytes={}0-4\r\n", ",".repeat(2 * RANGES - 1)),
        )
        .part(0, 4),
        of(
            "range-commas-over",
            "9110 5.6.1.2",
            "one more",
            "/count.txt",
            &format!("Range: bytes={}0-4\r\n", ",".repeat(2 * RANGES)),
        )
        .whole(),
    ]);
    for (id, what, value) in [
        ("range-behind", "behind the end", "bytes=2000-"),
        ("range-behind-both", "behind the end", "bytes=2000-2001"),
        ("range-far", "far behind the end", "bytes=999999-"),
        (
            "range-far-overflow",
            "behind any number",
            "bytes=99999999999999999999999-",
        ),
        ("range-suffix-0", "no last bytes", "bytes=-0"),
        (
            "range-behind-list",
            "all of them behind the end",
            "bytes=2000-,3000-4000,-0",
        ),
    ] {
        cases.push(range(id, what, value).unsatisfied());
    }
    for (id, what, value) in [
        ("range-no-set", "no ranges", "bytes="),
        ("range-only-unit", "a unit alone", "bytes"),
        ("range-no-unit", "no unit", "0-4"),
        ("range-empty", "nothing", ""),
        ("range-only-commas", "empty elements alone", "bytes=,,"),
        ("range-dash", "neither first nor last", "bytes=-"),
        ("range-number", "no dash", "bytes=5"),
        ("range-letters", "no numbers", "bytes=a-b"),
        ("range-hex", "a prefix", "bytes=0x0-0x4"),
        ("range-plus", "a sign", "bytes=+0-4"),
        ("range-plus-last", "a sign", "bytes=0-+4"),
        ("range-minus", "two dashes", "bytes=--5"),
        ("range-three-numbers", "three numbers", "bytes=0-4-9"),
        (
            "range-reverse",
            "it ends before it begins",
            "bytes=1004-1000",
        ),
        (
            "range-reverse-list",
            "one of them ends before it begins",
            "bytes=0-4,1004-1000",
        ),
        ("range-list-letters", "one of them is none", "bytes=0-4,a-b"),
        (
            "range-semicolon",
            "another separator",
            "bytes=0-4;1000-1004",
        ),
        (
            "range-spaces",
            "white space for a comma",
            "bytes=0-4 1000-1004",
        ),
        ("range-space-within", "white space within", "bytes=0 - 4"),
        ("range-space-unit", "white space before =", "bytes =0-4"),
        ("range-colon", "another sign for =", "bytes:0-4"),
        ("range-unit", "a unit that is not known", "lines=0-4"),
        ("range-unit-prefix", "a unit that begins so", "bytesx=0-4"),
        ("range-unit-none", "the unit for none", "none=0-4"),
        ("range-decimal", "a point", "bytes=0-4.0"),
        ("range-quoted", "quoted", "bytes=\"0-4\""),
        (
            "range-fullwidth",
            "digits of another script",
            "bytes=\u{ff10}-\u{ff14}",
        ),
    ] {
        cases.push(range(id, what, value).whole());
    }
    cases.push(
        of(
            "range-twice",
            "9110 14.2",
            "two of them",
            "/count.txt",
            "Range: bytes=0-4\r\nRange: bytes=1000-1004\r\n",
        )
        .whole(),
    );
    cases.extend(elsewhere());
    cases.extend(if_range());
    cases
}

/// Where a range means nothing, or something comes before it.
fn elsewhere() -> Vec<Case> {
    let first = "Range: bytes=0-4\r\n";
    let mut cases = vec![
        case(
            "range-head",
            "9110 14.2",
            "of HEAD it means nothing",
            "HEAD /count.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-4\r\n\r\n",
        )
        .head(0)
        .whole(),
        case(
            "range-head-unsatisfied",
            "9110 14.2",
            "of HEAD it means nothing",
            "HEAD /count.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=5000-\r\n\r\n",
        )
        .head(0)
        .whole(),
        case(
            "range-options",
            "9110 14.2",
            "of OPTIONS it means nothing",
            "OPTIONS /count.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-4\r\n\r\n",
        )
        .answers(&[200])
        .says("Content-Length: 0\r\n"),
        case(
            "range-post",
            "9110 14.2",
            "of what is not allowed it means nothing",
            "POST /count.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-4\r\nContent-Length: 0\r\n\r\n",
        )
        .answers(&[405]),
        case(
            "range-1.0",
            "9110 14.2",
            "in HTTP/1.0",
            "GET /count.txt HTTP/1.0\r\nRange: bytes=0-4\r\n\r\n",
        )
        .http10()
        .last(&[206])
        .says("Content-Range: bytes 0-4/2000\r\n")
        .body("0000\n"),
        case(
            "range-pipeline",
            "9112 9.3.2",
            "a part, parts, none and all, in one go",
            [
                "Range: bytes=0-4\r\n",
                "Range: bytes=0-4,1000-1004\r\n",
                "Range: bytes=5000-\r\n",
                "",
            ]
            .map(|lines| format!("GET /count.txt HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
            .concat(),
        )
        .answers(&[206, 206, 416, 200])
        .says("Content-Length: 2000\r\n"),
    ];
    for (id, what, path, status) in [
        ("range-missing", "of what is not there", "/missing", 404),
        ("range-redirect", "of what is elsewhere", "/dir", 301),
        ("range-malformed", "of a malformed path", "/../a.txt", 400),
        ("range-handler", "of what has no ranges", "/echo", 200),
        ("range-listing", "of what has no ranges", "/sub/", 200),
    ] {
        let case = of(id, "9110 14.2", what, path, first);
        cases.push(case.answers(&[status]).lacks("Content-Range"));
    }
    for (id, what, value, status) in [
        ("range-of-empty", "the first byte of none", "bytes=0-0", 416),
        (
            "range-of-empty-from",
            "what is behind none",
            "bytes=0-",
            416,
        ),
        (
            "range-of-empty-suffix",
            "the last bytes of none",
            "bytes=-5",
            200,
        ),
        (
            "range-of-empty-suffix-0",
            "no last bytes of none",
            "bytes=-0",
            416,
        ),
    ] {
        let lines = format!("Range: {value}\r\n");
        let case = of(id, "9110 14.1.2", what, "/empty.txt", &lines).answers(&[status]);
        cases.push(if status == 416 {
            case.says("Content-Range: bytes */0\r\n")
        } else {
            case.says("Content-Length: 0\r\n")
        });
    }
    for (id, what, lines, status) in [
        (
            "range-behind-304",
            "not modified: no part",
            "If-None-Match: *\r\n".to_owned(),
            304,
        ),
        (
            "range-behind-304-date",
            "not modified: no part",
            format!("If-Modified-Since: {THEN}\r\n"),
            304,
        ),
        (
            "range-behind-412",
            "a precondition failed: no part",
            "If-Match: \"x\"\r\n".to_owned(),
            412,
        ),
    ] {
        let lines = format!("{first}{lines}");
        let case = of(id, "9110 13.2.2", what, "/count.txt", &lines);
        cases.push(case.answers(&[status]).lacks("Content-Range"));
    }
    cases.push(
        of(
            "range-behind-match",
            "9110 13.2.2",
            "a precondition holds",
            "/count.txt",
            &format!("{first}If-Match: {ETAG}\r\n"),
        )
        .part(0, 4),
    );
    cases
}

fn if_range() -> Vec<Case> {
    let mut cases = Vec::new();
    for (id, what, value, holds) in [
        ("if-range-tag", "the same tag", ETAG.to_owned(), true),
        ("if-range-other", "another tag", "\"x\"".to_owned(), false),
        (
            "if-range-weak",
            "the same tag, called weak: strong comparison",
            format!("W/{ETAG}"),
            false,
        ),
        ("if-range-date", "the same date", THEN.to_owned(), true),
        (
            "if-range-date-850",
            "the same date in the format of RFC 850",
            "Sunday, 09-Sep-01 01:46:40 GMT".to_owned(),
            true,
        ),
        (
            "if-range-date-asctime",
            "the same date in the format of asctime",
            "Sun Sep  9 01:46:40 2001".to_owned(),
            true,
        ),
        (
            "if-range-date-later",
            "a later date is not the same",
            "Mon, 10 Sep 2001 01:46:40 GMT".to_owned(),
            false,
        ),
        (
            "if-range-date-earlier",
            "an earlier date is not the same",
            "Sat, 08 Sep 2001 01:46:40 GMT".to_owned(),
            false,
        ),
        ("if-range-any", "no tag", "*".to_owned(), false),
        ("if-range-empty", "nothing", String::new(), false),
        (
            "if-range-word",
            "neither tag nor date",
            "yesterday".to_owned(),
            false,
        ),
        (
            "if-range-list",
            "a list is no tag",
            format!("{ETAG}, \"x\""),
            false,
        ),
        (
            "if-range-open",
            "a tag without its end",
            "\"x".to_owned(),
            false,
        ),
    ] {
        let lines = format!("Range: bytes=0-4\r\nIf-Range: {value}\r\n");
        let case = of(id, "9110 13.1.5", what, "/count.txt", &lines);
        cases.push(if holds { case.part(0, 4) } else { case.whole() });
    }
    let two = |id, what, lines: String| of(id, "9110 13.1.5", what, "/count.txt", &lines);
    cases.extend([
        two(
            "if-range-twice",
            "two of them",
            format!("Range: bytes=0-4\r\nIf-Range: {ETAG}\r\nIf-Range: {ETAG}\r\n"),
        )
        .whole(),
        two(
            "if-range-unsatisfied",
            "the same tag, behind the end",
            format!("Range: bytes=5000-\r\nIf-Range: {ETAG}\r\n"),
        )
        .unsatisfied(),
        two(
            "if-range-other-unsatisfied",
            "another tag, behind the end",
            "Range: bytes=5000-\r\nIf-Range: \"x\"\r\n".to_owned(),
        )
        .whole(),
        two(
            "if-range-tag-alone",
            "without a range",
            format!("If-Range: {ETAG}\r\n"),
        )
        .whole(),
    ]);
    cases
}
