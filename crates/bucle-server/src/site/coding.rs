//! Content codings (RFC 9110, sections 8.4.1 and 12.5.3): what an `Accept-Encoding` field allows,
//! and which of the codings at hand suits it best.

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coding {
    /// RFC 7932.
    Brotli,
    /// RFC 8878, with the window of RFC 9659.
    Zstd,
    /// RFC 1952.
    Gzip,
}

/// How many there are.
pub(crate) const CODINGS: usize = 3;

impl Coding {
    /// All of them; of two that a client likes as much, the earlier one is chosen.
    pub(crate) const ALL: [Coding; CODINGS] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// As it stands in `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// What the name of a file that is compressed beforehand ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    fn by_name(name: &[u8]) -> Option<Coding> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        match name.len() {
            2 if is("br") => Some(Coding::Brotli),
            4 if is("gzip") => Some(Coding::Gzip),
            4 if is("zstd") => Some(Coding::Zstd),
            // RFC 9110, section 8.4.1.3.
            6 if is("x-gzip") => Some(Coding::Gzip),
            _ => None,
        }
    }
}

/// How much a client likes each coding, from 0 (not at all) to 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    weights: [u16; CODINGS],
    /// Of no coding at all; 0 where nothing was said of it.
    identity: u16,
}

impl Accepted {
    /// What the lines of the field say together. An element that is not well-formed says nothing.
    ///
    /// Whether `identity` is refused is not kept: where no other coding can be had, the file is sent
    /// as it is all the same, as by nginx and Caddy. The alternative, 406, would keep from a client
    /// what it can most likely use (RFC 9110, section 15.5.7, leaves it to the server).
    pub(crate) fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Accepted {
        let mut named = [None; CODINGS];
        let (mut identity, mut any) = (None, None);
        for element in lines.flat_map(|line| line.split(|byte| *byte == b',')) {
            let Some((name, weight)) = weighted(element) else {
                continue;
            };
            if let Some(coding) = Coding::by_name(name) {
                named[coding.index()] = Some(weight);
            } else if name.eq_ignore_ascii_case(b"identity") {
                identity = Some(weight);
            } else if name == b"*" {
                any = Some(weight);
            }
        }
        Accepted {
            weights: named.map(|weight| weight.or(any).unwrap_or(0)),
            identity: identity.unwrap_or(0),
        }
    }

    /// Whether any coding is.
    pub(crate) fn any(&self) -> bool {
        self.weights != [0; CODINGS]
    }

    /// The coding to use of those that `cost` says are at hand: the one the client likes best; of
    /// several, the cheapest; of several, the first in [`Coding::ALL`]. `None` to use none.
    pub(crate) fn choose(&self, cost: impl Fn(Coding) -> Option<u8>) -> Option<Coding> {
        let mut best: Option<(u16, u8, Coding)> = None;
        for coding in Coding::ALL {
            let weight = self.weights[coding.index()];
            if weight == 0 || weight < self.identity {
                continue;
            }
            let Some(cost) = cost(coding) else { continue };
            if best.is_none_or(|(most, least, _)| (weight, least) > (most, cost)) {
                best = Some((weight, cost, coding));
            }
        }
        best.map(|(_, _, coding)| coding)
    }
}

/// An element of the list: its name, and its weight in thousandths.
fn weighted(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => match parameter {
            [b'q' | b'Q', b'=', value @ ..] => thousandths(value)?,
            _ => return None,
        },
    };
    match parts.next() {
        None => Some((name, weight)),
        Some(_) => None,
    }
}

/// `0` to `1`, with up to three decimals (RFC 9110, section 12.4.2).
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => 1,
        _ => return None,
    };
    for at in 0..3 {
        let digit = decimals.get(at).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        weight = weight * 10 + u16::from(digit - b'0');
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepted(value: &str) -> Accepted {
        Accepted::parse([value.as_bytes()].into_iter())
    }

    #[test]
    fn the_coding_liked_best_is_chosen() {
        use Coding::{Brotli, Gzip, Zstd};
        for (value, chosen) in [
            ("", None),
            ("gzip", Some(Gzip)),
            ("GZip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("br", Some(Brotli)),
            ("zstd", Some(Zstd)),
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("gzip;q=0.5,br;q=0.5", Some(Brotli)),
            ("gzip;q=0.001", Some(Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("br;q=0, gzip", Some(Gzip)),
            ("*", Some(Brotli)),
            ("*;q=0", None),
            ("*;q=0, gzip", Some(Gzip)),
            ("br;q=0, *", Some(Zstd)),
            ("identity", None),
            ("identity;q=0", None),
            ("identity;q=0, gzip", Some(Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Gzip)),
            ("identity;q=0.5, gzip;q=0.4, br", Some(Brotli)),
            ("deflate, compress", None),
            ("gzip ; q=0.5 , br ;q=0.4", Some(Gzip)),
            ("gzip;Q=0", None),
            // Not well-formed, so not said.
            ("gzip;q=", None),
            ("gzip;q=2", None),
            ("gzip;q=1.001", None),
            ("gzip;q=0.0001", None),
            ("gzip;q=-1", None),
            ("gzip;level=9", None),
            ("gzip;q=1;q=0", None),
            (";q=1, br", Some(Brotli)),
            (",,br,,", Some(Brotli)),
            ("gzipp, brr, bro tli", None),
        ] {
            assert_eq!(accepted(value).choose(|_| Some(0)), chosen, "{value}");
        }
    }

    #[test]
    fn of_two_liked_as_much_the_cheaper_one_is_chosen() {
        let cheap_gzip = |coding| Some(u8::from(coding != Coding::Gzip));
        let both = accepted("gzip, br");
        assert_eq!(both.choose(cheap_gzip), Some(Coding::Gzip));
        let rather_br = accepted("gzip;q=0.9, br");
        assert_eq!(rather_br.choose(cheap_gzip), Some(Coding::Brotli));
        assert_eq!(both.choose(|_| None), None);
        assert!(both.any() && !accepted("identity, deflate").any());
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines: [&[u8]; 2] = [b"br;q=0.1", b"gzip"];
        let accepted = Accepted::parse(lines.into_iter());
        assert_eq!(accepted.choose(|_| Some(0)), Some(Coding::Gzip));
    }

    proptest! {
        #[test]
        fn anything_is_taken(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            let accepted = Accepted::parse([&value[..]].into_iter());
            prop_assert!(accepted.weights.iter().all(|weight| *weight <= 1000));
        }

        #[test]
        fn weights_are_read_as_they_are_written(weight in 0u16..=1000, decimals in 0usize..=3) {
            let step = [1000, 100, 10, 1][decimals];
            let weight = weight / step * step;
            let text = format!("{:.*}", decimals, f64::from(weight) / 1000.0);
            prop_assert_eq!(thousandths(text.as_bytes()), Some(weight));
        }
    }
}
