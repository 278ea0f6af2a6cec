//! What a file is to a client: its type, its tag, when it was changed; and whether the client has
//! it already (RFC 9110, sections 8 and 13).

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Whether a client that sent these preconditions has this very state already, so that 304 is the
/// answer to its GET or HEAD. `If-None-Match` is the one that counts where both were sent.
pub(crate) fn not_modified(
    if_none_match: Option<&[u8]>,
    if_modified_since: Option<&[u8]>,
    etag: &[u8],
    modified: Option<SystemTime>,
) -> bool {
    if let Some(tags) = if_none_match {
        return matches_any(tags, etag);
    }
    let (Some(since), Some(modified)) = (if_modified_since, modified) else {
        return false;
    };
    let since = std::str::from_utf8(since).ok();
    let since = since.and_then(|since| httpdate::parse_http_date(since).ok());
    since.is_some_and(|since| modified <= since)
}

/// Whether `etag` is in the list `tags`, by the weak comparison; `*` matches anything.
fn matches_any(tags: &[u8], etag: &[u8]) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_owned();
    let wanted = opaque(etag);
    let mut rest = tags.trim_ascii();
    if rest == b"*" {
        return true;
    }
    // A comma may be inside a tag, so the quotes are what counts.
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let Some(length) = rest[start + 1..].iter().position(|byte| *byte == b'"') else {
            return false;
        };
        let end = start + length + 2;
        if rest[start..end] == wanted {
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

    #[test]
    fn the_tag_counts_before_the_date() {
        let modified = Some(at(0));
        let date = httpdate::fmt_http_date(at(0));
        let earlier = httpdate::fmt_http_date(at(0) - Duration::from_secs(1));
        let check = |tags: Option<&str>, since: Option<&str>| {
            let (tags, since) = (tags.map(str::as_bytes), since.map(str::as_bytes));
            not_modified(tags, since, b"\"a-1\"", modified)
        };
        for tags in [
            "\"a-1\"",
            "W/\"a-1\"",
            "*",
            " * ",
            "\"x\", \"a-1\"",
            "\"x,\",W/\"a-1\"",
        ] {
            assert!(check(Some(tags), None), "{tags}");
            assert!(check(Some(tags), Some(&earlier)), "{tags}");
        }
        for tags in ["", "\"a-2\"", "a-1", "\"a-1", "\"\"", "\"x\"a-1\"", "**"] {
            assert!(!check(Some(tags), Some(&date)), "{tags}");
        }
        assert!(check(None, Some(&date)));
        assert!(!check(None, Some(&earlier)));
        assert!(!check(None, Some("yesterday")));
        assert!(!check(None, None));
        assert!(!not_modified(None, Some(date.as_bytes()), b"\"a\"", None));
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
