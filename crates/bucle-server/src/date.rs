//! The wall clock of answers, read at most once a turn and written out at most once a second; and what
//! heads begin with, which stays the same for as long.

use std::fmt::Display;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bucle_http::{StatusCode, write_status_line};
use httpdate::HttpDate;

/// A `Date` field; the length of its value is fixed (RFC 9110, section 5.6.7).
const LINE: &[u8; 37] = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

/// Where the value is in the line.
const VALUE: Range<usize> = 6..35;

/// The second of this turn as a `Date` field, and the beginning of the last head that was written.
#[derive(Debug)]
pub(crate) struct DateCache {
    turn: u64,
    second: u64,
    line: [u8; LINE.len()],
    /// Status line, date, and content type if there is one.
    beginning: Vec<u8>,
    /// What it is for; nothing where it is out of date.
    begins: Option<(StatusCode, Option<&'static str>)>,
}

impl DateCache {
    pub(crate) fn new() -> DateCache {
        DateCache {
            turn: u64::MAX,
            second: u64::MAX,
            line: *LINE,
            beginning: Vec::new(),
            begins: None,
        }
    }

    /// Looks at `clock`, unless it was looked at in this turn.
    #[inline]
    pub(crate) fn update(&mut self, turn: u64, clock: impl FnOnce() -> SystemTime) {
        if self.turn != turn {
            self.turn = turn;
            self.set(clock());
        }
    }

    fn set(&mut self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.begins = None;
            // The format ends with the year 9999.
            let date = UNIX_EPOCH + Duration::from_secs(self.second.min(253_402_300_799));
            let text = HttpDate::from(date).to_string();
            if text.len() == VALUE.len() {
                self.line[VALUE].copy_from_slice(text.as_bytes());
            }
        }
    }

    /// What a head begins with: the status line, the date, the content type if there is one. Most
    /// answers of a second begin as the one before, and then it is at hand.
    #[inline]
    pub(crate) fn beginning(
        &mut self,
        status: StatusCode,
        content_type: Option<&'static str>,
    ) -> &[u8] {
        // Whether it is the same text in memory is enough: another one is written out again.
        let same = match (self.begins, content_type) {
            (Some((of, Some(one))), Some(other)) => of == status && std::ptr::eq(one, other),
            (Some((of, None)), None) => of == status,
            _ => false,
        };
        if !same {
            self.begin(status, content_type);
        }
        &self.beginning
    }

    #[inline(never)]
    fn begin(&mut self, status: StatusCode, content_type: Option<&'static str>) {
        let out = &mut self.beginning;
        out.clear();
        write_status_line(out, status);
        out.extend_from_slice(&self.line);
        if let Some(content_type) = content_type {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(content_type.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.begins = Some((status, content_type));
    }

    /// The whole header line.
    #[inline]
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// As the access logs of others have it: `06/Nov/1994:08:49:37 +0000`.
    pub(crate) fn common(&self) -> impl Display {
        let (day, month) = (self.part(5..7), self.part(8..11));
        let (year, clock) = (self.part(12..16), self.part(17..25));
        format!("{day}/{month}/{year}:{clock} +0000")
    }

    /// As RFC 3339 has it: `1994-11-06T08:49:37Z`.
    pub(crate) fn iso(&self) -> impl Display {
        let (year, month, day) = civil((self.second / 86_400) as i64);
        format!("{year:04}-{month:02}-{day:02}T{}Z", self.part(17..25))
    }

    /// A part of the value, which is ASCII.
    fn part(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(&self.line[VALUE][range]).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn at(second: u64) -> DateCache {
        let mut cache = DateCache::new();
        cache.set(UNIX_EPOCH + Duration::from_secs(second));
        cache
    }
}

/// The wall clock of a simulated world, which begins with the year 2000, `since` its beginning.
pub(crate) fn simulated(since: Duration) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(946_684_800) + since
}

/// Year, month and day of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`.
pub(crate) fn civil(day: i64) -> (i64, u32, u32) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months counted from March, so that a leap day is the last of its year.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_written_anew_with_each_second() {
        let mut cache = DateCache::new();
        cache.set(UNIX_EPOCH + Duration::from_millis(784_111_777_999));
        assert_eq!(cache.line(), b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        cache.set(UNIX_EPOCH + Duration::from_millis(784_111_778_000));
        assert_eq!(cache.line(), b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
        cache.set(UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert_eq!(cache.line(), b"Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n");
    }

    #[test]
    fn a_head_begins_with_its_own_status_type_and_second() {
        let mut cache = DateCache::at(0);
        let text = "text/plain";
        // At another place in memory.
        let same: &'static str = String::from(text).leak();
        let begin = |cache: &mut DateCache, status, content_type| {
            let beginning = cache.beginning(status, content_type).to_vec();
            // Again, from what is kept.
            assert_eq!(cache.beginning(status, content_type), beginning);
            String::from_utf8(beginning).unwrap()
        };
        let date = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        let plain = format!("HTTP/1.1 200 OK\r\n{date}Content-Type: text/plain\r\n");
        assert_eq!(begin(&mut cache, StatusCode::OK, Some(text)), plain);
        assert_eq!(begin(&mut cache, StatusCode::OK, Some(same)), plain);
        let html = begin(&mut cache, StatusCode::OK, Some("text/html"));
        assert_eq!(html, plain.replace("plain", "html"));
        let bare = begin(&mut cache, StatusCode::OK, None);
        assert_eq!(bare, format!("HTTP/1.1 200 OK\r\n{date}"));
        let missing = begin(&mut cache, StatusCode::NOT_FOUND, None);
        assert_eq!(missing, format!("HTTP/1.1 404 Not Found\r\n{date}"));
        cache.set(UNIX_EPOCH + Duration::from_secs(1));
        let later = begin(&mut cache, StatusCode::NOT_FOUND, None);
        assert_eq!(later, missing.replace(":00 GMT", ":01 GMT"));
    }

    #[test]
    fn days_are_civil() {
        for (day, wanted) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_454, (2026, 1, 1)),
            (-719_468, (0, 3, 1)),
        ] {
            assert_eq!(civil(day), wanted, "{day}");
        }
    }
}
