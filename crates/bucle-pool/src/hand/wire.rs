//! Messages between processes, and the values in them.
//!
//! A message is one packet, sent whole or not at all: whoever is killed leaves none by halves. A
//! value that is too long for a packet lies in memory without a name (memfd), which goes along.
//!
//! ```text
//!   ┌ kind ┬ number ┬ head ─┬ length ┐┌ value ───────────────────┐
//!   │  u8  │  u64   │  u64  │  u64   ││ inline, or in a segment  │
//!   └──────┴────────┴───────┴────────┘└──────────────────────────┘
//! ```

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bucle_loop::Interest;
use bucle_sys::channel::{self, MAX_MESSAGE, Received};
use bucle_sys::plain;
use bucle_sys::shared::Segment;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wait::{Mode, ready};
use crate::payload::{AlignedBytes, NotDecoded, NotEncoded, Reader, Writer};

const HEADER: usize = 1 + 3 * 8;

/// The longest value that travels in the packet itself, in bytes.
const LONGEST_INLINE: usize = MAX_MESSAGE - HEADER;

/// A value as bytes, on its way.
#[derive(Debug, Default)]
pub(super) struct Blob {
    /// How many of them are the head: see [`crate::payload`].
    head: usize,
    len: usize,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// Of any length; one that is too long for a packet is copied when it is sent.
    Own(Vec<u8>),
    Shared(Segment),
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Own(Vec::new())
    }
}

impl Blob {
    /// # Errors
    /// The system's, if there is no memory for a long one.
    pub(super) fn pack(writer: &Writer<'_>) -> io::Result<Blob> {
        let (head, len) = (writer.head_len(), writer.len());
        if len <= LONGEST_INLINE {
            return Ok(Blob::own(writer));
        }
        let mut segment = Segment::new("bucle-value", len)?;
        writer.write(&mut segment.bytes_mut()[..len]);
        let bytes = Bytes::Shared(segment);
        Ok(Blob { head, len, bytes })
    }

    /// In ordinary memory, however long it is.
    fn own(writer: &Writer<'_>) -> Blob {
        let (head, len) = (writer.head_len(), writer.len());
        let mut bytes = vec![0; len];
        writer.write(&mut bytes);
        Blob {
            head,
            len,
            bytes: Bytes::Own(bytes),
        }
    }

    /// A value that is not sent at once, and may be one of many: it takes no descriptor.
    ///
    /// # Errors
    /// What its `Serialize` says.
    pub(super) fn waiting<T: Serialize + ?Sized>(value: &T) -> Result<Blob, NotEncoded> {
        let mut writer = Writer::default();
        writer.value(value)?;
        Ok(Blob::own(&writer))
    }

    /// The same of one that came.
    pub(super) fn into_waiting(mut self) -> Blob {
        if let Bytes::Shared(segment) = &self.bytes {
            self.bytes = Bytes::Own(self.part(segment).to_vec());
        }
        self
    }

    /// # Errors
    /// What its `Serialize` says, or the system.
    pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Blob, NotEncoded> {
        let mut writer = Writer::default();
        writer.value(value)?;
        Blob::pack(&writer).map_err(|error| NotEncoded {
            what: std::any::type_name::<T>(),
            why: error.to_string(),
        })
    }

    /// # Errors
    /// What its `Deserialize` says.
    pub(super) fn value<T: DeserializeOwned>(&self) -> Result<T, NotDecoded> {
        // A value of serde's alone asks for no alignment.
        let bytes = match &self.bytes {
            Bytes::Own(bytes) => &bytes[..],
            Bytes::Shared(segment) => self.part(segment),
        };
        let mut reader = Reader::new(bytes, self.head)?;
        let value = reader.value()?;
        reader.finish()?;
        Ok(value)
    }

