//! [`Controls`]: where the control characters of a section are, which end its lines.

use crate::chars::{HIGHS, ONES, words};

/// Bytes that are looked at together.
const BLOCK: usize = 128;

/// The control characters of a section, HTAB and DEL among them, one run after the other.
///
/// A bit for each of 128 bytes is made without a branch, and the next one that is set is found without one. Where a value ends
/// is what a processor cannot foresee: a wrong guess a line costs more than looking at all bytes in vain.
pub(crate) struct Controls<'a> {
    section: &'a [u8],
    /// Where the block that `bits` is about ends.
    end: usize,
    /// The first of each run of control characters in the block, as far as they were not returned yet.
    bits: u128,
}

impl<'a> Controls<'a> {
    /// Those at and behind `from`.
    #[inline]
    pub(crate) fn new(section: &'a [u8], from: usize) -> Controls<'a> {
        Controls {
            section,
            end: from,
            bits: 0,
        }
    }

    /// The first control character at or behind `from`, which is behind what was returned before, and before which there is
    /// none. `None` if the section ends first.
    #[inline]
    pub(crate) fn next(&mut self, from: usize) -> Option<usize> {
        loop {
            while self.bits == 0 {
                self.load()?;
            }
            let at = self.end - BLOCK + self.bits.trailing_zeros() as usize;
            self.bits &= self.bits - 1;
            // A run may begin again with a block, and who asks may have skipped some.
            if at >= from {
                return Some(at);
            }
        }
    }

    #[inline]
    fn load(&mut self) -> Option<()> {
        let rest = self.section.get(self.end..)?;
        let bits = match rest.first_chunk() {
            Some(block) => bits(block),
            None => last_bits(self.section, rest.len())?,
        };
        self.bits = bits & !(bits << 1);
        self.end += BLOCK;
        Some(())
    }
}

/// The bits of the last bytes of a section, of which there are less than a block.
#[inline(never)]
fn last_bits(section: &[u8], length: usize) -> Option<u128> {
    if length == 0 {
        return None;
    }
    if let Some(block) = section.last_chunk() {
        return Some(bits(block) >> (BLOCK - length));
    }
    let mut block = [b' '; BLOCK];
    block[..length].copy_from_slice(&section[section.len() - length..]);
    Some(bits(&block))
}

/// A bit for each control character of the block, in their order.
#[inline(always)]
fn bits(block: &[u8; BLOCK]) -> u128 {
    let (pieces, _) = block.as_chunks::<16>();
    let (low, high) = pieces.split_at(4);
    let [low, high] = [others(low), others(high)].map(transpose);
    !(u128::from(low) | (u128::from(high) << 64))
}

/// Bit w of byte b says that byte b of word w is no control character, for eight words.
#[inline(always)]
fn others(pieces: &[[u8; 16]]) -> u64 {
    let others = |word: u64| {
        let low = word & !HIGHS;
        // At least SP and not DEL, or not ASCII.
        (((low + ONES * 0x60) ^ (low + ONES)) | word) & HIGHS
    };
    // The two words of a piece are treated alike: so the compiler makes a vector of them.
    let mut packed = [0; 2];
    for piece in pieces {
        let words = words(piece);
        packed = [
            (packed[0] >> 2) | others(words[0]),
            (packed[1] >> 2) | others(words[1]),
        ];
    }
    (packed[0] >> 1) | packed[1]
}

/// Eight times eight bits, mirrored at their diagonal: by exchanging squares of one, of two, of four (Warren, Hacker's Delight,
/// section 7-3).
#[inline(always)]
fn transpose(bits: u64) -> u64 {
    let exchange = |bits: u64, distance: u32, mask: u64| {
        let other = (bits ^ (bits >> distance)) & mask;
        bits ^ other ^ (other << distance)
    };
    let bits = exchange(bits, 7, 0x00aa_00aa_00aa_00aa);
    let bits = exchange(bits, 14, 0x0000_cccc_0000_cccc);
    exchange(bits, 28, 0x0000_0000_f0f0_f0f0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_control(byte: u8) -> bool {
        byte < b' ' || byte == 0x7f
    }

    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=255u8 {
            for filler in [b' ', b'~', 0x80, 0xff] {
                for at in 0..BLOCK {
                    let mut block = [filler; BLOCK];
                    block[at] = byte;
                    assert_eq!(
                        bits(&block),
                        u128::from(is_control(byte)) << at,
                        "{byte} at {at}"
                    );
                }
            }
        }
    }

    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![8 => any::<u8>().prop_filter("", |byte| !is_control(*byte)), 1 => any::<u8>(),
            1 => prop::sample::select(b"\r\n\t\x7f\0".as_slice())]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn as_one_at_a_time(section in prop::collection::vec(byte(), 0..500), from in 0..200usize, skip in 0..40usize) {
            let mut controls = Controls::new(&section, from);
            let mut at = from;
            while at <= section.len() {
                let expected = (at..section.len()).find(|&place| is_control(section[place]));
                prop_assert_eq!(controls.next(at), expected, "from {}", at);
                let Some(place) = expected else { break };
                at = place + 1 + skip;
                while at > 0 && section.get(at - 1).is_some_and(|&byte| is_control(byte)) {
                    at += 1;
                }
            }
        }
    }
}
