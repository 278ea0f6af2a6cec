//! [`Body`]: the body of a message, of either role, from behind the head to its end.

use crate::chunked::{Chunks, Step};
use crate::event::{Event, Progress};
use crate::framing::Framing;
use crate::limits::MAX_HEAD_BYTES;
use crate::scan::Scan;
use crate::section::Section;
use crate::{Error, Limits};

/// What of a body comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// So many bytes.
    Length(u64),
    Chunks(Chunks),
    /// A trailer section, of which this much was gone through already.
    Trailers(Scan),
    /// All that comes, until the connection ends.
    UntilEof,
    /// Nothing: its end is to be told.
    End,
}

impl Body {
    #[inline]
    pub(crate) fn new(framing: Framing) -> Body {
        match framing {
            Framing::None | Framing::Length(0) => Body::End,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunks(Chunks::default()),
        }
    }

    /// Goes through `input` up to the next event: `NeedInput`, `Body`, `Trailers`, or `End`, after
    /// which it is not to be called again.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        input: &[u8],
        trailers: &mut Section,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        match self {
            Body::End => Ok(Progress::new(0, Event::End)),
            Body::Length(_) | Body::UntilEof if input.is_empty() => {
                Ok(Progress::new(0, Event::NeedInput))
            }
            Body::UntilEof => Ok(Progress::new(input.len(), Event::Body(0..input.len()))),
            Body::Length(left) => {
                let length = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left -= length as u64;
                if *left == 0 {
                    *self = Body::End;
                }
                Ok(Progress::new(length, Event::Body(0..length)))
            }
            Body::Chunks(chunks) => match chunks.advance(input, limits)? {
                Step::NeedInput => Ok(Progress::new(input.len(), Event::NeedInput)),
                Step::Data(range) => Ok(Progress::new(range.end, Event::Body(range))),
                Step::Last(end) => {
                    *self = Body::Trailers(Scan::TRAILERS);
                    let mut progress = self.receive_trailers(&input[end..], trailers, limits)?;
                    progress.consumed += end;
                    Ok(progress)
                }
            },
            Body::Trailers(_) => self.receive_trailers(input, trailers, limits),
        }
    }

    fn receive_trailers(
        &mut self,
        input: &[u8],
        trailers: &mut Section,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let Body::Trailers(scan) = self else {
            return Ok(Progress::new(0, Event::NeedInput));
        };
        let limit = limits.trailer_bytes.min(MAX_HEAD_BYTES);
        match scan.advance(input, limit, Error::TrailersTooLong, limits)? {
            None => Ok(Progress::new(0, Event::NeedInput)),
            // Only the empty line.
            Some(2) => {
                *self = Body::End;
                Ok(Progress::new(2, Event::End))
            }
            Some(length) => {
                trailers.parse_trailers(&input[..length], limits)?;
                *self = Body::End;
                Ok(Progress::new(length, Event::Trailers))
            }
        }
    }
}
