//! Plain old data: types whose values are their bytes, whatever the bytes.

use std::mem::{align_of, size_of, size_of_val};
use std::slice;

mod sealed {
    pub trait Sealed {}
}

/// Numbers, and arrays of them: any bytes are a value, and a value is nothing but its bytes.
///
/// Sealed: that it holds for a type is argued here, where it can be seen.
pub trait Plain: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The value whose bytes are all zero.
    const ZERO: Self;
}

macro_rules! plain {
    ($($number:ty => $zero:expr),*) => {$(
        impl sealed::Sealed for $number {}
        impl Plain for $number {
            const ZERO: $number = $zero;
        }
    )*};
}

plain!(
    u8 => 0, u16 => 0, u32 => 0, u64 => 0, u128 => 0, usize => 0,
    i8 => 0, i16 => 0, i32 => 0, i64 => 0, i128 => 0, isize => 0,
    f32 => 0.0, f64 => 0.0
);

impl<T: Plain, const N: usize> sealed::Sealed for [T; N] {}
impl<T: Plain, const N: usize> Plain for [T; N] {
    const ZERO: [T; N] = [T::ZERO; N];
}

/// The bytes of `items`, in the order of this machine.
pub fn bytes_of<T: Plain>(items: &[T]) -> &[u8] {
    // SAFETY: a `Plain` type is a number or an array of numbers, which has no padding, so that all
    // `size_of_val` bytes are initialized; `u8` asks for no alignment; the lifetime and the
    // sharing are those of `items`.
    unsafe { slice::from_raw_parts(items.as_ptr().cast(), size_of_val(items)) }
}

/// [`bytes_of`] for writing.
pub fn bytes_of_mut<T: Plain>(items: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; exclusive since `items` is, and any bytes are values of the type.
    unsafe { slice::from_raw_parts_mut(items.as_mut_ptr().cast(), size_of_val(items)) }
}

/// The items that `bytes` are; `None` if they are not aligned for `T`, or no whole number of them.
pub fn from_bytes<T: Plain>(bytes: &[u8]) -> Option<&[T]> {
    let count = whole::<T>(bytes.as_ptr(), bytes.len())?;
    // SAFETY: `whole` has compared alignment and size, every pattern of bytes is a value of a
    // `Plain` type, and the lifetime and the sharing are those of `bytes`.
    Some(unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), count) })
}

/// [`from_bytes`] for writing.
pub fn from_bytes_mut<T: Plain>(bytes: &mut [u8]) -> Option<&mut [T]> {
    let count = whole::<T>(bytes.as_ptr(), bytes.len())?;
    // SAFETY: as in `from_bytes`; exclusive since `bytes` is, and whatever is written leaves
    // initialized bytes, since a `Plain` type has no padding.
    Some(unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), count) })
}

fn whole<T: Plain>(start: *const u8, len: usize) -> Option<usize> {
    let size = size_of::<T>();
    let fits =
        size != 0 && len.is_multiple_of(size) && start.addr().is_multiple_of(align_of::<T>());
    fits.then(|| len / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_there_and_back() {
        let numbers = [1.5_f64, -0.0, f64::NAN];
        let bytes = bytes_of(&numbers);
        assert_eq!(bytes.len(), 24);
        let back: &[f64] = from_bytes(bytes).unwrap();
        assert_eq!(back[0], 1.5);
        assert!(back[2].is_nan());
        let mut copy = [[0_u16; 2]; 2];
        copy[1] = [3, 4];
        assert_eq!(bytes_of(&copy)[4..], [3, 0, 4, 0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let words = [0_u64; 2];
        let bytes = bytes_of(&words);
        assert!(from_bytes::<u64>(&bytes[1..9]).is_none(), "not aligned");
        assert!(from_bytes::<u64>(&bytes[..15]).is_none(), "not whole");
        assert!(from_bytes::<[u64; 0]>(bytes).is_none(), "no size");
        assert_eq!(from_bytes::<u64>(bytes), Some(&words[..]));
        let mut words = [1_u32; 3];
        let bytes = bytes_of(&words).to_vec();
        assert_eq!(bytes.len(), 12);
        let mut aligned = [[0_u8; 4]; 2];
        let flat = aligned.as_flattened_mut();
        if let Some(numbers) = from_bytes_mut::<u32>(flat) {
            numbers[1] = 7;
            assert_eq!(flat[4], 7);
        }
        bytes_of_mut(&mut words)[0] = 2;
        assert_eq!(words[0], 2);
    }
}
