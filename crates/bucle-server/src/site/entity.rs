//! What a file is to a client: its type, its tag, when it was changed; and whether the client has
//! it already (RFC 9110, sections 8 and 13).

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bucle_http::RequestHead;

use crate::site::root::Facts;

/// A file that was changed more recently than this before it was looked at may be changed again
/// without a trace, within one tick of the file system's clock. Its tag is weak and its bytes are
/// not kept.
pub(crate) const SETTLED: Duration = Duration::from_secs(2);

/// Whether a file's state at `now` can be told from any later one.
pub(crate) fn settled(facts: &Facts, now: SystemTime) -> bool {
    // By the time of the last change of anything: the other one can be set by anybody.
    let (seconds, nanoseconds) = facts.changed;
    time_of(seconds, nanoseconds)
        .and_then(|changed| now.duration_since(changed).ok())
        .is_some_and(|age| age >= SETTLED)
}

fn time_of(seconds: i64, nanoseconds: u32) -> Option<SystemTime> {
    let fraction = Duration::from_nanos(nanoseconds.into());
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    time?.checked_add(fraction)
}

/// The entity tag of a state: `"size-mark"` in hexadecimal, where the mark mixes inode, size and
/// time of modification without telling them.
pub(crate) fn etag(facts: &Facts, strong: bool) -> String {
    let (seconds, nanoseconds) = facts.modified;
    let parts = [facts.inode, facts.size, seconds as u64, nanoseconds.into()];
    let mark = parts
        .into_iter()
        .fold(facts.device, |mark, part| mix(mark ^ part));
    let weak = if strong { "" } else { "W/" };
    format!("{weak}\"{:x}-{mark:016x}\"", facts.size)
}

/// The finalizer of SplitMix64: every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// When a file was modified, in whole seconds, for `Last-Modified`; `None` where that would be in
/// the future (RFC 9110, section 8.8.2.1) or before 1970.
pub(crate) fn last_modified(facts: &Facts, now: SystemTime) -> Option<SystemTime> {
    let modified = time_of(facts.modified.0, 0)?;
    (modified <= now && modified >= UNIX_EPOCH).then_some(modified)
}

/// The `Content-Type` of a file by its name; text is UTF-8.
pub(crate) fn content_type(path: &Path) -> String {
    let kind = match mime_guess::from_path(path).first_raw() {
        // RFC 9239.
        Some("application/javascript") => "text/javascript",
        Some(kind) => kind,
        None => "application/octet-stream",
    };
    if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }
}

/// What the preconditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request is to be answered as if it had none.
    Perform,
    /// 304: the client has this very state already.
    NotModified,
    /// 412: the client wants another state.
    Failed,
}

/// Evaluates the preconditions of a request for a file with this tag and time of modification, in
/// the order of RFC 9110 section 13.2.2: `If-Match`, or else `If-Unmodified-Since`; then
/// `If-None-Match`, or else `If-Modified-Since`.
#[inline]
pub(crate) fn evaluate(head: &RequestHead, etag: &[u8], modified: Option<SystemTime>) -> Verdict {
    if head.is_conditional() {
        evaluate_all(head, etag, modified)
    } else {
        Verdict::Perform
    }
}

