//! [`Table`]: things by numbers that are given out again.

use std::ops::Range;

/// A slab whose places are no larger than what is in them: a pointer takes 8 bytes, where an entry of
/// the crate `slab` takes 16.
pub(crate) struct Table<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    /// The number of its place. There must be fewer things than numbers.
    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        if let Some(key) = self.free.pop() {
            self.places[key as usize] = Some(thing);
            return key;
        }
        self.places.push(Some(thing));
        (self.places.len() - 1) as u32
    }

    /// Takes out what is at `key`, if anything is.
    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        let thing = self.places.get_mut(key as usize)?.take()?;
        self.free.push(key);
        Some(thing)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How many places there are, whether anything is there or not.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// What is at these places, as far as they are there.
    pub(crate) fn part(&self, places: Range<usize>) -> impl Iterator<Item = &T> {
        let to = places.end.min(self.places.len());
        let part = self.places.get(places.start..to).unwrap_or_default();
        part.iter().flatten()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_out_again() {
        let mut table = Table::default();
        let keys = ["a", "b", "c"].map(|each| table.insert(each));
        assert_eq!(keys, [0, 1, 2]);
        assert_eq!(table.remove(1), Some("b"));
        assert_eq!(table.remove(1), None, "it is gone");
        assert_eq!(table.remove(7), None, "nobody has it");
        assert_eq!(table.len(), 2);
        assert_eq!(table.iter().collect::<Vec<_>>(), [&"a", &"c"]);
        assert_eq!(table.insert("d"), 1);
        assert_eq!(table.insert("e"), 3);
        assert_eq!(table.iter().collect::<Vec<_>>(), [&"a", &"d", &"c", &"e"]);
        assert_eq!(table.len(), 4);
        assert_eq!(table.remove(1), Some("d"));
        assert_eq!(table.places(), 4);
        assert_eq!(table.part(0..3).collect::<Vec<_>>(), [&"a", &"c"]);
        assert_eq!(table.part(2..9).collect::<Vec<_>>(), [&"c", &"e"]);
        assert_eq!(table.part(8..9).count(), 0);
    }

    #[test]
    fn a_pointer_takes_no_more_than_itself() {
        assert_eq!(size_of::<Option<std::rc::Rc<u8>>>(), size_of::<usize>());
    }
}
