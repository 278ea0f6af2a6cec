//! [`Notable`]: the fields that the protocol itself looks at.

use std::ops::Range;

use crate::chars;
use crate::field::Field;

/// A kind of field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Not looked at. These are counted as well: so no branch is needed, which a processor would often guess wrong.
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Expect,
    Upgrade,
    Connection,
    Te,
    /// What decides what is sent of a representation, or looks like it.
    Selective,
    /// Its length and first bytes don't tell.
    Unsure,
}

/// As many as there are kinds, or a few more, so that a place among them is found by a mask.
const KINDS: usize = 16;

/// The fields that the protocol itself looks at, as they are met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notable {
    /// How often fields of a kind were met. There are at most `u16::MAX` fields.
    times: [u16; KINDS],
    /// The place of the last one.
    last: [u16; KINDS],
}

impl Notable {
    /// Takes note of the field at `place`: its line, whose first bytes are `start`, and the length of its name.
    #[inline]
    pub(crate) fn meet(&mut self, line: &[u8], start: [u64; 2], length: usize, place: usize) {
        let mut kind = kind(start, length);
        if kind == Kind::Unsure {
            kind = kind_of_whole(&line[..length]);
        }
        let kind = kind as usize % KINDS;
        self.times[kind] += 1;
        self.last[kind] = place as u16;
    }

    /// How often fields of this kind were met.
    #[inline]
    pub(crate) fn times(&self, kind: Kind) -> u16 {
        self.times[kind as usize]
    }

    /// Where the value of the last field of this kind stands; empty if none was met.
    #[inline]
    pub(crate) fn range(&self, kind: Kind, fields: &[Field]) -> Range<usize> {
        match fields.get(usize::from(self.last[kind as usize])) {
            Some(field) if self.times(kind) > 0 => field.value_range(),
            _ => 0..0,
        }
    }

    /// The options of all `Connection` fields together.
    #[inline]
    pub(crate) fn connection(&self, fields: &[Field], section: &[u8]) -> ConnectionOptions {
        let mut options = ConnectionOptions::default();
        match self.times(Kind::Connection) {
            0 => {}
            1 => options.add(&section[self.range(Kind::Connection, fields)]),
            _ => values(fields, section, b"connection").for_each(|value| options.add_list(value)),
        }
        options
    }

    /// Whether `TE` has `trailers` in it (RFC 9110 section 10.1.4).
    #[inline]
    pub(crate) fn takes_trailers(&self, fields: &[Field], section: &[u8]) -> bool {
        self.times(Kind::Te) > 0 && names_trailers(fields, section)
    }
}

/// The options of all `Connection` fields that mean something here (RFC 9110 section 7.6.1).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl ConnectionOptions {
    #[inline]
    fn add(&mut self, value: &[u8]) {
        if chars::is_word(value, b"keep-alive") {
            self.keep_alive = true;
        } else {
            self.add_list(value);
        }
    }

    fn add_list(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = chars::trim(option);
            if chars::is_word(option, b"keep-alive") {
                self.keep_alive = true;
            } else if chars::is_word(option, b"close") {
                self.close = true;
            } else if chars::is_word(option, b"upgrade") {
                self.upgrade = true;
            }
        }
    }
}

#[cold]
fn names_trailers(fields: &[Field], section: &[u8]) -> bool {
    let mut codings =
        values(fields, section, b"te").flat_map(|value| value.split(|&byte| byte == b','));
    codings.any(|coding| chars::is_word(chars::trim(coding), b"trailers"))
}

/// The values of all fields with this name.
fn values<'a>(
    fields: &'a [Field],
    section: &'a [u8],
    name: &'static [u8],
) -> impl Iterator<Item = &'a [u8]> {
    let is_it = move |field: &&Field| field.name(section).eq_ignore_ascii_case(name);
    fields
        .iter()
        .filter(is_it)
        .map(|field| field.value(section))
}

/// What a name of this length can be.
#[derive(Clone, Copy)]
struct Candidate {
    /// The bits of a line's first sixteen bytes to look at, and what they are then. A letter's case is not among them: a bit
    /// that is set in lower case is set before, which makes nothing else one of the letters or the hyphen, but for CR.
    mask: [u64; 2],
    bits: [u64; 2],
}

/// Nothing that is looked at: no bits can be set that are not looked for.
const NOTHING: Candidate = Candidate {
    mask: [0; 2],
    bits: [1; 2],
};

/// Lengths of names are taken modulo this. All names that are looked for are shorter, and the colon behind them is looked for
/// too; where a beginning is enough, it is enough for longer ones as well.
const LENGTHS: usize = 32;