#[cold]
fn evaluate_all(head: &RequestHead, etag: &[u8], modified: Option<SystemTime>) -> Verdict {
    if head.header("if-match").is_some() {
        let mut lines = head.header_all("if-match");
        if !lines.any(|tags| matches_any(tags, etag, Comparison::Strong)) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(head, "if-unmodified-since"), modified)
        && modified > since
    {
        return Verdict::Failed;
    }
    if head.header("if-none-match").is_some() {
        let mut lines = head.header_all("if-none-match");
        if lines.any(|tags| matches_any(tags, etag, Comparison::Weak)) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(head, "if-modified-since"), modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Perform
}

/// The date in a field that has to be one, in any of the three formats; what is none is ignored,
/// and so is more than one (RFC 9110 sections 13.1.3 and 13.1.4).
fn date(head: &RequestHead, name: &str) -> Option<SystemTime> {
    let mut lines = head.header_all(name);
    let (Some(text), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let text = std::str::from_utf8(text).ok()?;
    match with_whole_year(text, SystemTime::now()) {
        Some(text) => httpdate::parse_http_date(&text).ok(),
        None => httpdate::parse_http_date(text).ok(),
    }
}

/// A date in the format of RFC 850, `Sunday, 06-Nov-94 08:49:37 GMT`, in that of today. Of the years
/// that end in these two digits it is the latest that is at most 50 years ahead (RFC 9110 section
/// 5.6.7).
fn with_whole_year(text: &str, now: SystemTime) -> Option<String> {
    let (weekday, rest) = text.split_once(", ")?;
    let [day, month, rest] = rest.splitn(3, '-').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (year, time) = rest.split_once(' ')?;
    if year.len() != 2 {
        return None;
    }
    let year: u32 = year.parse().ok()?;
    let latest = httpdate::fmt_http_date(now)
        .get(12..16)?
        .parse::<u32>()
        .ok()?
        + 50;
    let whole = latest - (latest - year) % 100;
    let weekday = weekday.get(..3)?;
    Some(format!("{weekday}, {day} {month} {whole} {time}"))
}

/// How entity tags are compared (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Both are strong, and equal.
    Strong,
    /// They are equal, weak or not.
    Weak,
}

/// Whether `etag` is in the list `tags`; `*` matches anything.
fn matches_any(tags: &[u8], etag: &[u8], comparison: Comparison) -> bool {
    let mut rest = tags.trim_ascii();
    if rest == b"*" {
        return true;
    }
    let wanted = match (etag.strip_prefix(b"W/"), comparison) {
        (Some(_), Comparison::Strong) => return false,
        (Some(opaque), Comparison::Weak) => opaque,
        (None, _) => etag,
    };
    // A comma may be inside a tag, so the quotes are what counts.
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let Some(length) = rest[start + 1..].iter().position(|byte| *byte == b'"') else {
            return false;
        };
        let end = start + length + 2;
        let weak = rest[..start].ends_with(b"W/");
        if rest[start..end] == *wanted && !(weak && comparison == Comparison::Strong) {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::FileType;

    fn facts() -> Facts {
        Facts {
            device: 1,
            inode: 2,
            kind: FileType::RegularFile,
            size: 0x1f,
            modified: (1_000_000_000, 5),
            changed: (1_000_000_000, 500_000_000),
        }
    }

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000_000) + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_state_is_settled_two_seconds_after_its_last_change() {
        assert!(!settled(&facts(), at(2_499)));
        assert!(settled(&facts(), at(2_500)));
        // A clock that runs behind the file system's proves nothing.
        assert!(!settled(&facts(), at(0)));
        let old = Facts {
            changed: (-5, 0),
            ..facts()
        };
        assert!(settled(&old, at(0)));
    }

    #[test]
    fn a_tag_changes_with_every_part_and_says_how_sure_it_is() {
        let tag = etag(&facts(), true);
        assert!(tag.starts_with("\"1f-") && tag.ends_with('"'), "{tag}");
        assert_eq!(etag(&facts(), false), format!("W/{tag}"));
        for other in [
            Facts {
                inode: 3,
                ..facts()
            },
            Facts {
                size: 0x20,
                ..facts()
            },
            Facts {
                device: 2,
                ..facts()
            },
            Facts {
                modified: (1_000_000_001, 5),
                ..facts()
            },
            Facts {
                modified: (1_000_000_000, 6),
                ..facts()
            },
        ] {
            assert_ne!(etag(&other, true), tag);
        }
    }

    /// What a GET with these lines comes to, of a file with this tag that was modified at 0.
    fn verdict(etag: &str, lines: &str) -> Verdict {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        let mut connection = bucle_http::ServerConnection::default();
        let received = connection.receive(request.as_bytes(), &mut head, &Default::default());
        assert_eq!(received.unwrap().event, bucle_http::Event::Head);
        evaluate(&head, etag.as_bytes(), Some(at(0)))
    }

    const TAG: &str = "\"a-1\"";

    fn dates() -> (String, String) {
        let earlier = at(0) - Duration::from_secs(1);
        (
            httpdate::fmt_http_date(at(0)),
            httpdate::fmt_http_date(earlier),
        )
    }

    #[test]
    fn the_tag_counts_before_the_date() {
        let (date, earlier) = dates();
        for tags in [
            TAG,
            "W/\"a-1\"",
            "*",
            " * ",
            "\"x\", \"a-1\"",
            "\"x,\",W/\"a-1\"",
            "\"x\"\r\nIf-None-Match: \"a-1\"",
        ] {
            let tags = format!("If-None-Match: {tags}\r\n");
            assert_eq!(verdict(TAG, &tags), Verdict::NotModified, "{tags}");
            assert_eq!(verdict("W/\"a-1\"", &tags), Verdict::NotModified, "{tags}");
            let both = format!("{tags}If-Modified-Since: {earlier}\r\n");
            assert_eq!(verdict(TAG, &both), Verdict::NotModified, "{tags}");
        }
        for tags in ["", "\"a-2\"", "a-1", "\"a-1", "\"\"", "\"x\"a-1\"", "**"] {
            let both = format!("If-None-Match: {tags}\r\nIf-Modified-Since: {date}\r\n");
            assert_eq!(verdict(TAG, &both), Verdict::Perform, "{tags}");
        }
        let since = |date: &str| verdict(TAG, &format!("If-Modified-Since: {date}\r\n"));
        assert_eq!(since(&date), Verdict::NotModified);
        assert_eq!(since(&earlier), Verdict::Perform);
        assert_eq!(since("yesterday"), Verdict::Perform);
        assert_eq!(since(&format!("{date}, {date}")), Verdict::Perform);
        let twice = format!("{date}\r\nIf-Modified-Since: {date}");
        assert_eq!(since(&twice), Verdict::Perform);
        assert_eq!(verdict(TAG, ""), Verdict::Perform);
        let mut head = RequestHead::default();
        let request = format!("GET / HTTP/1.0\r\nIf-Modified-Since: {date}\r\n\r\n");
        let mut connection = bucle_http::ServerConnection::default();
        let limits = Default::default();
        connection
            .receive(request.as_bytes(), &mut head, &limits)
            .unwrap();
        assert_eq!(evaluate(&head, b"\"a\"", None), Verdict::Perform);
    }

    #[test]
    fn what_has_to_match_comes_first() {
        let (date, earlier) = dates();
        let match_of = |tags: &str| verdict(TAG, &format!("If-Match: {tags}\r\n"));
        for tags in [TAG, "*", "\"x\", \"a-1\"", "\"x\"\r\nIf-Match: \"a-1\""] {
            assert_eq!(match_of(tags), Verdict::Perform, "{tags}");
        }
        for tags in ["", "\"a-2\"", "W/\"a-1\"", "a-1"] {
            assert_eq!(match_of(tags), Verdict::Failed, "{tags}");
        }
        let weak = verdict("W/\"a-1\"", "If-Match: W/\"a-1\"\r\n");
        assert_eq!(weak, Verdict::Failed);
        let since = |date: &str| verdict(TAG, &format!("If-Unmodified-Since: {date}\r\n"));
        assert_eq!(since(&date), Verdict::Perform);
        assert_eq!(since(&earlier), Verdict::Failed);
        assert_eq!(since("yesterday"), Verdict::Perform);
        // The tag counts, not the date; and then comes the other pair.
        let lines = format!(
            "If-Match: {TAG}\r\nIf-Unmodified-Since: {earlier}\r\nIf-None-Match: {TAG}\r\n"
        );
        assert_eq!(verdict(TAG, &lines), Verdict::NotModified);
        let lines = format!("If-None-Match: {TAG}\r\nIf-Match: \"x\"\r\n");
        assert_eq!(verdict(TAG, &lines), Verdict::Failed);
    }

    #[test]
    fn all_three_formats_are_dates() {
        let since = |date: &str| verdict(TAG, &format!("If-Modified-Since: {date}\r\n"));
        for date in [
            "Sun, 09 Sep 2001 01:46:40 GMT",
            "Sunday, 09-Sep-01 01:46:40 GMT",
            "Sun Sep  9 01:46:40 2001",
            // At most 50 years ahead, so not 1970.
            "Tuesday, 09-Sep-70 01:46:40 GMT",
        ] {
            assert_eq!(since(date), Verdict::NotModified, "{date}");
        }
        for date in ["Sunday, 09-Sep-99 01:46:40 GMT", "Sun, 9 Sep 2001 01:46:40"] {
            assert_eq!(since(date), Verdict::Perform, "{date}");
        }
    }

    #[test]
    fn types_go_by_the_name() {
        for (name, wanted) in [
            ("a.html", "text/html; charset=utf-8"),
            ("A.HTML", "text/html; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.webp", "image/webp"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"),
            ("a.tar.gz", "application/gzip"),
            ("a", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), wanted, "{name}");
        }
    }
}
