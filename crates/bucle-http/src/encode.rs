//! Writing messages: status lines, fields, numbers and chunks, appended to a buffer without
//! `std::fmt`. What comes from outside is checked, so that no value can begin a line of its own.

use std::fmt;

use crate::StatusCode;
use crate::chars::{self, TARGET, TOKEN, VALUE};

/// The last chunk of a chunked body, with an empty trailer section behind it.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The interim answer that a client waits for that expects it.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The interim answer that says that the request was received and is being worked on (RFC 2518 section
/// 10.1). Every client of HTTP/1.1 reads past those that it doesn't expect (RFC 9110 section 15.2).
pub const PROCESSING: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";

/// Why something can't be written into a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A field name or method is empty or no token (RFC 9110 section 5.6.2).
    Name,
    /// A field value has a control character in it (RFC 9110 section 5.5).
    Value,
    /// A field that may not stand in a trailer section: it would say how the message is framed, routed
    /// or read (RFC 9110 section 6.5.1).
    Trailer,
    /// A request target is empty, or has a character in it that must be percent-encoded.
    Target,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EncodeError::Name => "a name may have letters, digits and !#$%&'*+-.^_`|~ only",
            EncodeError::Value => {
                "a field value may have no control character, no line break above all"
            }
            EncodeError::Trailer => {
                "a trailer field may not say how the message is framed, routed or read"
            }
            EncodeError::Target => "a request target is ASCII without spaces, percent-encoded",
        })
    }
}

impl std::error::Error for EncodeError {}

/// Appends the status line `HTTP/1.1 200 OK` with its line break. It says HTTP/1.1 to all clients
/// (RFC 9110 section 2.5).
#[inline]
pub fn write_status_line(out: &mut Vec<u8>, status: StatusCode) {
    match status.line() {
        Some(line) => out.extend_from_slice(line),
        None => {
            out.extend_from_slice(b"HTTP/1.1 ");
            write_decimal(out, u64::from(status.as_u16()));
            out.extend_from_slice(b" \r\n");
        }
    }
}

/// Appends a request line. `target` may be of any form.
///
/// # Errors
/// [`EncodeError::Name`] for the method, [`EncodeError::Target`]; nothing is written then.
pub fn write_request_line(
    out: &mut Vec<u8>,
    method: &str,
    target: &str,
) -> Result<(), EncodeError> {
    if method.is_empty() || chars::run(method.as_bytes(), TOKEN) < method.len() {
        return Err(EncodeError::Name);
    }
    if target.is_empty() || chars::run(target.as_bytes(), TARGET) < target.len() {
        return Err(EncodeError::Target);
    }
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    Ok(())
}

/// Appends one field line, line break included.
///
/// # Errors
/// [`EncodeError`] if the name is no token or the value has a control character other than HTAB in
/// it; nothing is written then.
#[inline]
pub fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), EncodeError> {
    if name.is_empty() || chars::run(name.as_bytes(), TOKEN) < name.len() {
        return Err(EncodeError::Name);
    }
    if chars::value_run(value) < value.len() {
        return Err(EncodeError::Value);
    }
    debug_assert!(chars::run(value, VALUE) == value.len());
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// What has to be known before the body, or belongs to the connection.
const NOT_BEHIND: [&str; 15] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "host",
    "keep-alive",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Appends one field line of a trailer section, line break included.
///
/// # Errors
/// Those of [`write_field`]; [`EncodeError::Trailer`] for a field that has to be known before the
/// body; nothing is written then.
pub fn write_trailer(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), EncodeError> {
    if NOT_BEHIND
        .iter()
        .any(|field| field.eq_ignore_ascii_case(name))
    {
        return Err(EncodeError::Trailer);
    }
    write_field(out, name, value)
}

/// Appends the end of a chunked body: its last chunk, and a trailer section of these
/// [lines](write_trailer), which may be none.
pub fn write_last_chunk(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

/// Appends `Content-Length: length` with its line break.
#[inline]
pub fn write_content_length(out: &mut Vec<u8>, length: u64) {
    const LONGEST: usize = 20;
    // The digits end where the line break begins; behind it is room.
    let mut line = [0; LONGEST + 2 + LONGEST];
    line[LONGEST..LONGEST + 2].copy_from_slice(b"\r\n");
    let mut at = LONGEST;
    let mut rest = length;
    for digit in line[..LONGEST].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        at -= 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(b"Content-Length: ");
    // Copied with what is behind its end, and then cut: a copy of a known length is a few instructions,
    // one of another is a call.
    out.extend_from_slice(&line[at..at + LONGEST + 2]);
    out.truncate(out.len() - at);
}

/// Appends the line before a chunk of `length` bytes of data. Behind the data goes a line break.
/// A chunk of no bytes would end the body: with `length` 0 nothing is written.
#[inline]
pub fn write_chunk_head(out: &mut Vec<u8>, length: u64) {
    if length == 0 {
        return;
    }
    let digits = 16 - length.leading_zeros() as usize / 4;
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(length >> (place * 4)) as usize & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `number` in decimal digits.
#[inline]
pub fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    const PAIRS: &[u8; 200] = &pairs();
    let mut digits = [0; 20];
    let mut at = digits.len();
    while number >= 10 {
        let pair = (number % 100) as usize * 2;
        number /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        if number == 0 {
            out.extend_from_slice(&digits[at..]);
            return;
        }
    }
    at -= 1;
    digits[at] = b'0' + number as u8;
    out.extend_from_slice(&digits[at..]);
}

/// `00` to `99`.
const fn pairs() -> [u8; 200] {
    let mut pairs = [0; 200];
    let mut i = 0;
    while i < 100 {
        pairs[i * 2] = b'0' + (i / 10) as u8;
        pairs[i * 2 + 1] = b'0' + (i % 10) as u8;
        i += 1;
    }
    pairs
}
