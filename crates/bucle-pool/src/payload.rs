//! Arguments and outputs as bytes: values by `serde` and postcard, slices of numbers as they are.
//!
//! ```text
//!   ┌ head ───────────────────────┐ pad ┌ slice ────┐ pad ┌ slice ──┐
//!   │ value, length of slice, ... │     │ 1.0, 2.0  │     │ "text"  │
//!   └─────────────────────────────┘     └───────────┘     └─────────┘
//! ```
//!
//! Slices are aligned to [`ALIGN`], so that they are read where they lie. A [`Writer`] only borrows
//! them; each is copied once, to where the payload goes (a ring or shared memory), when it is known
//! how long the whole is.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bucle_sys::plain::{self, Plain};
use serde::Serialize;
use serde::de::Deserialize;

use crate::hand::travel::take_reason;
use crate::shared::{Lent, Piece, Shared};

/// What slices are aligned to, in bytes.
pub(crate) const ALIGN: usize = 16;

/// A payload that is being written.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Writer<'a> {
    head: Vec<u8>,
    slices: Vec<&'a [u8]>,
    slices_len: usize,
    /// Shared memory that the whole lies in already.
    piece: Option<Arc<Piece>>,
}

impl<'a> Writer<'a> {
    /// An empty one that writes its head to `buffer`.
    pub(crate) fn with_buffer(mut buffer: Vec<u8>) -> Writer<'a> {
        buffer.clear();
        Writer {
            head: buffer,
            slices: Vec::new(),
            slices_len: 0,
            piece: None,
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// What its `Serialize` says.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotEncoded> {
        let head = std::mem::take(&mut self.head);
        self.head = postcard::to_extend(value, head).map_err(|error| NotEncoded {
            what: std::any::type_name::<T>(),
            why: take_reason().unwrap_or_else(|| error.to_string()),
        })?;
        Ok(())
    }

    /// Adds a slice of numbers, by reference.
    pub fn slice<T: Plain>(&mut self, slice: &'a [T]) {
        let bytes = plain::bytes_of(slice);
        self.head
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.slices_len += aligned(bytes.len());
        self.slices.push(bytes);
    }

    /// Adds text, by reference.
    pub fn text(&mut self, text: &'a str) {
        self.slice(text.as_bytes());
    }

    /// Adds numbers that lie in shared memory. If they are all that is written, nothing has to be
    /// copied.
    pub fn shared<T: Plain>(&mut self, shared: &'a Shared<T>) {
        self.piece = match self.head.is_empty() {
            true => shared.piece().cloned(),
            false => None,
        };
        self.slice(shared);
    }

    /// The shared memory that the whole lies in already.
    pub(crate) fn piece(&self) -> Option<&Arc<Piece>> {
        self.piece
            .as_ref()
            .filter(|_| self.slices.len() == 1 && self.head.len() == 8)
    }

    /// How long the head is.
    pub(crate) fn head_len(&self) -> usize {
        self.head.len()
    }

    /// How long the whole is.
    pub(crate) fn len(&self) -> usize {
        if self.slices.is_empty() {
            self.head.len()
        } else {
            aligned(self.head.len()) + self.slices_len
        }
    }

    /// Writes it to the first [`len`](Writer::len) bytes of `to`.
    pub(crate) fn write(&self, to: &mut [u8]) {
        let (head, mut rest) = to.split_at_mut(self.head.len());
        head.copy_from_slice(&self.head);
        if self.slices.is_empty() {
            return;
        }
        rest = &mut rest[aligned(self.head.len()) - self.head.len()..];
        for slice in &self.slices {
            let (place, after) = rest.split_at_mut(aligned(slice.len()));
            place[..slice.len()].copy_from_slice(slice);
            rest = after;
        }
    }

