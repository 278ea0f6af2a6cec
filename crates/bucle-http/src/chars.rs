//! Classes of bytes, as a table of 256 entries, and searches for the end of a name, a target or
//! a value that look at eight bytes at a time.

/// `tchar` (RFC 9110 section 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// What a request target may have in it. The grammar of RFC 3986, and `[ ] \ ^ { | }` and the
/// grave accent besides, which the URL standard (WHATWG) leaves as they are in a query or a path,
/// so that browsers send them. No fragment, no quotation mark, no angle brackets, no controls,
/// nothing beyond ASCII: these are sent percent-encoded by everyone.
pub(crate) const TARGET: u8 = 2;
/// `field-content` with white space: HTAB, SP, VCHAR, obs-text (RFC 9110 section 5.5).
pub(crate) const VALUE: u8 = 4;
/// `reg-name` without its percent-encoding (RFC 3986 section 3.2.2).
pub(crate) const REG_NAME: u8 = 8;
/// `qdtext` (RFC 9110 section 5.6.4).
pub(crate) const QDTEXT: u8 = 16;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut class = 0;
        if b.is_ascii_alphanumeric() || contains(b"!#$%&'*+-.^_`|~", b) {
            class |= TOKEN;
        }
        if b.is_ascii_graphic() && !contains(b"\"#<>", b) {
            class |= TARGET;
        }
        if b == b'\t' || (b >= b' ' && b != 0x7f) {
            class |= VALUE;
        }
        if b.is_ascii_alphanumeric() || contains(b"-._~!$&'()*+,;=", b) {
            class |= REG_NAME;
        }
        if class & VALUE != 0 && b != b'"' && b != b'\\' {
            class |= QDTEXT;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

/// Whether `byte` is of this class.
#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// How many bytes at the beginning of `bytes` are of this class.
#[inline]
pub(crate) fn run(bytes: &[u8], class: u8) -> usize {
    bytes
        .iter()
        .position(|&byte| !is(byte, class))
        .unwrap_or(bytes.len())
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// The high bit of each byte of `word` that is `byte`, for bytes below 0x80.
#[inline]
fn is_each(word: u64, byte: u8) -> u64 {
    !((word ^ (ONES * u64::from(byte))) + ONES * 0x7f)
}

/// The high bit of each byte of `word` that is at least `byte`, for bytes below 0x80.
#[inline]
fn at_least_each(word: u64, byte: u8) -> u64 {
    word + ONES * u64::from(0x80 - byte)
}

/// `run(bytes, TOKEN)`, eight letters and hyphens at a time: names have hardly anything else.
#[inline]
pub(crate) fn name_run(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let low = word & !HIGHS;
        let lower = low | (ONES * 0x20);
        let letters = at_least_each(lower, b'a') & !at_least_each(lower, b'z' + 1);
        let others = !((letters | is_each(low, b'-')) & !word) & HIGHS;
        if others != 0 {
            at += (others.trailing_zeros() / 8) as usize;
            break;
        }
        at += 8;
    }
    at + run(&bytes[at..], TOKEN)
}

/// The high bit of the lowest byte of `word` that is less than `byte`, and perhaps of some above it: a borrow may have reached
/// these. Enough for a search, which wants the first. Nor do bytes of 0x80 and above count for sure.
#[inline]
fn first_below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(byte))
}

/// The high bit of the lowest byte of `word` that is `byte`, under the terms of [`first_below`].
#[inline]
fn first_that_is(word: u64, byte: u8) -> u64 {
    first_below(word ^ (ONES * u64::from(byte)), 1)
}

/// `run(bytes, TARGET)`, eight bytes at a time.
#[inline]
pub(crate) fn target_run(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Quotation mark and number sign differ in their lowest bit, angle brackets in the next.
        let others = first_below(word, b'!')
            | first_that_is(word | ONES, b'#')
            | first_that_is(word | (ONES * 2), b'>')
            | first_that_is(word, 0x7f)
            | word;
        let others = others & HIGHS;
        if others != 0 {
            return i * 8 + (others.trailing_zeros() / 8) as usize;
        }
    }
    bytes.len() - rest.len() + run(rest, TARGET)
}

/// `run(bytes, VALUE)`, sixteen bytes at a time (the compiler makes vectors of it), and eight at the end.
#[inline]
pub(crate) fn value_run(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<16>();
    let mut from = 0;
    for block in blocks {
        let is_odd = |odd, byte: &u8| odd | (*byte < b' ') | (*byte == 0x7f);
        if block.iter().fold(false, is_odd) {
            break;
        }
        from += 16;
    }
    'tab: loop {
        let (words, rest) = bytes[from..].as_chunks::<8>();
        for (i, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let others = (first_below(word, b' ') | first_that_is(word, 0x7f)) & !word & HIGHS;
            if others != 0 {
                let at = from + i * 8 + (others.trailing_zeros() / 8) as usize;
                if bytes[at] == b'\t' {
                    from = at + 1;
                    continue 'tab;
                }
                return at;
            }
        }
        return bytes.len() - rest.len() + run(rest, VALUE);
    }
}

/// Whether `bytes`, which have no control character but HTAB in them, are `word` in whatever case.
/// `word` has lower-case letters, digits and hyphens: setting the bit that makes a letter lower-case
/// makes nothing else one of these, and an array is compared without a loop.
#[inline]
pub(crate) fn is_word<const N: usize>(bytes: &[u8], word: &[u8; N]) -> bool {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else {
        return false;
    };
    let difference = |sum: u8, (byte, expected): (&u8, &u8)| sum | ((byte | 0x20) ^ expected);
    bytes.iter().zip(word).fold(0, difference) == 0
}

/// Without white space (SP, HTAB) at its ends (RFC 9110 section 5.6.3).
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

#[inline]
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

#[inline]
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// `bytes` as text; they are known to be ASCII.
#[inline]
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_a_time_are_as_one_at_a_time() {
        for byte in 0..=255u8 {
            for at in 0..40 {
                for filler in [b' ', b'a', b'Z', b'-', b'~', 0x80, 0xff, b'\t'] {
                    let mut bytes = [filler; 40];
                    bytes[at] = byte;
                    for other in [filler, b'\r', b':', b' '] {
                        bytes[(at + 3) % 40] = other;
                        assert_eq!(value_run(&bytes), run(&bytes, VALUE), "{bytes:?}");
                        assert_eq!(name_run(&bytes), run(&bytes, TOKEN), "{bytes:?}");
                        assert_eq!(target_run(&bytes), run(&bytes, TARGET), "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn words_are_compared_in_whatever_case() {
        for byte in (0..=255u8).filter(|&byte| is(byte, VALUE)) {
            for at in 0..12 {
                let mut bytes = *b"100-CONTinue";
                bytes[at] = byte;
                let expected = bytes.eq_ignore_ascii_case(b"100-continue");
                assert_eq!(is_word(&bytes, b"100-continue"), expected, "{bytes:?}");
            }
        }
        assert!(!is_word(b"hos", b"host") && !is_word(b"hosts", b"host"));
    }

    #[test]
    fn classes_are_those_of_the_grammar() {
        for byte in 0..=255u8 {
            assert_eq!(is(byte, VALUE), byte == 9 || (byte >= 32 && byte != 127));
            assert!(!is(byte, TOKEN) || byte.is_ascii_graphic());
            assert!(!is(byte, TARGET) || byte.is_ascii_graphic());
        }
        for byte in *b"\"(),/:;<=>?@[\\]{}" {
            assert!(!is(byte, TOKEN), "{}", byte as char);
        }
    }
}
