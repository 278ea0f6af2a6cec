//! [`Lines`]: any number of lines of waiting things in one vector.
//!
//! A place in a line is a node that stays where it is for good: it is linked, filled in place, emptied
//! and linked again, and nothing is allocated once the vector has grown. A slab would do the same, but
//! moves what is put in and taken out, which for a few words costs more than the links.

use std::ops::{Index, IndexMut};

/// No place.
pub(crate) const NONE: u32 = u32::MAX;

/// The places, each with a `T`. One that is in no line holds what its last user left in it: users
/// leave it empty.
pub(crate) struct Lines<T> {
    nodes: Vec<Node<T>>,
    /// The first of those in no line; their `next` are a list.
    free: u32,
}

struct Node<T> {
    value: T,
    previous: u32,
    next: u32,
}

/// The two ends of a line. All calls with it are to the same `Lines`.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Default for Line {
    fn default() -> Line {
        Line {
            first: NONE,
            last: NONE,
        }
    }
}

impl<T> Default for Lines<T> {
    fn default() -> Lines<T> {
        Lines {
            nodes: Vec::new(),
            free: NONE,
        }
    }
}

impl<T: Default> Lines<T> {
    /// A place at the end of `line`.
    ///
    /// # Panics
    /// At 2^32 - 1 places.
    #[inline]
    pub(crate) fn link(&mut self, line: &mut Line) -> u32 {
        let key = match self.free {
            NONE => self.make(),
            key => key,
        };
        let last = line.last;
        let node = &mut self.nodes[key as usize];
        self.free = node.next;
        node.previous = last;
        node.next = NONE;
        match last {
            NONE => line.first = key,
            last => self.nodes[last as usize].next = key,
        }
        line.last = key;
        key
    }

    /// A new place, as the only one that is free.
    #[cold]
    fn make(&mut self) -> u32 {
        let key = match u32::try_from(self.nodes.len()) {
            Ok(key) if key != NONE => key,
            _ => panic!("2^32 - 1 tasks wait for one thing"),
        };
        self.nodes.push(Node {
            value: T::default(),
            previous: NONE,
            next: NONE,
        });
        key
    }
}

impl<T> Lines<T> {
    /// Takes a place out of its line, and gives what is in it, to be emptied, and the place that was
    /// behind it.
    #[inline]
    pub(crate) fn unlink(&mut self, line: &mut Line, key: u32) -> (&mut T, u32) {
        let node = &mut self.nodes[key as usize];
        let (previous, next) = (node.previous, node.next);
        node.next = self.free;
        self.free = key;
        match previous {
            NONE => line.first = next,
            previous => self.nodes[previous as usize].next = next,
        }
        match next {
            NONE => line.last = previous,
            next => self.nodes[next as usize].previous = previous,
        }
        (&mut self.nodes[key as usize].value, next)
    }

    /// The place behind this one.
    #[inline]
    pub(crate) fn next(&self, key: u32) -> u32 {
        self.nodes[key as usize].next
    }

    /// The place before this one.
    pub(crate) fn previous(&self, key: u32) -> u32 {
        self.nodes[key as usize].previous
    }

    /// All places of a line, in order.
    pub(crate) fn iter(&self, line: &Line) -> impl Iterator<Item = &T> {
        self.iter_from(line.first)
    }

    /// Those from `key` on.
    pub(crate) fn iter_from(&self, key: u32) -> impl Iterator<Item = &T> {
        let mut at = key;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some(&node.value)
        })
    }

    /// Every place there is, of all lines and of none.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.nodes.iter().map(|node| &node.value)
    }
}

impl<T> Index<u32> for Lines<T> {
    type Output = T;

    #[inline]
    fn index(&self, key: u32) -> &T {
        &self.nodes[key as usize].value
    }
}

impl<T> IndexMut<u32> for Lines<T> {
    #[inline]
    fn index_mut(&mut self, key: u32) -> &mut T {
        &mut self.nodes[key as usize].value
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn lines_are_apart_and_places_are_used_again() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut lines = Lines::<u32>::default();
        let mut ends = [Line::default(), Line::default(), Line::default()];
        let mut model = [Vec::new(), Vec::new(), Vec::new()];
        for number in 1..3_000 {
            let which = random.usize(..3);
            let (line, model) = (&mut ends[which], &mut model[which]);
            if random.bool() && !model.is_empty() {
                let (key, value) = model.remove(random.usize(..model.len()));
                let (taken, next) = lines.unlink(line, key);
                assert_eq!(std::mem::take(taken), value);
                let behind = model.iter().find(|(_, later)| *later > value);
                assert_eq!(next, behind.map_or(NONE, |(key, _)| *key));
            } else {
                let key = lines.link(line);
                assert_eq!(lines[key], 0, "it was left empty");
                lines[key] = number;
                model.push((key, number));
            }
            let found: Vec<u32> = lines.iter(line).copied().collect();
            let known: Vec<u32> = model.iter().map(|(_, value)| *value).collect();
            assert_eq!(found, known);
            assert_eq!(line.last, model.last().map_or(NONE, |(key, _)| *key));
        }
        let all = lines.all().filter(|value| **value != 0).count();
        assert_eq!(all, model.iter().map(Vec::len).sum::<usize>());
    }
}
