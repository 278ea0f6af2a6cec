//! [`Section`]: the bytes of a head and where its fields stand in them, kept for reuse.

use crate::field::{self, Field, Fields};
use crate::notable::{Kind, Notable};
use crate::{Error, Limits};

/// Capacity that is kept for the next head, in bytes and in fields. What a few huge heads needed is
/// given back.
const KEPT_BYTES: usize = 8 * 1024;
const KEPT_FIELDS: usize = 128;

#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fields: Vec<Field>,
}

impl Section {
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        if self.bytes.capacity() > KEPT_BYTES || self.fields.capacity() > KEPT_FIELDS {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.bytes.shrink_to(KEPT_BYTES);
        self.fields.shrink_to(KEPT_FIELDS);
    }

    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<&[u8]> {
        field::find(&self.fields, &self.bytes, name)
    }

    pub(crate) fn iter(&self) -> Fields<'_> {
        Fields::new(&self.bytes, &self.fields)
    }

    /// Takes in a trailer section, which is whole and whose lines are known to be well-formed.
    ///
    /// # Errors
    /// [`Error::ForbiddenTrailer`].
    pub(crate) fn parse_trailers(&mut self, input: &[u8], limits: &Limits) -> Result<(), Error> {
        self.clear();
        let mut notable = Notable::default();
        let length = field::parse(input, 0, limits.fields, &mut self.fields, &mut notable);
        let forbidden = [Kind::Host, Kind::ContentLength, Kind::TransferEncoding];
        if forbidden.iter().any(|&kind| notable.times(kind) > 0) {
            self.fields.clear();
            return Err(Error::ForbiddenTrailer);
        }
        self.bytes.extend_from_slice(&input[..length.unwrap_or(0)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_huge_is_given_back() {
        let mut section = Section::default();
        section.bytes.resize(KEPT_BYTES, 0);
        section.clear();
        assert_eq!(section.bytes.capacity(), KEPT_BYTES);
        section.bytes.resize(20 * KEPT_BYTES, 0);
        section.clear();
        assert!(section.bytes.capacity() <= KEPT_BYTES);
    }
}
