//! What a file is to a client: its type, its tag, when it was changed (RFC 9110, section 8).

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::site::coding::Coding;
use crate::site::root::Facts;

/// A file that was changed more recently than this before it was looked at may be changed again
/// without a trace, within one tick of the file system's clock. Its tag is weak and its bytes are
/// not kept.
pub(crate) const SETTLED: Duration = Duration::from_secs(2);

/// The same where the file system has the kernel's clock, which ticks at least a hundred times a second.
const SETTLED_SOON: Duration = Duration::from_millis(50);

/// What a file is written with at the least, in bytes a second: its times are those of the beginning of
/// a call that may write all of it.
const WRITE_RATE: u64 = 50_000_000;

/// Whether a file's state at `now` can be told from any later one, whatever keeps it.
pub(crate) fn settled(facts: &Facts, now: SystemTime) -> bool {
    age(facts, now).is_some_and(|age| age >= SETTLED)
}

/// Whether it can be, if the file system has the kernel's clock: sooner, for a file that is not large.
pub(crate) fn settled_soon(facts: &Facts, now: SystemTime) -> bool {
    let writing = Duration::from_nanos(facts.size.saturating_mul(1_000_000_000 / WRITE_RATE));
    let span = (SETTLED_SOON.saturating_add(writing)).min(SETTLED);
    // Whole milliseconds are those of a coarse clock, most likely.
    let fine = !facts.changed.1.is_multiple_of(1_000_000);
    fine && age(facts, now).is_some_and(|age| age >= span)
}

/// How long ago a file was changed; by the time of the last change of anything, since the other one can
/// be set by anybody.
fn age(facts: &Facts, now: SystemTime) -> Option<Duration> {
    let (seconds, nanoseconds) = facts.changed;
    now.duration_since(time_of(seconds, nanoseconds)?).ok()
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

/// The entity tag of a state: `"size-mark"` in hexadecimal, where the mark mixes device, inode, size
/// and both times without telling them; in a coding `"size-mark-br"`, since the bytes are others.
///
/// The time of modification alone is not enough: who writes can set it back to what it was, and then
/// other bytes would have the tag of those before.
pub(crate) fn etag(facts: &Facts, coding: Option<Coding>, strong: bool) -> String {
    let (modified, changed) = (facts.modified, facts.changed);
    let times = [modified.0 as u64, changed.0 as u64];
    let fractions = [modified.1, changed.1].map(u64::from);
    let mark = [[facts.inode, facts.size], times, fractions]
        .into_iter()
        .flatten()
        .fold(facts.device, |mark, part| mix(mark ^ part));
    let weak = if strong { "" } else { "W/" };
    let (dash, coding) = coding.map_or(("", ""), |coding| ("-", coding.name()));
    format!("{weak}\"{:x}-{mark:016x}{dash}{coding}\"", facts.size)
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
    let kind = registered(path)
        .or_else(|| mime_guess::from_path(path).first_raw())
        .unwrap_or("application/octet-stream");
    if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }
}

/// The type of endings for which our list has none, or one from before it was registered.
fn registered(path: &Path) -> Option<&'static str> {
    let mut ending = [0; 4];
    let written = path.extension()?.as_encoded_bytes();
    let ending = ending.get_mut(..written.len())?;
    ending.copy_from_slice(written);
    ending.make_ascii_lowercase();
    Some(match &*ending {
        // RFC 9239.
        b"js" | b"mjs" | b"cjs" => "text/javascript",
        // RFC 8081.
        b"woff" => "font/woff",
        b"otf" => "font/otf",
        // RFC 8216 and RFC 3555.
        b"m3u8" => "application/vnd.apple.mpegurl",
        b"ts" => "video/mp2t",
        b"m4a" => "audio/mp4",
        b"mid" | b"midi" => "audio/midi",
        // RFC 8878 and RFC 6713.
        b"zst" => "application/zstd",
        b"tgz" => "application/gzip",
        b"rpm" => "application/x-rpm",
        b"stl" => "model/stl",
        b"obj" => "model/obj",
        // ECMA-426: a source map is JSON.
        b"map" => "application/json",
        _ => return None,
    })
}

/// What a type gains by content codings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gain {
    /// Text and the like: much.
    Text,
    /// Perhaps something.
    Unknown,
    /// Nothing: it is compressed already.
    Packed,
}

