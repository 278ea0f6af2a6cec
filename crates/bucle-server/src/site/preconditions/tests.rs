use std::time::Duration;

use bucle_http::{Limits, ServerConnection};

use super::*;

const STRONG: &[u8] = b"\"a-1\"";
const WEAK: &[u8] = b"W/\"a-1\"";
const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
const EARLIER: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
const LATER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";

fn modified() -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
}

fn head(method: &str, lines: &str) -> Box<RequestHead> {
    let mut head = Box::<RequestHead>::default();
    let text = format!("{method} / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    let progress = ServerConnection::default()
        .receive(text.as_bytes(), &mut head, &Limits::default())
        .unwrap();
    assert_eq!(progress.event, bucle_http::Event::Head);
    head
}

fn verdict(lines: &str, etag: &[u8]) -> Verdict {
    let head = head("GET", lines);
    Asked::of(&head).verdict(&head, etag, modified())
}

#[test]
fn the_order_is_the_standard_s() {
    use Verdict::{Failed, NotModified, Send};
    for (lines, wanted) in [
        (String::new(), Send),
        // Step 1: If-Match counts before and instead of If-Unmodified-Since.
        ("If-Match: \"a-1\"\r\n".into(), Send),
        ("If-Match: \"other\"\r\n".into(), Failed),
        ("If-Match: *\r\n".into(), Send),
        (
            format!("If-Match: \"a-1\"\r\nIf-Unmodified-Since: {EARLIER}\r\n"),
            Send,
        ),
        (
            format!("If-Match: \"b\"\r\nIf-Unmodified-Since: {LATER}\r\n"),
            Failed,
        ),
        // Step 2.
        (format!("If-Unmodified-Since: {DATE}\r\n"), Send),
        (format!("If-Unmodified-Since: {LATER}\r\n"), Send),
        (format!("If-Unmodified-Since: {EARLIER}\r\n"), Failed),
        ("If-Unmodified-Since: yesterday\r\n".into(), Send),
        (
            format!("If-Unmodified-Since: {EARLIER}\r\nIf-Unmodified-Since: {EARLIER}\r\n"),
            Send,
        ),
        // A failure counts before a hit.
        (
            "If-Match: \"b\"\r\nIf-None-Match: \"a-1\"\r\n".into(),
            Failed,
        ),
        (
            format!("If-Unmodified-Since: {EARLIER}\r\nIf-None-Match: \"a-1\"\r\n"),
            Failed,
        ),
        (
            format!("If-Unmodified-Since: {EARLIER}\r\nIf-Modified-Since: {LATER}\r\n"),
            Failed,
        ),
        // Step 3: If-None-Match counts before and instead of If-Modified-Since.
        (
            "If-Match: \"a-1\"\r\nIf-None-Match: \"a-1\"\r\n".into(),
            NotModified,
        ),
        ("If-None-Match: \"a-1\"\r\n".into(), NotModified),
        ("If-None-Match: *\r\n".into(), NotModified),
        (
            format!("If-None-Match: \"b\"\r\nIf-Modified-Since: {LATER}\r\n"),
            Send,
        ),
        (
            format!("If-None-Match: \"a-1\"\r\nIf-Modified-Since: {EARLIER}\r\n"),
            NotModified,
        ),
        // Step 4.
        (format!("If-Modified-Since: {DATE}\r\n"), NotModified),
        (format!("If-Modified-Since: {LATER}\r\n"), NotModified),
        (format!("If-Modified-Since: {EARLIER}\r\n"), Send),
        ("If-Modified-Since: yesterday\r\n".into(), Send),
        (
            "If-Modified-Since: Sunday, 09-Sep-01 01:46:40 GMT\r\n".into(),
            NotModified,
        ),
        // At most 50 years ahead, so not 1970.
        (
            "If-Modified-Since: Tuesday, 09-Sep-70 01:46:40 GMT\r\n".into(),
            NotModified,
        ),
        (
            "If-Modified-Since: Sunday, 09-Sep-99 01:46:40 GMT\r\n".into(),
            Send,
        ),
        (
            "If-Modified-Since: Sun Sep  9 01:46:40 2001\r\n".into(),
            NotModified,
        ),
        (
            format!("If-Modified-Since: {DATE}\r\nIf-Modified-Since: {DATE}\r\n"),
            Send,
        ),
    ] {
        assert_eq!(verdict(&lines, STRONG), wanted, "{lines}");
    }
}

#[test]
fn without_a_date_of_ours_dates_mean_nothing() {
    for field in ["If-Modified-Since", "If-Unmodified-Since"] {
        let head = head("GET", &format!("{field}: {EARLIER}\r\n"));
        let verdict = Asked::of(&head).verdict(&head, STRONG, None);
        assert_eq!(verdict, Verdict::Send, "{field}");
    }
}

#[test]
fn tags_are_compared_strongly_to_change_and_weakly_to_read() {
    use Verdict::{Failed, NotModified, Send};
    for (tags, etag, if_match, if_none_match) in [
        ("\"a-1\"", STRONG, Send, NotModified),
        ("W/\"a-1\"", STRONG, Failed, NotModified),
        ("\"a-1\"", WEAK, Failed, NotModified),
        ("W/\"a-1\"", WEAK, Failed, NotModified),
        ("\"b\", \"a-1\"", STRONG, Send, NotModified),
        ("\"b\",\"a-1\",\"c\"", STRONG, Send, NotModified),
        ("\"b,\" , \"a-1\"", STRONG, Send, NotModified),
        (",, \"a-1\"", STRONG, Send, NotModified),
        (" * ", STRONG, Send, NotModified),
        ("", STRONG, Failed, Send),
        ("\"b\"", STRONG, Failed, Send),
        ("a-1", STRONG, Failed, Send),
        ("\"a-1", STRONG, Failed, Send),
        ("w/\"a-1\"", STRONG, Failed, Send),
        ("\"\"", STRONG, Failed, Send),
        ("\"x\"a-1\"", STRONG, Failed, Send),
        ("\"b\" \"a-1\"", STRONG, Failed, Send),
        ("**", STRONG, Failed, Send),
        ("\"*\"", STRONG, Failed, Send),
    ] {
        assert_eq!(
            verdict(&format!("If-Match: {tags}\r\n"), etag),
            if_match,
            "{tags}"
        );
        let lines = format!("If-None-Match: {tags}\r\n");
        assert_eq!(verdict(&lines, etag), if_none_match, "{tags}");
    }
    let lines = "If-None-Match: \"b\"\r\nX: y\r\nIF-NONE-MATCH: \"a-1\"\r\n";
    assert_eq!(verdict(lines, STRONG), Verdict::NotModified);
}

#[test]
fn a_range_is_answered_only_of_the_state_the_client_has() {
    for (lines, etag, wanted) in [
        (String::new(), STRONG, true),
        ("If-Range: \"a-1\"\r\n".into(), STRONG, true),
        ("If-Range: \"b\"\r\n".into(), STRONG, false),
        ("If-Range: W/\"a-1\"\r\n".into(), STRONG, false),
        ("If-Range: W/\"a-1\"\r\n".into(), WEAK, false),
        ("If-Range: \"a-1\"\r\n".into(), WEAK, false),
        (format!("If-Range: {DATE}\r\n"), STRONG, true),
        (format!("If-Range: {DATE}\r\n"), WEAK, false),
        (format!("If-Range: {LATER}\r\n"), STRONG, false),
        (format!("If-Range: {EARLIER}\r\n"), STRONG, false),
        ("If-Range: *\r\n".into(), STRONG, false),
        ("If-Range: a-1\r\n".into(), STRONG, false),
        (
            "If-Range: \"a-1\"\r\nIf-Range: \"a-1\"\r\n".into(),
            STRONG,
            false,
        ),
    ] {
        let lines = format!("Range: bytes=0-1\r\n{lines}");
        let get = head("GET", &lines);
        let range = Asked::of(&get).range(&get, etag, modified());
        assert_eq!(range.is_some(), wanted, "{lines}");
        let head = head("HEAD", &lines);
        assert_eq!(Asked::of(&head).range(&head, etag, modified()), None);
    }
    let twice = head("GET", "Range: bytes=0-1\r\nRange: bytes=0-1\r\n");
    assert_eq!(Asked::of(&twice).range(&twice, STRONG, modified()), None);
    let dateless = head("GET", &format!("Range: bytes=0-1\r\nIf-Range: {DATE}\r\n"));
    assert_eq!(Asked::of(&dateless).range(&dateless, STRONG, None), None);
}
