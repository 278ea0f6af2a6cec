//! [`Number`]: a task's number in six bytes.

/// A task's number, of 48 bits. A loop that did nothing but spawn would count so far in half a year, and
/// then begin again. Aligned to two bytes, so that the header has room for two more beside it.
#[derive(Clone, Copy)]
#[repr(C, packed(2))]
pub(super) struct Number {
    low: u32,
    high: u16,
}

impl Number {
    /// The number, of which only the lower 48 bits are kept.
    #[inline]
    pub(super) fn new(number: u64) -> Number {
        Number {
            low: number as u32,
            high: (number >> 32) as u16,
        }
    }

    #[inline]
    pub(super) fn get(self) -> u64 {
        u64::from(self.low) | u64::from(self.high) << 32
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_has_room_for_48_bits() {
        assert_eq!(size_of::<Number>(), 6);
        for number in [0, 1, 0x1_2345, 0xfedc_ba98_7654, (1 << 48) - 1] {
            assert_eq!(Number::new(number).get(), number);
        }
        assert_eq!(Number::new((1 << 48) + 7).get(), 7);
    }
}