/// What files of a type gain by being compressed.
pub(crate) fn gain(content_type: &str) -> Gain {
    let kind = content_type.split(';').next().unwrap_or_default();
    let (class, form) = kind.split_once('/').unwrap_or((kind, ""));
    match (class, form) {
        ("text", _) => Gain::Text,
        ("image", "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon") => Gain::Text,
        ("image" | "video" | "audio", _) => Gain::Packed,
        ("font", "woff" | "woff2") => Gain::Packed,
        ("font", _) => Gain::Text,
        (
            "application",
            "json" | "xml" | "wasm" | "javascript" | "x-javascript" | "manifest+json"
            | "vnd.ms-fontobject" | "x-font-ttf" | "rtf" | "x-sh" | "toml" | "yaml" | "x-yaml"
            | "sql" | "graphql" | "postscript" | "vnd.apple.mpegurl",
        ) => Gain::Text,
        ("application", form) if form.ends_with("+xml") || form.ends_with("+json") => Gain::Text,
        (
            "application",
            "gzip" | "x-gzip" | "zip" | "zstd" | "x-brotli" | "x-bzip2" | "x-bzip" | "x-xz"
            | "x-7z-compressed" | "vnd.rar" | "x-rar-compressed" | "java-archive" | "epub+zip"
            | "pdf" | "x-compressed",
        ) => Gain::Packed,
        _ => Gain::Unknown,
    }
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
    fn by_the_kernel_s_clock_it_is_settled_sooner_unless_it_is_large() {
        let changed = (1_000_000_000, 500_000_001);
        let small = Facts { changed, ..facts() };
        assert!(!settled_soon(&small, at(550)));
        assert!(settled_soon(&small, at(551)));
        assert!(!settled_soon(&small, at(0)));
        // A clock of milliseconds may be one of seconds.
        assert!(!settled_soon(&facts(), at(551)));
        for (size, milliseconds) in [(50_000_000, 1_550), (97_500_000, 2_500), (u64::MAX, 2_500)] {
            let large = Facts { size, ..small };
            assert!(!settled_soon(&large, at(milliseconds)), "{size}");
            assert!(settled_soon(&large, at(milliseconds + 1)), "{size}");
        }
    }

    #[test]
    fn a_tag_changes_with_every_part_and_says_how_sure_it_is() {
        let tag = etag(&facts(), None, true);
        assert!(tag.starts_with("\"1f-") && tag.ends_with('"'), "{tag}");
        assert_eq!(etag(&facts(), None, false), format!("W/{tag}"));
        let coded = etag(&facts(), Some(Coding::Brotli), true);
        assert_eq!(coded, format!("{}-br\"", tag.trim_end_matches('"')));
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
            // Written, and the time of modification set back.
            Facts {
                changed: (1_000_000_001, 500_000_000),
                ..facts()
            },
            Facts {
                changed: (1_000_000_000, 500_000_001),
                ..facts()
            },
        ] {
            assert_ne!(etag(&other, None, true), tag);
        }
    }

    #[test]
    fn what_gains_by_compression_goes_by_the_type() {
        for (name, wanted) in [
            ("a.html", Gain::Text),
            ("a.css", Gain::Text),
            ("a.js", Gain::Text),
            ("a.json", Gain::Text),
            ("a.map", Gain::Text),
            ("a.svg", Gain::Text),
            ("a.xml", Gain::Text),
            ("a.wasm", Gain::Text),
            ("a.webmanifest", Gain::Text),
            ("a.ttf", Gain::Text),
            ("a.ico", Gain::Text),
            ("a.md", Gain::Text),
            ("a.csv", Gain::Text),
            ("a", Gain::Unknown),
            ("a.bin", Gain::Unknown),
            ("a.png", Gain::Packed),
            ("a.jpg", Gain::Packed),
            ("a.mp4", Gain::Packed),
            ("a.mp3", Gain::Packed),
            ("a.woff2", Gain::Packed),
            ("a.gz", Gain::Packed),
            ("a.br", Gain::Unknown),
            ("a.zst", Gain::Packed),
            ("a.woff", Gain::Packed),
            ("a.otf", Gain::Text),
            ("a.m3u8", Gain::Text),
            ("a.ts", Gain::Packed),
            ("a.zip", Gain::Packed),
            ("a.pdf", Gain::Packed),
        ] {
            let content_type = content_type(Path::new(name));
            assert_eq!(gain(&content_type), wanted, "{name}: {content_type}");
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
            ("a.woff", "font/woff"),
            ("a.OTF", "font/otf"),
            ("a.js.map", "application/json"),
            ("a.cjs", "text/javascript; charset=utf-8"),
            ("live.m3u8", "application/vnd.apple.mpegurl"),
            ("1.ts", "video/mp2t"),
            ("a.m4a", "audio/mp4"),
            ("a.zst", "application/zstd"),
            ("a.tgz", "application/gzip"),
            ("a.unheard-of", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), wanted, "{name}");
        }
    }
}
