//! What stands in the rings: tasks to a worker, and what became of them.

use crate::ring::HEADER;

/// What a frame is. In the upper half of its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One call.
    Call,
    /// The same function called on several items, one after the other: see [`ITEM`].
    Chunk,
    /// An output.
    Output,
    /// The task has panicked: a [`PanicReport`](crate::worker::PanicReport).
    Panicked,
    /// The arguments could not be read: text.
    BadArguments,
    /// The output could not be put into bytes: text.
    BadOutput,
}

const KINDS: [Kind; 6] = [
    Kind::Call,
    Kind::Chunk,
    Kind::Output,
    Kind::Panicked,
    Kind::BadArguments,
    Kind::BadOutput,
];

/// Before each item of a chunk: the lengths of its head and of its whole, as two 64-bit words. The
/// item follows, and is filled up to a multiple of as many bytes.
pub(crate) const ITEM: usize = 16;

/// A frame's header, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// The number of this sending of the task.
    pub(crate) task: u64,
    /// To the worker, the function; from it, the item of a chunk.
    pub(crate) index: u32,
    /// How long the payload's head is; of a chunk, how many items there are.
    pub(crate) head: u32,
    /// How long the payload is.
    pub(crate) len: u64,
    /// To the worker, the most memory in bytes, 0 for no limit; from it, how many nanoseconds the
    /// function took.
    pub(crate) figure: u64,
    /// The number of the shared memory that the payload lies in; 0 if it follows.
    pub(crate) segment: u64,
}

impl Frame {
    pub(crate) fn to_words(self) -> [u64; HEADER] {
        [
            (self.kind as u64 + 1) << 32,
            self.task,
            u64::from(self.index) | u64::from(self.head) << 32,
            self.len,
            self.figure,
            self.segment,
        ]
    }

    /// `None` for what can't be a frame of ours.
    pub(crate) fn from_words(words: [u64; HEADER]) -> Option<Frame> {
        let [kind, task, numbers, len, figure, segment] = words;
        let kind = (kind >> 32).checked_sub(1)?;
        Some(Frame {
            kind: *KINDS.get(usize::try_from(kind).ok()?)?,
            task,
            index: numbers as u32,
            head: (numbers >> 32) as u32,
            len,
            figure,
            segment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (number, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            let frame = Frame {
                kind,
                task: u64::MAX - 1,
                index: 3,
                head: u32::MAX,
                len: 1 << 40,
                figure: 5,
                segment: 6,
            };
            assert_eq!(Frame::from_words(frame.to_words()), Some(frame));
        }
        assert_eq!(Frame::from_words([0; HEADER]), None);
        assert_eq!(Frame::from_words([7 << 32, 0, 0, 0, 0, 0]), None);
    }
}
