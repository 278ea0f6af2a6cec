//! [`Chunks`]: the chunked transfer coding (RFC 9112 section 7.1), byte by byte but for the data.
//!
//! The framing is consumed as it comes, so nothing of it is ever carried over. White space is taken
//! only where the grammar has it, around the `;` and the `=` of an extension.

use std::ops::Range;

use crate::chars::{self, QDTEXT, TOKEN, VALUE};
use crate::{Error, Limits};

/// Digits of a chunk's size, leading zeros included: as many as 64 bits have.
const SIZE_DIGITS: u8 = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing or digits of a size.
    #[default]
    Size,
    /// White space behind a size or an extension: only a `;` may follow.
    BeforeSemicolon,
    /// Behind a `;`.
    BeforeName,
    Name,
    /// White space behind an extension's name.
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    /// Behind a backslash.
    Escaped,
    AfterQuoted,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
}

/// Where a chunked body is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chunks {
    /// Of the size as far as it is read, then of the data as far as it is not.
    left: u64,
    /// Bytes of extensions so far, over all chunks.
    extension_bytes: u32,
    digits: u8,
    state: State,
}

/// What a chunked body came to.
pub(crate) enum Step {
    /// All input is used up.
    NeedInput,
    /// Data; where it ends the input is used up to.
    Data(Range<usize>),
    /// The last chunk's line was read up to here; the trailer section follows.
    Last(usize),
}

impl Chunks {
    /// How many bytes of data are sure to follow: what is missing of the chunk under way.
    #[inline]
    pub(crate) fn announced(&self) -> u64 {
        match self.state {
            State::Data => self.left,
            _ => 0,
        }
    }

    pub(crate) fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Step, Error> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::Data {
                let length = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(input.len() - at);
                self.left -= length as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Step::Data(at..at + length));
            }
            at += 1;
            self.step(byte, limits)?;
            if self.state == State::Data && self.left == 0 {
                return Ok(Step::Last(at));
            }
        }
        Ok(Step::NeedInput)
    }

    fn step(&mut self, byte: u8, limits: &Limits) -> Result<(), Error> {
        let before = self.state;
        self.state = match before {
            State::Size => match byte {
                b'\r' | b';' | b' ' | b'\t' if self.digits == 0 => return Err(Error::ChunkSize),
                b'\r' => State::SizeEnd,
                b';' => State::BeforeName,
                b' ' | b'\t' => State::BeforeSemicolon,
                b'\n' => return Err(Error::BareLf),
                _ => self.digit(byte)?,
            },
            State::BeforeSemicolon => match byte {
                b' ' | b'\t' => State::BeforeSemicolon,
                b';' => State::BeforeName,
                b'\n' => return Err(Error::BareLf),
                _ => return Err(Error::ChunkExtension),
            },
            State::BeforeName => match byte {
                b' ' | b'\t' => State::BeforeName,
                b'\n' => return Err(Error::BareLf),
                _ if chars::is(byte, TOKEN) => State::Name,
                _ => return Err(Error::ChunkExtension),
            },
            State::Name => match byte {
                b'\r' => State::SizeEnd,
                b';' => State::BeforeName,
                b'=' => State::BeforeValue,
                b' ' | b'\t' => State::AfterName,
                b'\n' => return Err(Error::BareLf),
                _ if chars::is(byte, TOKEN) => State::Name,
                _ => return Err(Error::ChunkExtension),
            },
            State::AfterName => match byte {
                b' ' | b'\t' => State::AfterName,
                b';' => State::BeforeName,
                b'=' => State::BeforeValue,
                b'\n' => return Err(Error::BareLf),
                _ => return Err(Error::ChunkExtension),
            },
            State::BeforeValue => match byte {
                b' ' | b'\t' => State::BeforeValue,
                b'"' => State::Quoted,
                b'\n' => return Err(Error::BareLf),
                _ if chars::is(byte, TOKEN) => State::Value,
                _ => return Err(Error::ChunkExtension),
            },
            State::Value => match byte {
                b'\r' => State::SizeEnd,
                b';' => State::BeforeName,
                b' ' | b'\t' => State::BeforeSemicolon,
                b'\n' => return Err(Error::BareLf),
                _ if chars::is(byte, TOKEN) => State::Value,
                _ => return Err(Error::ChunkExtension),
            },
            State::Quoted => match byte {
                b'"' => State::AfterQuoted,
                b'\\' => State::Escaped,
                b'\n' => return Err(Error::BareLf),
                _ if chars::is(byte, QDTEXT) => State::Quoted,
                _ => return Err(Error::ChunkExtension),
            },
            State::Escaped => match byte {
                b'\n' => return Err(Error::BareLf),
                _ if chars::is(byte, VALUE) => State::Quoted,
                _ => return Err(Error::ChunkExtension),
            },
            State::AfterQuoted => match byte {
                b'\r' => State::SizeEnd,
                b';' => State::BeforeName,
                b' ' | b'\t' => State::BeforeSemicolon,
                b'\n' => return Err(Error::BareLf),
                _ => return Err(Error::ChunkExtension),
            },
            State::SizeEnd => match byte {
                b'\n' => State::Data,
                _ => return Err(Error::BareCr),
            },
            State::DataCr => match byte {
                b'\r' => State::DataLf,
                _ => return Err(Error::ChunkEnd),
            },
            State::DataLf => match byte {
                b'\n' => {
                    self.digits = 0;
                    State::Size
                }
                _ => return Err(Error::ChunkEnd),
            },
            // The data is not looked at.
            State::Data => State::Data,
        };
        // What stands between the size and the end of its line.
        if !matches!(
            self.state,
            State::Size | State::SizeEnd | State::Data | State::DataLf
        ) {
            if self.extension_bytes >= limits.chunk_extension_bytes {
                return Err(Error::ChunkExtensionsTooLong);
            }
            self.extension_bytes += 1;
        }
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<State, Error> {
        let digit = char::from(byte).to_digit(16).ok_or(Error::ChunkSize)?;
        if self.digits == SIZE_DIGITS {
            return Err(Error::ChunkSize);
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        if i64::try_from(self.left).is_err() {
            return Err(Error::ChunkSize);
        }
        Ok(State::Size)
    }
}