    /// The whole as a vector of its own.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        let (head, len) = (self.head.len(), self.len());
        if len > head {
            self.head.resize(aligned(head), 0);
            for slice in &self.slices {
                self.head.extend_from_slice(slice);
                self.head.resize(aligned(self.head.len()), 0);
            }
        }
        self.head
    }

    /// The head, if it is the whole.
    pub(crate) fn only_head(&self) -> Option<&[u8]> {
        self.slices.is_empty().then_some(&self.head)
    }

    /// The buffer back.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.head
    }
}

/// A payload that is being read, where it lies.
#[doc(hidden)]
pub struct Reader<'a> {
    head: &'a [u8],
    slices: &'a [u8],
    /// What the whole lies in, if that can be kept.
    lent: Option<Rc<dyn Lent>>,
}

impl<'a> Reader<'a> {
    /// Of a payload whose first `head_len` bytes are its head.
    ///
    /// # Errors
    /// If it is shorter than that.
    pub(crate) fn new(payload: &'a [u8], head_len: usize) -> Result<Reader<'a>, NotDecoded> {
        let head = payload.get(..head_len).ok_or_else(NotDecoded::short)?;
        Ok(Reader {
            head,
            slices: payload.get(aligned(head_len)..).unwrap_or_default(),
            lent: None,
        })
    }

    /// Says what the payload lies in, so that a part of it can be kept.
    pub(crate) fn lent(mut self, lent: Option<Rc<dyn Lent>>) -> Reader<'a> {
        self.lent = lent;
        self
    }

    /// Takes numbers that stay where they lie, if that can be.
    ///
    /// # Errors
    /// If there are none of that type.
    pub fn shared<T: Plain>(&mut self) -> Result<Shared<T>, NotDecoded> {
        let all = self.head.len() == 8;
        let numbers = self.slice::<T>()?;
        Ok(match &self.lent {
            Some(lent) if all => Shared::of_lent(lent.clone(), numbers.len()),
            _ => Shared::of_short(numbers),
        })
    }

    /// Takes the next value.
    ///
    /// # Errors
    /// What its `Deserialize` says.
    pub fn value<T: Deserialize<'a>>(&mut self) -> Result<T, NotDecoded> {
        let taken = postcard::take_from_bytes(self.head).map_err(|error| NotDecoded {
            what: std::any::type_name::<T>(),
            why: take_reason().unwrap_or_else(|| error.to_string()),
        });
        let (value, rest) = taken?;
        self.head = rest;
        Ok(value)
    }

    /// Says that all was taken.
    ///
    /// # Errors
    /// If something is left.
    pub fn finish(&self) -> Result<(), NotDecoded> {
        match self.head.len() {
            0 => Ok(()),
            left => Err(NotDecoded {
                what: "the payload",
                why: format!("{left} bytes were left over"),
            }),
        }
    }

    /// Takes the next slice.
    ///
    /// # Errors
    /// If there is none of that type.
    pub fn slice<T: Plain>(&mut self) -> Result<&'a [T], NotDecoded> {
        let (len, rest) = self
            .head
            .split_first_chunk()
            .ok_or_else(NotDecoded::short)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| NotDecoded::short())?;
        let bytes = self.slices.get(..len).ok_or_else(NotDecoded::short)?;
        self.head = rest;
        self.slices = self.slices.get(aligned(len)..).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(&[]);
        }
        plain::from_bytes(bytes).ok_or_else(|| NotDecoded {
            what: std::any::type_name::<T>(),
            why: "the bytes are no whole number of items".into(),
        })
    }

    /// Takes the next text.
    ///
    /// # Errors
    /// If there is none.
    pub fn text(&mut self) -> Result<&'a str, NotDecoded> {
        std::str::from_utf8(self.slice()?).map_err(|error| NotDecoded {
            what: "text",
            why: error.to_string(),
        })
    }
}

