//! Times, sizes and numbers as people write them on a command line: `10s`, `1.5MiB`, `off`.
//!
//! What could be meant in two ways (`1M` is a million bytes to some, 1,048,576 to others) is refused
//! with what would be right.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A time: `500ms`, `10s`, `2m`, `1h`; a number alone is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

/// A number of bytes: `4096`, `8KiB`, `1.5MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// Bytes a second: a [`Size`], with or without `/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) u64);

/// A limit, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit<T>(pub(crate) Option<T>);

const TIMES: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// A number and what stands behind it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    // `f64` reads more than we mean, but begins with a digit here.
    let number = number.parse().ok()?;
    Some((number, unit.trim_start()))
}

/// A time above zero.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    match time_or_none(text)? {
        Time(Duration::ZERO) => Err("it must be above 0".into()),
        time => Ok(time),
    }
}

/// A time, which may be zero.
pub(crate) fn time_or_none(text: &str) -> Result<Time, String> {
    let read = || {
        let (number, unit) = split(text)?;
        let unit = if unit.is_empty() { "s" } else { unit };
        let (_, seconds) = TIMES.iter().find(|(name, _)| *name == unit)?;
        Duration::try_from_secs_f64(number * seconds).ok().map(Time)
    };
    read().ok_or_else(|| {
        "it must be a time such as 500ms, 10s, 2m or 1h; a number alone is seconds".into()
    })
}

/// A size above zero.
pub(crate) fn size(text: &str) -> Result<Size, String> {
    let read = || {
        let (number, unit) = split(text)?;
        let unit = if unit.is_empty() { "B" } else { unit };
        let found = SIZES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let bytes = number * found?.1 as f64;
        // What has a fraction of a byte, or is more than any file, is no size.
        (bytes.fract() == 0.0 && bytes < 2f64.powi(60)).then_some(bytes as u64)
    };
    match read() {
        Some(0) => Err("it must be above 0".into()),
        Some(bytes) => Ok(Size(bytes)),
        None => Err(
            "it must be a number of bytes such as 4096, 8KiB (8,192) or 8KB (8,000); \
                     the units are KiB, MiB, GiB, KB, MB and GB"
                .into(),
        ),
    }
}

/// Bytes a second, above zero.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let amount = text.strip_suffix("/s").unwrap_or(text);
    size(amount)
        .map(|Size(bytes)| Rate(bytes))
        .map_err(|error| format!("{error}; they are counted by the second"))
}

/// A number above zero.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("it must be above 0".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number such as 100".into()),
    }
}

/// A whole number within these.
pub(crate) fn within<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + fmt::Display + Clone,
{
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            let (least, most) = (range.start(), range.end());
            Err(format!("it must be a whole number from {least} to {most}"))
        }
    }
}

/// What `parse` reads, or `off`.
pub(crate) fn or_off<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Limit<T>, String> {
    if text == "off" {
        return Ok(Limit(None));
    }
    match parse(text) {
        Ok(value) => Ok(Limit(Some(value))),
        Err(error) => Err(format!("{error}; or off, for no limit")),
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.iter().find(|(_, size)| self.0.is_multiple_of(*size)) {
            Some((name, size)) if self.0 > 0 => write!(f, "{}{name}", self.0 / size),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Size(self.0))
    }
}

impl<T: fmt::Display> fmt::Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, millis) in [
            ("10", 10_000),
            ("0.5", 500),
            ("500ms", 500),
            ("10s", 10_000),
            ("1.5 m", 90_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(
                time(text).unwrap().0,
                Duration::from_millis(millis),
                "{text}"
            );
        }
        for text in [
            "",
            "s",
            "soon",
            "-1",
            "1d",
            "1 S",
            "1e3",
            "inf",
            "nan",
            "1.2.3",
            "9".repeat(40).as_str(),
        ] {
            assert!(time(text).unwrap_err().contains("500ms"), "{text}");
        }
        assert!(time("0").unwrap_err().contains("above 0"));
        assert_eq!(time_or_none("0ms").unwrap().0, Duration::ZERO);
        assert_eq!(Time(Duration::from_millis(1500)).to_string(), "1.5s");
    }

    #[test]
    fn sizes_and_rates() {
        for (text, bytes) in [
            ("4096", 4096),
            ("17B", 17),
            ("8KiB", 8192),
            ("8kb", 8000),
            ("1.5MiB", 1_572_864),
            ("1 GiB", 1 << 30),
            ("2GB", 2_000_000_000),
        ] {
            assert_eq!(size(text).unwrap().0, bytes, "{text}");
            assert_eq!(rate(&format!("{text}/s")).unwrap().0, bytes, "{text}");
        }
        for text in [
            "",
            "1M",
            "1k",
            "much",
            "-1",
            "0.5",
            "1.0001KiB",
            "9999999999GiB",
            "1e6",
        ] {
            assert!(size(text).unwrap_err().contains("8KiB"), "{text}");
            assert!(rate(text).unwrap_err().contains("second"), "{text}");
        }
        assert!(size("0").unwrap_err().contains("above 0"));
        for (bytes, text) in [
            (8192, "8KiB"),
            (1 << 30, "1GiB"),
            (240, "240"),
            (1025, "1025"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
            assert_eq!(size(text).unwrap().0, bytes);
        }
        assert_eq!(Rate(240).to_string(), "240/s");
    }

    #[test]
    fn numbers_are_within_their_limits() {
        let workers = within(1u16..=1024);
        assert_eq!(workers("1"), Ok(1));
        assert_eq!(workers("1024"), Ok(1024));
        for text in ["0", "1025", "65537", "-1", "1.5", "many", ""] {
            let told = workers(text).unwrap_err();
            assert_eq!(told, "it must be a whole number from 1 to 1024", "{text}");
        }
    }

    #[test]
    fn off_is_no_limit() {
        assert_eq!(or_off("off", count).unwrap(), Limit(None));
        assert_eq!(or_off("7", count).unwrap(), Limit(Some(7)));
        for text in ["0", "none", "-1", "1.5", "4294967296", ""] {
            assert!(
                or_off(text, count).unwrap_err().contains("or off"),
                "{text}"
            );
        }
        assert_eq!(Limit::<u32>(None).to_string(), "off");
    }
}
