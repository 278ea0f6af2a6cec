//! The wall clock of answers, read at most once a turn and written out at most once a second.

use std::fmt::Display;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// A `Date` field; the length of its value is fixed (RFC 9110, section 5.6.7).
const LINE: &[u8; 37] = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

/// Where the value is in the line.
const VALUE: Range<usize> = 6..35;

/// The time of this turn, and its second as a `Date` field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DateCache {
    turn: u64,
    now: SystemTime,
    second: u64,
    line: [u8; LINE.len()],
}

impl DateCache {
    pub(crate) fn new() -> DateCache {
        DateCache {
            turn: u64::MAX,
            now: UNIX_EPOCH,
            second: u64::MAX,
            line: *LINE,
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
        self.now = now;
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            // The format ends with the year 9999.
            let date = UNIX_EPOCH + Duration::from_secs(self.second.min(253_402_300_799));
            let text = HttpDate::from(date).to_string();
            if text.len() == VALUE.len() {
                self.line[VALUE].copy_from_slice(text.as_bytes());
            }
        }
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
