//! How long a message's body is (RFC 9112 section 6).

use crate::chars::{self, TOKEN};
use crate::field::Field;
use crate::notable::{Kind, Notable};
use crate::{Error, Version};

/// What says where a body ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, and nothing says so.
    #[default]
    None,
    /// It has so many bytes.
    Length(u64),
    /// It is chunked.
    Chunked,
}

/// What the fields of a head say. Nothing is guessed: a message that says it twice, or in two ways,
/// is refused, even where both say the same.
#[inline]
pub(crate) fn framing(
    notable: &Notable,
    fields: &[Field],
    section: &[u8],
    version: Version,
) -> Result<Framing, Error> {
    let lengths = notable.times(Kind::ContentLength);
    let encodings = notable.times(Kind::TransferEncoding);
    if lengths | encodings == 0 {
        return Ok(Framing::None);
    }
    if encodings > 0 {
        if version == Version::Http10 {
            return Err(Error::TransferEncodingInHttp10);
        }
        if lengths > 0 {
            return Err(Error::LengthAndEncoding);
        }
        return transfer_encoding(fields, section);
    }
    if lengths > 1 {
        return Err(Error::RepeatedContentLength);
    }
    let value = &section[notable.range(Kind::ContentLength, fields)];
    parse_length(value).map(Framing::Length)
}

/// `Content-Length`: digits, and not over 2^63-1, so that it fits a file offset.
pub(crate) fn parse_length(digits: &[u8]) -> Result<u64, Error> {
    if digits.is_empty() {
        return Err(Error::ContentLength);
    }
    let mut length = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Error::ContentLength);
        }
        length = length
            .checked_mul(10)
            .and_then(|length| length.checked_add(i64::from(digit - b'0')))
            .ok_or(Error::ContentLength)?;
    }
    Ok(length.unsigned_abs())
}

/// All `Transfer-Encoding` lines together: `chunked` once and nothing else. `chunked` that is
/// repeated or followed by something leaves the length unknown, which is 400; any other coding is
/// 501.
#[cold]
fn transfer_encoding(fields: &[Field], section: &[u8]) -> Result<Framing, Error> {
    let lines = fields.iter().filter(|field| {
        field
            .name(section)
            .eq_ignore_ascii_case(b"transfer-encoding")
    });
    let mut chunked = false;
    let mut other = false;
    for line in lines {
        for coding in line.value(section).split(|&byte| byte == b',') {
            let coding = chars::trim(coding);
            if chunked || coding.is_empty() {
                return Err(Error::TransferEncoding);
            }
            if coding.eq_ignore_ascii_case(b"chunked") {
                chunked = true;
                continue;
            }
            // Parameters may follow a coding, but not this one.
            let name = &coding[..chars::run(coding, TOKEN)];
            let rest = chars::trim_start(&coding[name.len()..]);
            if name.is_empty()
                || name.eq_ignore_ascii_case(b"chunked")
                || !(rest.is_empty() || rest.starts_with(b";"))
            {
                return Err(Error::TransferEncoding);
            }
            other = true;
        }
    }
    if other {
        return Err(Error::UnsupportedTransferEncoding);
    }
    Ok(Framing::Chunked)
}