/// By length, one more: at 0 is what has nothing.
static CANDIDATES: [Candidate; LENGTHS] = CANDIDATES_AND_KINDS.0;
static KINDS_BY_LENGTH: [Kind; LENGTHS + 1] = CANDIDATES_AND_KINDS.1;
const CANDIDATES_AND_KINDS: ([Candidate; LENGTHS], [Kind; LENGTHS + 1]) = {
    let mut candidates = [NOTHING; LENGTHS];
    let mut kinds = [Kind::Other; LENGTHS + 1];
    let names: [(usize, &[u8], Kind); 12] = [
        (2, b"te:", Kind::Te),
        (4, b"host:", Kind::Host),
        (5, b"range:", Kind::Selective),
        (6, b"expect:", Kind::Expect),
        (7, b"upgrade:", Kind::Upgrade),
        (10, b"connection:", Kind::Connection),
        (14, b"content-length:", Kind::ContentLength),
        (15, b"accept-encoding:", Kind::Selective),
        // If-Match and If-Range, If-None-Match.
        (8, b"if-", Kind::Selective),
        (13, b"if-", Kind::Selective),
        // Transfer-Encoding and If-Modified-Since, If-Unmodified-Since.
        (17, b"", Kind::Unsure),
        (19, b"if-", Kind::Selective),
    ];
    let mut i = 0;
    while i < names.len() {
        let (length, start, kind) = names[i];
        let mut candidate = Candidate {
            mask: [0; 2],
            bits: [0; 2],
        };
        let mut at = 0;
        while at < start.len() {
            candidate.mask[at / 8] |= 0xff << (at % 8 * 8);
            candidate.bits[at / 8] |= (start[at] as u64) << (at % 8 * 8);
            at += 1;
        }
        candidates[length] = candidate;
        kinds[length + 1] = kind;
        i += 1;
    }
    (candidates, kinds)
};

/// The kind of a field whose name has this length and whose line begins so.
#[inline]
fn kind(start: [u64; 2], length: usize) -> Kind {
    const LOWER_CASE: u64 = u64::MAX / 255 * 0x20;
    let length = length % LENGTHS;
    let Candidate { mask, bits } = &CANDIDATES[length];
    let difference = |i: usize| ((start[i] | LOWER_CASE) & mask[i]) ^ bits[i];
    let is_it = difference(0) | difference(1) == 0;
    KINDS_BY_LENGTH[std::hint::select_unpredictable(is_it, length + 1, 0)]
}

/// [`kind`] for the lengths that have more than one name.
#[cold]
fn kind_of_whole(name: &[u8]) -> Kind {
    if chars::is_word(name, b"transfer-encoding") {
        Kind::TransferEncoding
    } else if name.len() == 17 && name[..3].eq_ignore_ascii_case(b"if-") {
        Kind::Selective
    } else {
        Kind::Other
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 14] = [
        "te",
        "host",
        "range",
        "expect",
        "upgrade",
        "if-match",
        "if-range",
        "if-none-match",
        "connection",
        "content-length",
        "accept-encoding",
        "transfer-encoding",
        "if-modified-since",
        "if-unmodified-since",
    ];

    /// What is looked for, name by name.
    fn expected(name: &str) -> Kind {
        match name.to_ascii_lowercase().as_str() {
            "te" => Kind::Te,
            "host" => Kind::Host,
            "expect" => Kind::Expect,
            "upgrade" => Kind::Upgrade,
            "connection" => Kind::Connection,
            "content-length" => Kind::ContentLength,
            "transfer-encoding" => Kind::TransferEncoding,
            "range" | "accept-encoding" => Kind::Selective,
            name if name.starts_with("if-") && matches!(name.len() % 32, 8 | 13 | 19) => {
                Kind::Selective
            }
            name if name.starts_with("if-") && name.len() == 17 => Kind::Selective,
            _ => Kind::Other,
        }
    }

    fn met(name: &str) -> Kind {
        let line = format!("{name}: a value, which is longer than that");
        let start = line.as_bytes().first_chunk().expect("a long line");
        match kind(chars::words(start), name.len()) {
            Kind::Unsure => kind_of_whole(name.as_bytes()),
            kind => kind,
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(KNOWN.as_slice()).prop_map(str::to_owned),
            "(if-)?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,60}",
        ]
    }

    #[test]
    fn longer_names_are_others() {
        for known in KNOWN {
            for length in 1..70 {
                let name = format!("{known}{}", "-".repeat(length));
                assert_eq!(met(&name), expected(&name), "{name}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn names_are_known_in_whatever_case_and_no_others(
            name in name(),
            upper: u64,
            change in prop::option::weighted(0.3, (any::<prop::sample::Index>(), "[!#$%&'*+.^_`|~0-9A-Za-z-]{0,2}|[a-z]{32}")),
        ) {
            let mut name: String = name.char_indices().map(|(i, letter)| match upper >> (i % 64) & 1 {
                0 => letter,
                _ => letter.to_ascii_uppercase(),
            }).collect();
            if let Some((at, other)) = change {
                let at = at.index(name.len());
                name.replace_range(at..at + 1, &other);
            }
            prop_assert_eq!(met(&name), expected(&name), "{}", name);
        }
    }
}
