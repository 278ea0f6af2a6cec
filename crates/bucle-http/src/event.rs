//! [`Event`] and [`Progress`]: what a connection has to say about a piece of input.

use std::ops::Range;

/// What happened next in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing more can be told without more input: call again with what was not consumed and more
    /// behind it.
    NeedInput,
    /// A whole head was received.
    Head,
    /// A piece of the body: these bytes of the given input. Pieces are as long as the input allows
    /// and never empty.
    Body(Range<usize>),
    /// A trailer section with at least one field was received; it stands in the head that was given
    /// to this call.
    Trailers,
    /// The message is whole.
    End,
    /// The message is whole and the next one was not asked for: input is left where it is.
    Paused,
}

/// One step through the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes of the input are used up; the caller presents the rest again.
    pub consumed: usize,
    /// What they came to.
    pub event: Event,
}

impl Progress {
    #[inline]
    pub(crate) fn new(consumed: usize, event: Event) -> Progress {
        Progress { consumed, event }
    }
}
