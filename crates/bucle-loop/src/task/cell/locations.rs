//! [`Locations`]: the places in the source where a loop's tasks were spawned, by numbers of half a
//! pointer's size.
//!
//! A program has a number of places, however many tasks it spawns: they are kept as long as the loop's
//! home is.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::Location;
use std::ptr;

/// How many places are found without a look into the map, if they don't share a slot.
const SLOTS: usize = 32;

type Place = &'static Location<'static>;

/// See the module.
pub(super) struct Locations {
    slots: [Cell<Option<(Place, u32)>>; SLOTS],
    places: RefCell<Vec<Place>>,
    /// By their addresses: a place may have several, and then it has several numbers.
    numbers: RefCell<BTreeMap<usize, u32>>,
}

impl Default for Locations {
    fn default() -> Locations {
        Locations {
            slots: [const { Cell::new(None) }; SLOTS],
            places: RefCell::default(),
            numbers: RefCell::default(),
        }
    }
}

impl Locations {
    /// The number of a place.
    #[inline]
    pub(super) fn number_of(&self, place: Place) -> u32 {
        // Their addresses are multiples of three words in most programs.
        let slot = &self.slots[ptr::from_ref(place).addr() / 8 % SLOTS];
        match slot.get() {
            Some((known, number)) if ptr::eq(known, place) => number,
            _ => {
                let number = self.find_or_add(place);
                slot.set(Some((place, number)));
                number
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn find_or_add(&self, place: Place) -> u32 {
        let mut numbers = self.numbers.borrow_mut();
        let number = numbers.entry(ptr::from_ref(place).addr());
        *number.or_insert_with(|| {
            let mut places = self.places.borrow_mut();
            places.push(place);
            u32::try_from(places.len() - 1).expect("a program has fewer than 2^32 places")
        })
    }

    /// The place with a number that [`number_of`](Locations::number_of) gave.
    pub(super) fn place(&self, number: u32) -> Place {
        self.places.borrow()[number as usize]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::OnceLock;

    #[test]
    fn each_place_has_its_number() {
        let locations = Locations::default();
        // More than there are slots; one place each, as each is a copy.
        static COPIES: OnceLock<Vec<Location>> = OnceLock::new();
        let copies = COPIES.get_or_init(|| (0..SLOTS * 3).map(|_| *Location::caller()).collect());
        let numbers: Vec<u32> = copies
            .iter()
            .map(|place| locations.number_of(place))
            .collect();
        for (place, number) in copies.iter().zip(&numbers) {
            assert!(ptr::eq(locations.place(*number), place));
            assert_eq!(locations.number_of(place), *number);
        }
        assert_eq!(locations.places.borrow().len(), copies.len());
    }
}
