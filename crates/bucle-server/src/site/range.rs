//! Byte ranges (RFC 9110, section 14): what a `Range` field asks for of a file of a known length, and
//! the answers with one part and with several.
//!
//! Nothing here reads a file. What is no valid list of byte ranges, or an absurd one, is ignored:
//! the answer is the whole file (sections 14.2 and 17.15).

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;
use std::rc::Rc;

use bucle_http::StatusCode;

use crate::Response;
use crate::response::Piece;
use crate::site::opened::Opened;

/// More ranges than these in one request are not answered one by one: the whole file is sent. A
/// document viewer asks for a few dozen at most.
pub const RANGES: usize = 32;

/// Ranges with a gap of up to this between them are sent as one, in bytes: about what the lines
/// between two parts take.
const GAP: u64 = 128;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The whole file, as if nothing had been asked for.
    Whole,
    /// One part of it.
    One(Range<u64>),
    /// Two or more parts, none of which touches another, in the order they were asked for.
    Several(Vec<Range<u64>>),
    /// No part of it: it ends before.
    Unsatisfiable,
}

/// Takes the value of a `Range` field, for a file of `length` bytes.
pub(crate) fn wanted(value: &[u8], length: u64) -> Wanted {
    let Some(set) = byte_ranges(value) else {
        return Wanted::Whole;
    };
    let mut found: Vec<Range<u64>> = Vec::new();
    let (mut elements, mut specs) = (0, 0);
    for spec in set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        // A list may have empty elements, a reasonable number of them (RFC 9110, section 5.6.1.2).
        elements += 1;
        specs += usize::from(!spec.is_empty());
        if specs > RANGES || elements > 2 * RANGES {
            return Wanted::Whole;
        }
        if spec.is_empty() {
            continue;
        }
        match Spec::parse(spec) {
            None => return Wanted::Whole,
            // Satisfiable by its own rules, but there is no way to say "no bytes" in an answer.
            Some(Spec::Last(1..)) if length == 0 => return Wanted::Whole,
            Some(spec) => found.extend(spec.of(length)),
        }
    }
    if specs == 0 {
        return Wanted::Whole;
    }
    coalesce(&mut found);
    match found.len() {
        0 => Wanted::Unsatisfiable,
        1 => Wanted::One(found.remove(0)),
        _ => Wanted::Several(found),
    }
}

/// What follows `bytes=`; the unit's case doesn't count.
fn byte_ranges(value: &[u8]) -> Option<&[u8]> {
    let (unit, set) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// One element of the list.
enum Spec {
    From(u64),
    /// The last one included.
    Between(u64, u64),
    /// So many bytes at the end.
    Last(u64),
}

impl Spec {
    fn parse(spec: &[u8]) -> Option<Spec> {
        let dash = spec.iter().position(|byte| *byte == b'-')?;
        let (first, last) = (&spec[..dash], &spec[dash + 1..]);
        match (first.is_empty(), last.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Spec::Last(number(last)?)),
            (false, true) => Some(Spec::From(number(first)?)),
            (false, false) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Spec::Between(first, last))
            }
        }
    }

    /// The bytes it stands for; `None` if there are none.
    fn of(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Spec::From(first) => first..length,
            Spec::Between(first, last) => first..last.saturating_add(1).min(length),
            Spec::Last(count) => length.saturating_sub(count)..length,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Digits only. What no file is as long as is taken for the longest.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        digit.is_ascii_digit().then(|| {
            number
                .saturating_mul(10)
                .saturating_add((digit - b'0').into())
        })
    })
}

/// Makes one of ranges that overlap, touch or nearly touch. It stands where the first of them stood.
fn coalesce(ranges: &mut Vec<Range<u64>>) {
    let mut at = 0;
    while at < ranges.len() {
        let mut other = at + 1;
        while other < ranges.len() {
            let (a, b) = (&ranges[at], &ranges[other]);
            let near = a.start <= b.end.saturating_add(GAP) && b.start <= a.end.saturating_add(GAP);
            if near {
                ranges[at] = a.start.min(b.start)..a.end.max(b.end);
                ranges.remove(other);
                // It may reach others now that it did not reach before.
                other = at + 1;
            } else {
                other += 1;
            }
        }
        at += 1;
    }
}

/// The value of `Content-Range` for one part.
fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

/// The value of `Content-Range` where no part was to be had.
pub(crate) fn unsatisfied_range(length: u64) -> String {
    format!("bytes */{length}")
}

/// 206 with one part of a file.
pub(crate) fn one(opened: Rc<Opened>, part: Range<u64>) -> Response {
    let mut lines = opened.lines().to_vec();
    let content_range = content_range(&part, opened.length());
    lines.extend_from_slice(format!("Content-Range: {content_range}\r\n").as_bytes());
    Response::pieces(
        StatusCode::PARTIAL_CONTENT,
        lines,
        vec![Piece::Part(opened, part)],
    )
}

/// 206 with several parts of a file, as `multipart/byteranges` (section 14.6).
pub(crate) fn several(
    opened: Rc<Opened>,
    parts: Vec<Range<u64>>,
    boundaries: &Boundaries,
) -> Response {
    let boundary = boundaries.next();
    let mut lines =
        format!("Content-Type: multipart/byteranges; boundary={boundary}\r\n").into_bytes();
    lines.extend_from_slice(opened.lines_untyped());
    let length = opened.length();
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    let mut before = "";
    for part in parts {
        let mut head = format!("{before}--{boundary}\r\n").into_bytes();
        head.extend_from_slice(opened.type_line());
        let content_range = content_range(&part, length);
        head.extend_from_slice(format!("Content-Range: {content_range}\r\n\r\n").as_bytes());
        pieces.push(Piece::Bytes(head.into()));
        pieces.push(Piece::Part(opened.clone(), part));
        before = "\r\n";
    }
    let end = format!("\r\n--{boundary}--\r\n");
    pieces.push(Piece::Bytes(end.into()));
    Response::pieces(StatusCode::PARTIAL_CONTENT, lines, pieces)
}

/// What stands between parts, another each time and not to be guessed: who can write a file must not
/// be able to end a part in the middle of it.
#[derive(Default)]
pub(crate) struct Boundaries {
    key: RandomState,
    count: Cell<u64>,
}

impl Boundaries {
    fn next(&self) -> String {
        self.count.set(self.count.get().wrapping_add(1));
        let half = |which: u8| self.key.hash_one((self.count.get(), which));
        format!("{:016x}{:016x}", half(0), half(1))
    }
}

#[cfg(test)]
mod tests;
