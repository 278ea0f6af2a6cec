//! Conditional requests (RFC 9110, section 13): what a request says of the state it knows, and what
//! that means for the state there is.
//!
//! The fields are looked for once, in one pass over the head; a request without any costs no more.

use std::time::SystemTime;

use bucle_http::{Method, RequestHead};

/// The fields of a head that decide what is sent of a file. Of a field that must not be a list, only
/// one line counts, and none where there are more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    if_match: bool,
    if_none_match: bool,
    if_modified_since: Once<'a>,
    if_unmodified_since: Once<'a>,
    if_range: Once<'a>,
    range: Once<'a>,
    pub(crate) accept_encoding: List<'a>,
}

/// A field that may stand several times, and is one list then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum List<'a> {
    #[default]
    Absent,
    One(&'a [u8]),
    Several,
}

/// A field that may stand once.
#[derive(Clone, Copy, Debug, Default)]
enum Once<'a> {
    #[default]
    Absent,
    Here(&'a [u8]),
    /// More than once, or not as it must be.
    Unclear,
}

impl<'a> Once<'a> {
    fn meet(&mut self, value: &'a [u8]) {
        *self = match self {
            Once::Absent => Once::Here(value),
            _ => Once::Unclear,
        };
    }

    /// The time it tells; `None` also for what is no time, which is to be ignored (sections 13.1.3
    /// and 13.1.4).
    fn time(self) -> Option<SystemTime> {
        match self {
            Once::Here(value) => {
                let text = std::str::from_utf8(value).ok()?;
                match with_whole_year(text, SystemTime::now()) {
                    Some(text) => httpdate::parse_http_date(&text).ok(),
                    None => httpdate::parse_http_date(text).ok(),
                }
            }
            _ => None,
        }
    }
}

/// What preconditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The answer is what it would be without them.
    Send,
    /// The client has it already: 304.
    NotModified,
    /// The state is not the one the request was meant for: 412.
    Failed,
}

impl<'a> Asked<'a> {
    #[inline]
    pub(crate) fn of(head: &'a RequestHead) -> Asked<'a> {
        if head.is_selective() {
            Asked::among(head)
        } else {
            Asked::default()
        }
    }

    fn among(head: &'a RequestHead) -> Asked<'a> {
        let mut asked = Asked::default();
        for (name, value) in head.headers() {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            match name.len() {
                5 if is("range") => asked.range.meet(value),
                8 if is("if-match") => asked.if_match = true,
                8 if is("if-range") => asked.if_range.meet(value),
                13 if is("if-none-match") => asked.if_none_match = true,
                15 if is("accept-encoding") => {
                    asked.accept_encoding = match asked.accept_encoding {
                        List::Absent => List::One(value),
                        List::One(_) | List::Several => List::Several,
                    };
                }
                17 if is("if-modified-since") => asked.if_modified_since.meet(value),
                19 if is("if-unmodified-since") => asked.if_unmodified_since.meet(value),
                _ => {}
            }
        }
        asked
    }

    /// Steps 1 to 4 of section 13.2.2, for a file with this tag, last modified then.
    #[inline]
    pub(crate) fn verdict(
        &self,
        head: &RequestHead,
        etag: &[u8],
        modified: Option<SystemTime>,
    ) -> Verdict {
        if self.if_match {
            if !any_matches(head.header_all("if-match"), etag, strongly) {
                return Verdict::Failed;
            }
        } else if let (Some(since), Some(modified)) = (self.if_unmodified_since.time(), modified)
            && modified > since
        {
            return Verdict::Failed;
        }
        let reads = matches!(head.method(), Method::Get | Method::Head);
        if self.if_none_match {
            if any_matches(head.header_all("if-none-match"), etag, weakly) {
                return if reads {
                    Verdict::NotModified
                } else {
                    Verdict::Failed
                };
            }
        } else if reads
            && let (Some(since), Some(modified)) = (self.if_modified_since.time(), modified)
            && modified <= since
        {
            return Verdict::NotModified;
        }
        Verdict::Send
    }

    /// Step 5: the `Range` that is to be answered, if any. Of a `Range` together with `If-Range`, only
    /// if the client's part is of this very state.
    pub(crate) fn range(
        &self,
        head: &RequestHead,
        etag: &[u8],
        modified: Option<SystemTime>,
    ) -> Option<&'a [u8]> {
        // Defined for GET alone (section 14.2).
        let (Once::Here(range), Method::Get) = (self.range, head.method()) else {
            return None;
        };
        let holds = match self.if_range {
            Once::Absent => true,
            Once::Here(value) if value.starts_with(b"\"") || value.starts_with(b"W/") => {
                strongly(value, etag)
            }
            // A date counts where it is exactly ours, and where ours tells states apart: the tag is
            // weak for as long as it may not (section 13.1.5).
            date @ Once::Here(_) => {
                !etag.starts_with(b"W/") && modified.is_some() && date.time() == modified
            }
            Once::Unclear => false,
        };
        holds.then_some(range)
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

/// Whether two tags are the same by the strong comparison (section 8.8.3.2).
fn strongly(one: &[u8], other: &[u8]) -> bool {
    !one.starts_with(b"W/") && one == other
}

/// Whether two tags are the same by the weak comparison.
fn weakly(one: &[u8], other: &[u8]) -> bool {
    opaque(one) == opaque(other)
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether any tag in the list that `lines` make matches ours; `*` does. What is no tag matches
/// nothing, and ends its line.
fn any_matches<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    etag: &[u8],
    same: fn(&[u8], &[u8]) -> bool,
) -> bool {
    for line in lines {
        let mut rest = line.trim_ascii();
        if rest == b"*" {
            return true;
        }
        while let Some((tag, after)) = take_tag(rest) {
            if same(tag, etag) {
                return true;
            }
            rest = after;
        }
    }
    false
}

/// The tag that a list begins with, and the list after it. A comma may be inside a tag.
fn take_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let skipped = list
        .iter()
        .take_while(|byte| matches!(byte, b',' | b' ' | b'\t'));
    let list = &list[skipped.count()..];
    let quote = match list {
        [b'"', ..] => 0,
        [b'W', b'/', b'"', ..] => 2,
        _ => return None,
    };
    let length = list[quote + 1..].iter().position(|byte| *byte == b'"')?;
    let (tag, after) = list.split_at(quote + length + 2);
    // Between two tags there is a comma.
    matches!(after.trim_ascii_start(), [] | [b',', ..]).then_some((tag, after))
}

#[cfg(test)]
mod tests;
