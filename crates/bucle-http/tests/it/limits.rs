//! Every limit at N and at N + 1, on input that is whole, cut anywhere, and never ends.

use bucle_http::limits::*;
use bucle_http::{Error, Limits};

use crate::drive::{equal_however_cut, serve_cut};

fn error(input: &[u8], limits: &Limits) -> Option<Error> {
    let outcome = equal_however_cut(|cuts| serve_cut(input, cuts, limits), input.len());
    assert!(
        outcome.error().is_some() || outcome.ends() == 1,
        "{outcome:?}"
    );
    outcome.error()
}

/// `n` passes and one more does not, for the limit in effect and for a smaller one.
fn at_limit(
    default: usize,
    too_much: Error,
    set: impl Fn(&mut Limits, usize),
    request: impl Fn(usize) -> Vec<u8>,
) {
    let mut limits = Limits::default();
    for n in [default, 7.max(default / 50)] {
        set(&mut limits, n);
        assert_eq!(error(&request(n), &limits), None, "{n}");
        assert_eq!(error(&request(n + 1), &limits), Some(too_much), "{n} + 1");
    }
}

#[test]
fn the_defaults_are_the_constants() {
    let limits = Limits::default();
    assert_eq!(limits.method_bytes, METHOD_BYTES);
    assert_eq!(limits.target_bytes, TARGET_BYTES);
    assert_eq!(limits.head_bytes, HEAD_BYTES);
    assert_eq!(limits.fields, FIELDS);
    assert_eq!(limits.empty_lines, EMPTY_LINES);
    assert_eq!(limits.chunk_extension_bytes, CHUNK_EXTENSION_BYTES);
    assert_eq!(limits.trailer_bytes, TRAILER_BYTES);
    assert_eq!(limits.interim_responses, INTERIM_RESPONSES);
}

#[test]
fn method() {
    at_limit(
        METHOD_BYTES,
        Error::MethodTooLong,
        |limits, n| limits.method_bytes = n,
        |n| format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(n)).into_bytes(),
    );
}

#[test]
fn target() {
    at_limit(
        TARGET_BYTES,
        Error::TargetTooLong,
        |limits, n| limits.target_bytes = n,
        |n| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(n - 1)).into_bytes(),
    );
}

#[test]
fn head() {
    const REST: usize = "GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n".len();
    at_limit(
        HEAD_BYTES,
        Error::HeadTooLong,
        |limits, n| limits.head_bytes = n,
        |n| {
            let value = "v".repeat(n - REST);
            format!("GET / HTTP/1.1\r\nHost: a\r\nA: {value}\r\n\r\n").into_bytes()
        },
    );
}

#[test]
fn fields() {
    at_limit(
        FIELDS,
        Error::TooManyFields,
        |limits, n| limits.fields = n,
        |n| {
            let fields = "A: b\r\n".repeat(n - 1);
            format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
        },
    );
    at_limit(
        FIELDS,
        Error::TooManyFields,
        |limits, n| limits.fields = n,
        |n| {
            let fields = "A: b\r\n".repeat(n);
            let head = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            format!("{head}0\r\n{fields}\r\n").into_bytes()
        },
    );
}

#[test]
fn empty_lines() {
    at_limit(
        usize::from(EMPTY_LINES),
        Error::EmptyLines,
        |limits, n| limits.empty_lines = n as u8,
        |n| format!("{}GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n".repeat(n)).into_bytes(),
    );
}

#[test]
fn chunk_extensions() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    at_limit(
        CHUNK_EXTENSION_BYTES as usize,
        Error::ChunkExtensionsTooLong,
        |limits, n| limits.chunk_extension_bytes = n as u32,
        |n| format!("{HEAD}1;{}\r\na\r\n0\r\n\r\n", "e".repeat(n - 1)).into_bytes(),
    );
    // One chunk's extensions, or those of many.
    at_limit(
        CHUNK_EXTENSION_BYTES as usize,
        Error::ChunkExtensionsTooLong,
        |limits, n| limits.chunk_extension_bytes = n as u32,
        |n| {
            let chunks = "1;e=\"f\"\r\na\r\n".repeat(n / 6 - 1);
            let last = "e".repeat(6 + n % 6 - 1);
            format!("{HEAD}{chunks}0;{last}\r\n\r\n").into_bytes()
        },
    );
}

#[test]
fn trailers() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    at_limit(
        TRAILER_BYTES,
        Error::TrailersTooLong,
        |limits, n| limits.trailer_bytes = n,
        |n| format!("{HEAD}0\r\nA:{}\r\n\r\n", "v".repeat(n - 6)).into_bytes(),
    );
}

#[test]
fn what_never_ends_is_refused_within_the_limits() {
    let limits = Limits::default();
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (begin, byte, error) in [
        ("", b'M', Error::MethodTooLong),
        ("GET /", b'a', Error::TargetTooLong),
        ("GET / HTTP/1.1\r\n", b'n', Error::HeadTooLong),
        ("GET / HTTP/1.1\r\nA:", b' ', Error::HeadTooLong),
        (&format!("{chunked}1;"), b'e', Error::ChunkExtensionsTooLong),
        (&format!("{chunked}1"), b' ', Error::ChunkExtensionsTooLong),
        (chunked, b'0', Error::ChunkSize),
        (&format!("{chunked}0\r\n"), b'n', Error::TrailersTooLong),
    ] {
        let mut input = begin.as_bytes().to_vec();
        input.resize(40_000, byte);
        let every: Vec<usize> = (0..input.len()).collect();
        let thirds: Vec<usize> = (0..input.len()).step_by(1000).collect();
        for cuts in [&[][..], &every, &thirds] {
            assert_eq!(
                serve_cut(&input, cuts, &limits).error(),
                Some(error),
                "{begin}"
            );
        }
    }
}

#[test]
fn absurd_limits_are_no_harm() {
    for n in [0, 1, usize::MAX] {
        let mut limits = Limits::default();
        limits.method_bytes = n;
        limits.target_bytes = n;
        limits.head_bytes = n;
        limits.fields = n;
        limits.trailer_bytes = n;
        limits.empty_lines = n as u8;
        limits.chunk_extension_bytes = n as u32;
        let input = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let outcome = serve_cut(input, &[3, 9], &limits);
        assert_eq!(outcome.error().is_none(), n > 1);
    }
}
