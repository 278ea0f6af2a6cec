//! Classes of bytes, as a table of 256 entries, and searches that look at eight or sixteen bytes at a
//! time.

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

/// One in each byte of a word, and each byte's high bit.
pub(crate) const ONES: u64 = u64::MAX / 255;
pub(crate) const HIGHS: u64 = ONES << 7;

/// Two words of eight bytes each, the first bytes lowest.
#[inline]
pub(crate) fn words(block: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(*block);
    [both as u64, (both >> 64) as u64]
}

/// How many of sixteen bytes, from the first one on, are letters and hyphens: names have hardly anything else.
#[inline]
pub(crate) fn letters_run(words: [u64; 2]) -> usize {
    first(words.map(|word| {
        let hyphens = !at_least(word ^ (ONES * u64::from(b'-')), 1);
        !(letters(word) | hyphens) | word
    }))
}

/// The place of the first byte whose high bit is set, among sixteen; 16 if there is none.
#[inline]
fn first(high_bits: [u64; 2]) -> usize {
    let [low, high] = high_bits.map(|bits| u128::from(bits & HIGHS));
    ((low | (high << 64)).trailing_zeros() / 8) as usize
}

/// The high bit of each byte of `word` that is at least `byte`, up to the first byte of 0x80 and above: a carry may have reached
/// those above it. Enough for a search that ends there anyway.
#[inline]
fn at_least(word: u64, byte: u8) -> u64 {
    word.wrapping_add(ONES * u64::from(0x80 - byte))
}

/// The high bit of each byte of `word` that is a letter, under the terms of [`at_least`].
#[inline]
fn letters(word: u64) -> u64 {
    let lower = word | (ONES * 0x20);
    at_least(lower, b'a') & !at_least(lower, b'z' + 1)
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

/// `run(bytes, TARGET)`, sixteen bytes at a time.
#[inline]
pub(crate) fn target_run(bytes: &[u8]) -> usize {
    // Quotation mark and number sign differ in their lowest bit, angle brackets in the next.
    let others = |word: u64| {
        first_below(word, b'!')
            | first_that_is(word | ONES, b'#')
            | first_that_is(word | (ONES * 2), b'>')
            | at_least(word, 0x7f)
            | word
    };
    let (blocks, rest) = bytes.as_chunks::<16>();
    for (i, block) in blocks.iter().enumerate() {
        let words = words(block);
        let others = [others(words[0]) & HIGHS, others(words[1]) & HIGHS];
        if others[0] | others[1] != 0 {
            return i * 16 + first(others);
        }
    }
    bytes.len() - rest.len() + run(rest, TARGET)
}

/// `run(bytes, REG_NAME)`, eight letters, digits, hyphens and dots at a time: most hosts have nothing else.
#[inline]
pub(crate) fn host_run(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // From hyphen to nine, without the slash.
        let digits = at_least(word, b'-') & !at_least(word, b'9' + 1);
        let digits = digits & at_least(word ^ (ONES * u64::from(b'/')), 1);
        let others = (!(letters(word) | digits) | word) & HIGHS;
        if others != 0 {
            at += (others.trailing_zeros() / 8) as usize;
            break;
        }
        at += 8;
    }
    at + run(&bytes[at..], REG_NAME)
}

/// The place of the first question mark, or the end. The bytes are all of [`TARGET`].
#[inline]
pub(crate) fn path_run(bytes: &[u8]) -> usize {
    // Most targets are short: this is quicker than a search that gets ready for more.
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let marks = first_that_is(u64::from_le_bytes(*word), b'?') & HIGHS;
        if marks != 0 {
            return i * 8 + (marks.trailing_zeros() / 8) as usize;
        }
    }
    let mark = rest.iter().position(|&byte| byte == b'?');
    bytes.len() - rest.len() + mark.unwrap_or(rest.len())
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
    use proptest::prelude::*;

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
                        assert_eq!(target_run(&bytes), run(&bytes, TARGET), "{bytes:?}");
                        assert_eq!(host_run(&bytes), run(&bytes, REG_NAME), "{bytes:?}");
                        let start = bytes.first_chunk().expect("40 bytes");
                        assert_eq!(
                            letters_run(words(start)),
                            letters_one_by_one(start),
                            "{bytes:?}"
                        );
                    }
                }
            }
        }
    }

    fn letters_one_by_one(bytes: &[u8]) -> usize {
        let is_it = |byte: &&u8| byte.is_ascii_alphabetic() || **byte == b'-';
        bytes.iter().take_while(is_it).count()
    }

    #[test]
    fn a_path_ends_at_the_first_question_mark() {
        for length in 0..40 {
            assert_eq!(path_run(&vec![b'a'; length]), length);
            for mark in 0..length {
                for other in (0..128u8).filter(|&byte| is(byte, TARGET)) {
                    let mut target = vec![other; length];
                    target[mark] = b'?';
                    let expected = if other == b'?' { 0 } else { mark };
                    assert_eq!(path_run(&target), expected, "{target:?}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn many_random_ones_are_as_one_at_a_time(bytes: Vec<u8>, start: [u8; 16]) {
            prop_assert_eq!(value_run(&bytes), run(&bytes, VALUE));
            prop_assert_eq!(target_run(&bytes), run(&bytes, TARGET));
            prop_assert_eq!(host_run(&bytes), run(&bytes, REG_NAME));
            prop_assert_eq!(letters_run(words(&start)), letters_one_by_one(&start));
        }

        #[test]
        fn nearly_right_ones_are_as_one_at_a_time(
            name in "[A-Za-z-]{0,30}", host in "[A-Za-z0-9.-]{0,40}", target in "[!-~]{0,60}", end in ".{0,20}",
        ) {
            let bytes = |text: String| [text.as_bytes(), end.as_bytes(), &[b' '; 16]].concat();
            let (name, host, target) = (bytes(name), bytes(host), bytes(target));
            prop_assert_eq!(target_run(&target), run(&target, TARGET));
            prop_assert_eq!(host_run(&host), run(&host, REG_NAME));
            let start = name.first_chunk().expect("at least sixteen");
            prop_assert_eq!(letters_run(words(start)), letters_one_by_one(start));
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
