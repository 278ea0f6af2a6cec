//! [`Buffer`]: bytes that are taken from the front.

/// Above this capacity, an empty buffer gives its memory back, in bytes.
const KEPT: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Where what is left begins.
    start: usize,
}

impl Buffer {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves everything from `more` behind what is left.
    pub(super) fn append(&mut self, more: &mut Vec<u8>) {
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
            std::mem::swap(&mut self.bytes, more);
            return;
        }
        // Moved to the front when that is cheaper than growing.
        if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.append(more);
    }

    /// Copies `more` behind what is left.
    pub(super) fn extend(&mut self, more: &[u8]) {
        if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Drops `count` bytes, of those there are.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            self.start = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
    }

    /// Takes `count` bytes, of those there are.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.len());
        // Handed over whole, unless that would keep much memory for few bytes.
        if self.start == 0 && count == self.bytes.len() && self.bytes.capacity() <= 2 * count {
            return std::mem::take(&mut self.bytes);
        }
        let taken = self.as_slice()[..count].to_vec();
        self.consume(count);
        taken
    }
}
