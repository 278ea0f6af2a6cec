//! The first words between a parent and its child, and the kinds of messages on their channel.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::function::build_id;

/// What a child is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// A worker of a pool. Descriptor 0 is its board.
    Worker {
        /// It makes itself so much nicer than its parent.
        nice: i32,
    },
    /// One call of a function. Descriptor 0 has the arguments; the others are in them.
    Process {
        /// The function's place in the registry.
        function: u32,
        /// How long the head of the arguments is.
        head: u64,
    },
}

/// What the parent says first; descriptors come with it, as the role wants them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) build: u64,
    pub(super) role: Role,
}

impl Hello {
    pub(super) fn new(role: Role) -> Hello {
        Hello {
            build: build_id(),
            role,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // A structure of numbers can always be put into bytes.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Hello> {
        postcard::from_bytes(bytes).ok()
    }
}

/// A message on the channel after the parent's hello, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// From the child: it is there, and of this build.
    Ready(u64),
    /// From the child: something its role could not be played without has failed; text follows.
    Failed,
    /// There is something in the ring, or room in it.
    Wake,
    /// Shared memory of this number, by the one descriptor that comes with it.
    Segment(u64),
    /// The sender's shared memory of this number will not be named again.
    Forget(u64),
    /// From the parent: it is done with the worker's shared memory of this number.
    Free(u64),
    /// From the parent: end now.
    Exit,
}

impl Message {
    /// Nine bytes: the kind and a number.
    pub(crate) fn to_bytes(self) -> [u8; 9] {
        let (kind, number) = match self {
            Message::Ready(build) => (b'R', build),
            Message::Failed => (b'F', 0),
            Message::Wake => (b'W', 0),
            Message::Segment(number) => (b'S', number),
            Message::Forget(number) => (b'N', number),
            Message::Free(number) => (b'E', number),
            Message::Exit => (b'X', 0),
        };
        let mut bytes = [kind; 9];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    /// `None` for what is no message of ours.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Message> {
        let (kind, rest) = bytes.split_first()?;
        let (number, rest) = rest.split_first_chunk()?;
        let number = u64::from_le_bytes(*number);
        if !rest.is_empty() && *kind != b'F' {
            return None;
        }
        Some(match kind {
            b'R' => Message::Ready(number),
            b'F' => Message::Failed,
            b'W' => Message::Wake,
            b'S' => Message::Segment(number),
            b'N' => Message::Forget(number),
            b'E' => Message::Free(number),
            b'X' => Message::Exit,
            _ => return None,
        })
    }
}

/// A child turned out to be another build than its parent: the functions of one are not those of
/// the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildMismatch {
    pub(crate) ours: u64,
    pub(crate) theirs: u64,
}

impl BuildMismatch {
    /// Compares a child's build with this process's.
    pub(crate) fn check(theirs: u64) -> Result<(), BuildMismatch> {
        let ours = build_id();
        if ours == theirs {
            Ok(())
        } else {
            Err(BuildMismatch { ours, theirs })
        }
    }
}

impl fmt::Display for BuildMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the child process is another build ({:016x}) of this program ({:016x}), so it has other \
             functions; was the program's file overwritten while it runs?",
            self.theirs, self.ours
        )
    }
}

impl std::error::Error for BuildMismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_there_and_back() {
        for message in [
            Message::Ready(7 << 50),
            Message::Failed,
            Message::Wake,
            Message::Segment(3),
            Message::Forget(4),
            Message::Free(5),
            Message::Exit,
        ] {
            assert_eq!(Message::from_bytes(&message.to_bytes()), Some(message));
        }
        for garbage in [&b""[..], b"W", b"W12345678+", b"?12345678"] {
            assert_eq!(Message::from_bytes(garbage), None);
        }
    }

    #[test]
    fn hello_there_and_back() {
        let bytes = Hello::new(Role::Worker { nice: -3 }).to_bytes();
        let hello = Hello::from_bytes(&bytes).unwrap();
        assert_eq!(hello.role, Role::Worker { nice: -3 });
        BuildMismatch::check(hello.build).unwrap();
        let error = BuildMismatch::check(!hello.build).unwrap_err();
        assert!(error.to_string().contains("another build"), "{error}");
        assert!(Hello::from_bytes(&bytes[..1]).is_none());
    }
}