fn aligned(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// Bytes whose beginning is aligned to [`ALIGN`]; their memory is used again and again.
#[derive(Debug, Default)]
pub(crate) struct AlignedBytes {
    units: Vec<u128>,
    len: usize,
}

impl AlignedBytes {
    /// Makes it `len` bytes long, and gives all of its memory as words to be filled.
    pub(crate) fn begin(&mut self, len: usize) -> &mut [u64] {
        self.len = len;
        let units = len.div_ceil(ALIGN);
        if self.units.len() < units {
            self.units.resize(units, 0);
        }
        let bytes = plain::bytes_of_mut(&mut self.units);
        plain::from_bytes_mut(bytes).unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        plain::bytes_of_mut(&mut self.units)
            .get_mut(..len)
            .unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        plain::bytes_of(&self.units)
            .get(..self.len)
            .unwrap_or_default()
    }
}

/// A value could not be put into bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotEncoded {
    pub(crate) what: &'static str,
    pub(crate) why: String,
}

impl NotEncoded {
    /// What its reader needs who knows that it is about the output.
    pub(crate) fn of_the_output(&self) -> String {
        match self.what {
            "the output" => self.why.clone(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for NotEncoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` can't be put into bytes: {}", self.what, self.why)
    }
}

impl std::error::Error for NotEncoded {}

/// A value could not be made of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDecoded {
    pub(crate) what: &'static str,
    pub(crate) why: String,
}

impl NotDecoded {
    fn short() -> NotDecoded {
        NotDecoded {
            what: "the payload",
            why: "it is shorter than it says".into(),
        }
    }
}

impl fmt::Display for NotDecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` can't be made of the bytes that came: {}; its `Deserialize` does not read what its \
             `Serialize` writes, in a format that does not describe itself (as with \
             `skip_serializing_if`, `flatten`, or an untagged enum)",
            self.what, self.why
        )
    }
}

impl std::error::Error for NotDecoded {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slices_there_and_back() {
        let numbers = [1.5_f64, 2.5];
        let mut writer = Writer::default();
        writer.value(&(7_u32, "seven")).unwrap();
        writer.slice(&numbers);
        writer.text("¡hola!");
        writer.slice::<u8>(&[]);
        writer.value(&Some(-1_i64)).unwrap();
        let head_len = writer.head_len();
        let mut buffer = AlignedBytes::default();
        let len = writer.len();
        let words = buffer.begin(len);
        writer.write(plain::bytes_of_mut(words));
        assert_eq!(writer.into_bytes(), buffer.bytes());
        let mut reader = Reader::new(buffer.bytes(), head_len).unwrap();
        assert_eq!(reader.value::<(u32, &str)>().unwrap(), (7, "seven"));
        assert_eq!(reader.slice::<f64>().unwrap(), numbers);
        assert_eq!(reader.text().unwrap(), "¡hola!");
        assert_eq!(reader.slice::<u8>().unwrap(), []);
        assert!(reader.finish().is_err(), "something is left");
        assert_eq!(reader.value::<Option<i64>>().unwrap(), Some(-1));
        reader.finish().unwrap();
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        let mut writer = Writer::default();
        writer.slice(&[1_u64, 2, 3]);
        let bytes = writer.into_bytes();
        assert!(Reader::new(&bytes, bytes.len() + 1).is_err());
        for len in 0..bytes.len() {
            let mut buffer = AlignedBytes::default();
            let words = buffer.begin(len);
            plain::bytes_of_mut(words)[..len].copy_from_slice(&bytes[..len]);
            if let Ok(mut reader) = Reader::new(buffer.bytes(), 8) {
                // The last slice's padding may be missing.
                assert_eq!(reader.slice::<u64>().is_ok(), len >= 16 + 24, "{len}");
            }
            if let Ok(mut reader) = Reader::new(buffer.bytes(), len.min(7)) {
                assert!(reader.slice::<u64>().is_err());
            }
        }
        let mut reader = Reader::new(&[], 0).unwrap();
        assert!(reader.value::<u32>().is_err());
        assert!(reader.text().is_err());
    }
}
