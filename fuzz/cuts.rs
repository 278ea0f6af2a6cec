//! Where input is cut: at places that depend on nothing but the input, so that a finding repeats.

/// A few places, drawn from the input's own bytes; they ascend.
pub(crate) fn some(input: &[u8]) -> Vec<usize> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in input {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut cuts: Vec<usize> = (0..1 + hash % 5)
        .map(|i| (hash.rotate_left(11 * i as u32) >> 8) as usize % (input.len() + 1))
        .collect();
    cuts.sort_unstable();
    cuts
}

/// Behind every byte.
pub(crate) fn all(input: &[u8]) -> Vec<usize> {
    (0..input.len()).collect()
}