    /// Reads what may have slices in it, which are aligned for it.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn read<T, E: From<NotDecoded>>(
        &self,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.bytes {
            Bytes::Own(bytes) => {
                let mut aligned = AlignedBytes::default();
                let place = plain::bytes_of_mut(aligned.begin(bytes.len()));
                place[..bytes.len()].copy_from_slice(bytes);
                read(&mut Reader::new(aligned.bytes(), self.head)?)
            }
            Bytes::Shared(segment) => read(&mut Reader::new(self.part(segment), self.head)?),
        }
    }

    fn part<'a>(&self, segment: &'a Segment) -> &'a [u8] {
        segment.bytes().get(..self.len).unwrap_or_default()
    }
}

/// What one process says to another.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) number: u64,
    pub(super) blob: Blob,
}

impl Message {
    /// Of a packet, and the descriptors that came with it.
    ///
    /// # Errors
    /// `InvalidData` for what is no message of ours.
    pub(super) fn parse(packet: &[u8], mut fds: Vec<OwnedFd>) -> io::Result<Message> {
        let wrong = || {
            let text = format!("a message of {} bytes that is none of ours", packet.len());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let (header, rest) = packet.split_at_checked(HEADER).ok_or_else(wrong)?;
        let word = |place: usize| {
            let start = 1 + place * 8;
            u64::from_le_bytes(header[start..start + 8].try_into().unwrap_or_default())
        };
        let size = |place| usize::try_from(word(place)).map_err(|_| wrong());
        let (head, len) = (size(1)?, size(2)?);
        let bytes = match fds.pop() {
            Some(fd) => {
                let segment = Segment::from_fd(fd)?;
                if segment.len() < len {
                    return Err(wrong());
                }
                Bytes::Shared(segment)
            }
            None if rest.len() == len => Bytes::Own(rest.to_vec()),
            None => return Err(wrong()),
        };
        Ok(Message {
            kind: header[0],
            number: word(0),
            blob: Blob { head, len, bytes },
        })
    }
}

thread_local! {
    /// For one packet that is sent.
    static OUTGOING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// For one that is received; always as long as the longest.
    static INCOMING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Sends a message without waiting.
///
/// # Errors
/// `WouldBlock` if the other side has too much to read already; the system's.
pub(super) fn try_send(fd: BorrowedFd<'_>, kind: u8, number: u64, blob: &Blob) -> io::Result<()> {
    OUTGOING.with_borrow_mut(|packet| {
        packet.clear();
        packet.push(kind);
        for word in [number, blob.head as u64, blob.len as u64] {
            packet.extend_from_slice(&word.to_le_bytes());
        }
        match &blob.bytes {
            Bytes::Own(bytes) if bytes.len() <= LONGEST_INLINE => {
                packet.extend_from_slice(bytes);
                channel::send(fd, packet, &[])
            }
            Bytes::Own(bytes) => {
                let mut segment = Segment::new("bucle-value", bytes.len())?;
                segment.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
                channel::send(fd, packet, &[segment.as_fd()])
            }
            Bytes::Shared(segment) => channel::send(fd, packet, &[segment.as_fd()]),
        }
    })
}

/// What was received without waiting.
#[derive(Debug)]
pub(super) enum Taken {
    Message(Message),
    Nothing,
    Closed,
}

/// Receives a message without waiting.
///
/// # Errors
/// `InvalidData` for what is no message of ours; the system's.
pub(super) fn try_receive(fd: BorrowedFd<'_>) -> io::Result<Taken> {
    INCOMING.with_borrow_mut(|packet| {
        packet.resize(MAX_MESSAGE, 0);
        Ok(match channel::receive(fd, packet)? {
            Received::Message(len, fds) => Taken::Message(Message::parse(&packet[..len], fds)?),
            Received::Nothing => Taken::Nothing,
            Received::Closed => Taken::Closed,
        })
    })
}

/// Whether an error says that the other side is gone.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Conn(OwnedFd);

impl Conn {
    pub(super) fn new(fd: OwnedFd) -> Conn {
        Conn(fd)
    }

    /// Sends; false if the other side is gone. Dropped before it is done, nothing was sent.
    pub(super) async fn send(
        &self,
        mode: Mode,
        kind: u8,
        number: u64,
        blob: &Blob,
    ) -> io::Result<bool> {
        loop {
            match try_send(self.0.as_fd(), kind, number, blob) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(mode, Interest::WRITE).await?;
                }
                Err(error) if is_gone(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives; `None` if the other side is gone and all it has sent was received. Dropped before
    /// it is done, nothing was received.
    pub(super) async fn receive(&self, mode: Mode) -> io::Result<Option<Message>> {
        loop {
            match try_receive(self.0.as_fd())? {
                Taken::Message(message) => return Ok(Some(message)),
                Taken::Closed => return Ok(None),
                Taken::Nothing => self.wait(mode, Interest::READ).await?,
            }
        }
    }

    /// Waits for something to receive, or for room.
    pub(super) async fn wait(&self, mode: Mode, interest: Interest) -> io::Result<()> {
        match mode {
            Mode::Await => ready(self.0.as_fd(), interest).await,
            Mode::Block => channel::wait_ready(&self.0, interest == Interest::WRITE),
        }
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::wait::blocking;

    #[test]
    fn values_of_any_length_stay_whole() {
        let (one, other) = channel::pair().unwrap();
        let (one, other) = (Conn::new(one), Conn::new(other));
        // The last that fits, the first that does not, and a long one; two bytes are the length.
        for len in [0, LONGEST_INLINE - 3, LONGEST_INLINE - 2, 5 << 20] {
            let text = "x".repeat(len);
            let blob = Blob::of(&text).unwrap();
            assert!(blocking(one.send(Mode::Block, b'k', 7, &blob)).unwrap());
            let message = blocking(other.receive(Mode::Block)).unwrap().unwrap();
            assert_eq!((message.kind, message.number), (b'k', 7));
            assert_eq!(message.blob.value::<String>().unwrap(), text);
            let blob = Blob::waiting(&text).unwrap();
            assert!(blocking(one.send(Mode::Block, b'w', 8, &blob)).unwrap());
            let message = blocking(other.receive(Mode::Block)).unwrap().unwrap();
            let blob = message.blob.into_waiting();
            assert!(matches!(blob.bytes, Bytes::Own(_)));
            assert_eq!(blob.value::<String>().unwrap(), text);
        }
        drop(one);
        assert!(blocking(other.receive(Mode::Block)).unwrap().is_none());
        assert!(!blocking(other.send(Mode::Block, b'k', 0, &Blob::default())).unwrap());
    }

    #[test]
    fn slices_are_aligned() {
        let mut writer = Writer::default();
        writer.value(&1_u8).unwrap();
        writer.slice(&[1.0_f64, 2.0]);
        let blob = Blob::pack(&writer).unwrap();
        let sum = blob.read(|reader| {
            let first: u8 = reader.value()?;
            Ok::<_, NotDecoded>(f64::from(first) + reader.slice::<f64>()?.iter().sum::<f64>())
        });
        assert_eq!(sum.unwrap(), 4.0);
    }

    #[test]
    fn garbage_is_an_error() {
        let (one, other) = channel::pair().unwrap();
        for packet in [&b"x"[..], &[0; HEADER + 1], &[0xff; HEADER]] {
            channel::send(&one, packet, &[]).unwrap();
            assert!(try_receive(other.as_fd()).is_err());
        }
        // Said to be longer than it is, or not in memory at all.
        let mut packet = [0; HEADER];
        packet[17..25].copy_from_slice(&5000_u64.to_le_bytes());
        let segment = Segment::new("short", 10).unwrap();
        channel::send(&one, &packet, &[segment.as_fd()]).unwrap();
        assert!(try_receive(other.as_fd()).is_err());
        channel::send(&one, &packet, &[one.as_fd()]).unwrap();
        assert!(try_receive(other.as_fd()).is_err());
    }
}
