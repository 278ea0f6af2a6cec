//! [`Limits`]: how much of everything a message may have, and where the defaults come from.

/// Bytes of a method; a longer one is answered with 501. RFC 9112 section 3 asks for 501 where a
/// method is longer than any that is implemented; the longest that is registered has 17.
pub const METHOD_BYTES: usize = 32;

/// Bytes of a request target; a longer one is answered with 414. RFC 9112 section 3 recommends at
/// least 8,000 bytes for the request line; nginx and Apache allow 8 KiB.
pub const TARGET_BYTES: usize = 8 * 1024;

/// Bytes of a whole head, from the request line to the empty line; a longer one is answered with
/// 431. As nginx (four buffers of 8 KiB).
pub const HEAD_BYTES: usize = 32 * 1024;

/// Header fields of a head; more are answered with 431. As Apache and hyper.
pub const FIELDS: usize = 100;

/// Empty lines before a request line; more are answered with 400. RFC 9112 section 2.2 asks to
/// ignore at least one, for clients that send a line break after a body.
pub const EMPTY_LINES: u8 = 4;

/// Bytes that all the chunk extensions of a body may have together; more are answered with 400.
/// RFC 9112 section 7.1.1 asks for such a limit; hyper has the same 16 KiB. Without it one byte of
/// content can cost a peer's whole bandwidth (CVE-2023-39326).
pub const CHUNK_EXTENSION_BYTES: u32 = 16 * 1024;

/// Bytes of a trailer section, its empty line included; a longer one is answered with 431. Half of
/// a header section is plenty for checksums and timings.
pub const TRAILER_BYTES: usize = 8 * 1024;

/// Interim (1xx) answers before the final one that a client takes. As many as curl and more than
/// any server has a reason to send.
pub const INTERIM_RESPONSES: u8 = 20;

/// What [`Limits::head_bytes`] and [`Limits::trailer_bytes`] can be at most; larger values count as
/// this one.
pub const MAX_HEAD_BYTES: usize = 16 * 1024 * 1024;

/// How much of everything a message may have. Each limit holds for messages that are not whole yet
/// as well, so a caller never has to keep more than [`head_bytes`](Limits::head_bytes) or
/// [`trailer_bytes`](Limits::trailer_bytes) of input.
///
/// ```
/// let mut limits = bucle_http::Limits::default();
/// limits.fields = 20;
/// assert_eq!(limits.target_bytes, bucle_http::limits::TARGET_BYTES);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// See [`METHOD_BYTES`].
    pub method_bytes: usize,
    /// See [`TARGET_BYTES`].
    pub target_bytes: usize,
    /// See [`HEAD_BYTES`].
    pub head_bytes: usize,
    /// See [`FIELDS`]. Holds for a trailer section as well.
    pub fields: usize,
    /// See [`EMPTY_LINES`].
    pub empty_lines: u8,
    /// See [`CHUNK_EXTENSION_BYTES`].
    pub chunk_extension_bytes: u32,
    /// See [`TRAILER_BYTES`].
    pub trailer_bytes: usize,
    /// See [`INTERIM_RESPONSES`].
    pub interim_responses: u8,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            method_bytes: METHOD_BYTES,
            target_bytes: TARGET_BYTES,
            head_bytes: HEAD_BYTES,
            fields: FIELDS,
            empty_lines: EMPTY_LINES,
            chunk_extension_bytes: CHUNK_EXTENSION_BYTES,
            trailer_bytes: TRAILER_BYTES,
            interim_responses: INTERIM_RESPONSES,
        }
    }
}
