//! Where input is cut: at places that depend on nothing but the input, so that a finding repeats.

/// A number that depends on all bytes of the input: FNV-1a.
pub(crate) fn hash(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A few places, drawn from the input's own bytes; they ascend.
pub(crate) fn some(input: &[u8]) -> Vec<usize> {
    let hash = hash(input);
    let mut cuts: Vec<usize> = (0..1 + hash % 5)
        .map(|i| (hash.rotate_left(11 * i as u32) >> 8) as usize % (input.len() + 1))
        .collect();
    cuts.sort_unstable();
    cuts
}

/// Behind every byte.
#[allow(dead_code)]
pub(crate) fn all(input: &[u8]) -> Vec<usize> {
    (0..input.len()).collect()
}
