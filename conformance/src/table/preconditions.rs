//! RFC 9110 section 13: preconditions. The file was last modified on 9 September 2001.

use crate::Case;
use crate::case::{ETAG, case, get};

const THEN: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
const EARLIER: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
const LATER: &str = "Mon, 10 Sep 2001 01:46:40 GMT";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (id, source, what, lines, status) in [
        (
            "since-equal",
            "9110 13.1.3",
            "If-Modified-Since: not modified",
            format!("If-Modified-Since: {THEN}\r\n"),
            304,
        ),
        (
            "since-later",
            "9110 13.1.3",
            "If-Modified-Since: not modified",
            format!("If-Modified-Since: {LATER}\r\n"),
            304,
        ),
        (
            "since-earlier",
            "9110 13.1.3",
            "If-Modified-Since: modified",
            format!("If-Modified-Since: {EARLIER}\r\n"),
            200,
        ),
        (
            "since-850",
            "9110 5.6.7",
            "the format of RFC 850",
            "If-Modified-Since: Sunday, 09-Sep-01 01:46:40 GMT\r\n".into(),
            304,
        ),
        (
            "since-850-earlier",
            "9110 5.6.7",
            "the format of RFC 850",
            "If-Modified-Since: Sunday, 09-Sep-01 01:46:39 GMT\r\n".into(),
            200,
        ),
        (
            "since-850-past",
            "9110 5.6.7",
            "a year of two digits in the past",
            "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n".into(),
            200,
        ),
        (
            "since-asctime",
            "9110 5.6.7",
            "the format of asctime",
            "If-Modified-Since: Sun Sep  9 01:46:40 2001\r\n".into(),
            304,
        ),
        (
            "since-asctime-earlier",
            "9110 5.6.7",
            "the format of asctime",
            "If-Modified-Since: Sun Sep  9 01:46:39 2001\r\n".into(),
            200,
        ),
        (
            "since-none",
            "9110 13.1.3",
            "no date",
            "If-Modified-Since: yesterday\r\n".into(),
            200,
        ),
        (
            "since-empty",
            "9110 13.1.3",
            "no date",
            "If-Modified-Since:\r\n".into(),
            200,
        ),
        (
            "since-zone",
            "9110 5.6.7",
            "another zone",
            "If-Modified-Since: Mon, 10 Sep 2001 01:46:40 CET\r\n".into(),
            200,
        ),
        (
            "since-no-day",
            "9110 5.6.7",
            "a day that there is not",
            "If-Modified-Since: Sat, 30 Feb 2030 00:00:00 GMT\r\n".into(),
            200,
        ),
        (
            "since-no-leap-day",
            "9110 5.6.7",
            "a leap day in another year",
            "If-Modified-Since: Wed, 29 Feb 2023 00:00:00 GMT\r\n".into(),
            200,
        ),
        (
            "since-hour-24",
            "9110 5.6.7",
            "an hour that there is not",
            "If-Modified-Since: Sun, 09 Sep 2030 24:00:00 GMT\r\n".into(),
            200,
        ),
        (
            "since-number",
            "9110 13.1.3",
            "no date",
            "If-Modified-Since: 1000000000\r\n".into(),
            200,
        ),
        (
            "since-list",
            "9110 13.1.3",
            "more than one date",
            format!("If-Modified-Since: {THEN}, {THEN}\r\n"),
            200,
        ),
        (
            "since-twice",
            "9110 13.1.3",
            "more than one date",
            format!("If-Modified-Since: {THEN}\r\nIf-Modified-Since: {THEN}\r\n"),
            200,
        ),
        (
            "none-any",
            "9110 13.1.2",
            "If-None-Match: there is one",
            "If-None-Match: *\r\n".into(),
            304,
        ),
        (
            "none-other",
            "9110 13.1.2",
            "If-None-Match: another",
            "If-None-Match: \"x\"\r\n".into(),
            200,
        ),
        (
            "none-other-list",
            "9110 13.1.2",
            "If-None-Match: others",
            "If-None-Match: \"x\", W/\"y\", \"\"\r\n".into(),
            200,
        ),
        (
            "none-empty",
            "9110 13.1.2",
            "If-None-Match: none",
            "If-None-Match:\r\n".into(),
            200,
        ),
        (
            "none-before-since",
            "9110 13.1.3",
            "If-None-Match counts, not If-Modified-Since",
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {LATER}\r\n"),
            200,
        ),
        (
            "none-before-since-2",
            "9110 13.1.3",
            "If-None-Match counts, not If-Modified-Since",
            format!("If-Modified-Since: {EARLIER}\r\nIf-None-Match: *\r\n"),
            304,
        ),
        (
            "match-any",
            "9110 13.1.1",
            "If-Match: there is one",
            "If-Match: *\r\n".into(),
            200,
        ),
        (
            "match-other",
            "9110 13.1.1",
            "If-Match: another",
            "If-Match: \"x\"\r\n".into(),
            412,
        ),
        (
            "match-weak",
            "9110 13.1.1",
            "If-Match: strong comparison",
            "If-Match: W/\"x\"\r\n".into(),
            412,
        ),
        (
            "match-empty",
            "9110 13.1.1",
            "If-Match: none",
            "If-Match:\r\n".into(),
            412,
        ),
        (
            "match-lines",
            "9110 5.3",
            "If-Match in two lines",
            "If-Match: \"x\"\r\nIf-Match: *\r\n".into(),
            200,
        ),
        (
            "unmodified-equal",
            "9110 13.1.4",
            "If-Unmodified-Since: unmodified",
            format!("If-Unmodified-Since: {THEN}\r\n"),
            200,
        ),
        (
            "unmodified-earlier",
            "9110 13.1.4",
            "If-Unmodified-Since: modified",
            format!("If-Unmodified-Since: {EARLIER}\r\n"),
            412,
        ),
        (
            "unmodified-asctime",
            "9110 5.6.7",
            "If-Unmodified-Since: modified",
            "If-Unmodified-Since: Sun Sep  9 01:46:39 2001\r\n".into(),
            412,
        ),
        (
            "unmodified-850-past",
            "9110 5.6.7",
            "a year of two digits in the past",
            "If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n".into(),
            412,
        ),
        (
            "unmodified-850-ahead",
            "9110 5.6.7",
            "a year of two digits ahead",
            "If-Unmodified-Since: Tuesday, 09-Sep-70 01:46:40 GMT\r\n".into(),
            200,
        ),
        (
            "unmodified-none",
            "9110 13.1.4",
            "no date",
            "If-Unmodified-Since: never\r\n".into(),
            200,
        ),
        (
            "unmodified-list",
            "9110 13.1.4",
            "a list of dates",
            format!("If-Unmodified-Since: {EARLIER}, {EARLIER}\r\n"),
            200,
        ),
        (
            "unmodified-match",
            "9110 13.1.4",
            "If-Match counts, not If-Unmodified-Since",
            format!("If-Match: *\r\nIf-Unmodified-Since: {EARLIER}\r\n"),
            200,
        ),
        (
            "order-412",
            "9110 13.2.2",
            "If-Match comes before If-None-Match",
            "If-None-Match: *\r\nIf-Match: \"x\"\r\n".into(),
            412,
        ),
        (
            "order-304",
            "9110 13.2.2",
            "If-None-Match comes behind If-Match",
            "If-None-Match: *\r\nIf-Match: *\r\n".into(),
            304,
        ),
        (
            "order-date-412",
            "9110 13.2.2",
            "If-Unmodified-Since comes before If-Modified-Since",
            format!("If-Modified-Since: {LATER}\r\nIf-Unmodified-Since: {EARLIER}\r\n"),
            412,
        ),
        (
            "order-date-304",
            "9110 13.2.2",
            "If-Modified-Since comes behind If-Unmodified-Since",
            format!("If-Modified-Since: {LATER}\r\nIf-Unmodified-Since: {LATER}\r\n"),
            304,
        ),
        (
            "if-range-alone",
            "9110 13.1.5",
            "If-Range without Range",
            "If-Range: \"x\"\r\n".into(),
            200,
        ),
    ] {
        let case = get(id, source, what, &lines).answers(&[status]);
        // RFC 9110 section 15.4.5: a 304 has what a 200 would have.
        cases.push(if status == 304 {
            case.says("ETag: ")
        } else {
            case
        });
    }
    let tagged = |id, source, what, lines: String, status: u16| {
        let sent = format!("GET /count.txt HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        case(id, source, what, sent).answers(&[status])
    };
    let bare = ETAG.to_owned();
    cases.extend([
        tagged(
            "match-same",
            "9110 13.1.1",
            "If-Match: the same",
            format!("If-Match: {bare}\r\n"),
            200,
        ),
        tagged(
            "match-same-list",
            "9110 13.1.1",
            "If-Match: in a list",
            format!("If-Match: \"x\", {bare}\r\n"),
            200,
        ),
        tagged(
            "match-same-list-first",
            "9110 13.1.1",
            "If-Match: first in a list",
            format!("If-Match: {bare},\"x\"\r\n"),
            200,
        ),
        tagged(
            "match-same-lines",
            "9110 5.3",
            "If-Match: in a second line",
            format!("If-Match: \"x\"\r\nIf-Match: {bare}\r\n"),
            200,
        ),
        tagged(
            "match-same-weak",
            "9110 13.1.1",
            "If-Match: strong comparison",
            format!("If-Match: W/{bare}\r\n"),
            412,
        ),
        tagged(
            "match-same-comma",
            "9110 8.8.3",
            "If-Match: a comma within a tag",
            format!("If-Match: \"a,b\", {bare}\r\n"),
            200,
        ),
        tagged(
            "none-same",
            "9110 13.1.2",
            "If-None-Match: the same",
            format!("If-None-Match: {bare}\r\n"),
            304,
        ),
        tagged(
            "none-same-weak",
            "9110 13.1.2",
            "If-None-Match: weak comparison",
            format!("If-None-Match: W/{bare}\r\n"),
            304,
        ),
        tagged(
            "none-same-list",
            "9110 13.1.2",
            "If-None-Match: in a list",
            format!("If-None-Match: \"x\" , W/\"y\", {bare}\r\n"),
            304,
        ),
        tagged(
            "none-same-lines",
            "9110 5.3",
            "If-None-Match: in a second line",
            format!("If-None-Match: \"x\"\r\nIf-None-Match: {bare}\r\n"),
            304,
        ),
        tagged(
            "none-same-since",
            "9110 13.1.3",
            "If-None-Match counts, not If-Modified-Since",
            format!("If-None-Match: {bare}\r\nIf-Modified-Since: {EARLIER}\r\n"),
            304,
        ),
        tagged(
            "none-same-within",
            "9110 8.8.3",
            "If-None-Match: what follows a tag without a comma is none",
            format!("If-None-Match: \"x{bare}\"\r\n"),
            200,
        ),
    ]);
    let request = |id, what, method: &str, target: &str, status: u16| {
        let sent = format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\nIf-Modified-Since: {LATER}\r\n\r\n"
        );
        case(id, "9110 13.2.1", what, sent).answers(&[status])
    };
    cases.extend([
        case(
            "since-head",
            "9110 13.1.3",
            "of HEAD as well",
            format!("HEAD /a.txt HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: {THEN}\r\n\r\n"),
        )
        .head(0)
        .answers(&[304]),
        case(
            "match-head",
            "9110 13.1.1",
            "of HEAD as well",
            "HEAD /a.txt HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n\r\n",
        )
        .head(0)
        .answers(&[412]),
        request(
            "ignored-missing",
            "of what is not there: 404",
            "GET",
            "/missing",
            404,
        ),
        request(
            "ignored-redirect",
            "of what is elsewhere: 301",
            "GET",
            "/dir",
            301,
        ),
        request("ignored-options", "of OPTIONS", "OPTIONS", "/a.txt", 200),
        request("ignored-trace", "of TRACE", "TRACE", "/a.txt", 405),
        request(
            "ignored-post",
            "of what is not allowed",
            "POST",
            "/a.txt",
            405,
        ),
        request(
            "ignored-malformed",
            "of a malformed path",
            "GET",
            "/../a.txt",
            400,
        ),
    ]);
    cases
}
