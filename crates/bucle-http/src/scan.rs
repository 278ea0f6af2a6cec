//! [`Scan`]: the syntax of heads and trailer sections, byte by byte, resumable at any byte.
//!
//! A head that comes in one piece is parsed by faster code (in `head` and `field`). This machine
//! goes through a head that comes in pieces, so that no byte is looked at twice, and it alone says
//! what is wrong with a malformed one: the error is the same however the bytes are cut. What fields
//! mean is not its business, only where they end.

use crate::chars::{self, TARGET, TOKEN, VALUE};
use crate::{Error, Limits};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Method,
    Target,
    /// `HTTP/1.1` and CR of a request line.
    Version,
    /// `HTTP/1.1 200` of a status line.
    Status,
    Reason,
    /// The LF of any line but the empty one.
    LineEnd,
    /// The beginning of a line.
    Field,
    Name,
    Value,
    /// The LF of the empty line.
    SectionEnd,
}

/// How far a head was gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    state: State,
    /// Fields begun.
    fields: u16,
    /// Bytes gone through.
    at: u32,
    /// Bytes of the current part, where they are counted.
    run: u32,
}

impl Scan {
    pub(crate) const REQUEST: Scan = Scan::from(State::Method);
    pub(crate) const RESPONSE: Scan = Scan::from(State::Status);
    pub(crate) const TRAILERS: Scan = Scan::from(State::Field);

    const fn from(state: State) -> Scan {
        Scan {
            state,
            fields: 0,
            at: 0,
            run: 0,
        }
    }

    /// Whether it has gone through anything yet.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Goes on to the end of `input`, which begins as it did the last time; returns the length of
    /// the head once its end is there.
    ///
    /// # Errors
    /// The first thing that is wrong; `too_long` if the head goes on after `limit` bytes.
    #[cold]
    pub(crate) fn advance(
        &mut self,
        input: &[u8],
        limit: usize,
        too_long: Error,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        let window = &input[..input.len().min(limit)];
        let from = (self.at as usize).min(window.len());
        for (i, &byte) in window[from..].iter().enumerate() {
            if self.step(byte, limits)? {
                return Ok(Some(from + i + 1));
            }
        }
        if input.len() >= limit {
            return Err(too_long);
        }
        // Heads are at most MAX_HEAD_BYTES long.
        self.at = window.len() as u32;
        Ok(None)
    }

    /// One byte; true at the end of the head.
    fn step(&mut self, byte: u8, limits: &Limits) -> Result<bool, Error> {
        self.state = match self.state {
            State::Method => match byte {
                b' ' if self.run > 0 => self.begin(State::Target),
                _ if !chars::is(byte, TOKEN) => return Err(Error::Method),
                _ => self.count(State::Method, limits.method_bytes, Error::MethodTooLong)?,
            },
            State::Target => match byte {
                b' ' if self.run > 0 => self.begin(State::Version),
                // HTTP/0.9 ends here.
                b'\r' | b'\n' if self.run > 0 => return Err(Error::Version),
                _ if !chars::is(byte, TARGET) => return Err(Error::Target),
                _ => self.count(State::Target, limits.target_bytes, Error::TargetTooLong)?,
            },
            State::Version => match (self.run, byte) {
                (8, b'\r') => State::LineEnd,
                (8, b'\n') => return Err(Error::BareLf),
                (run, _) if is_version_byte(run, byte) => self.next(State::Version),
                _ => return Err(Error::Version),
            },
            State::Status => match (self.run, byte) {
                (8, b' ') | (9..=11, b'0'..=b'9') => self.next(State::Status),
                (12, b' ') => State::Reason,
                // The space is sometimes missing where no reason follows.
                (12, b'\r') => State::LineEnd,
                (12, b'\n') => return Err(Error::BareLf),
                (run, _) if is_version_byte(run, byte) => self.next(State::Status),
                _ => return Err(Error::StatusLine),
            },
            State::Reason => match byte {
                b'\r' => State::LineEnd,
                b'\n' => return Err(Error::BareLf),
                _ if !chars::is(byte, VALUE) => return Err(Error::StatusLine),
                _ => State::Reason,
            },
            State::LineEnd if byte == b'\n' => State::Field,
            State::SectionEnd if byte == b'\n' => return Ok(true),
            State::LineEnd | State::SectionEnd => return Err(Error::BareCr),
            State::Field => match byte {
                b'\r' => State::SectionEnd,
                b'\n' => return Err(Error::BareLf),
                b' ' | b'\t' => return Err(Error::LineFolding),
                _ if !chars::is(byte, TOKEN) => return Err(Error::FieldName),
                _ if usize::from(self.fields) >= limits.fields || self.fields == u16::MAX => {
                    return Err(Error::TooManyFields);
                }
                _ => {
                    self.fields += 1;
                    State::Name
                }
            },
            State::Name => match byte {
                b':' => State::Value,
                b' ' | b'\t' => return Err(Error::SpaceBeforeColon),
                _ if !chars::is(byte, TOKEN) => return Err(Error::FieldName),
                _ => State::Name,
            },
            State::Value => match byte {
                b'\r' => State::LineEnd,
                b'\n' => return Err(Error::BareLf),
                _ if !chars::is(byte, VALUE) => return Err(Error::FieldValue),
                _ => State::Value,
            },
        };
        Ok(false)
    }

    fn begin(&mut self, state: State) -> State {
        self.run = 0;
        state
    }

    fn next(&mut self, state: State) -> State {
        self.run += 1;
        state
    }

    fn count(&mut self, state: State, limit: usize, too_long: Error) -> Result<State, Error> {
        if self.run as usize >= limit {
            return Err(too_long);
        }
        Ok(self.next(state))
    }
}

/// Whether `byte` is right at this place of `HTTP/1.1`.
fn is_version_byte(place: u32, byte: u8) -> bool {
    match place {
        0..=4 => byte == b"HTTP/"[place as usize],
        5 | 7 => byte.is_ascii_digit(),
        6 => byte == b'.',
        _ => false,
    }
}
