//! [`Variants`]: a file in content codings: compressed beforehand and lying beside it, or compressed
//! here and kept in memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bucle_loop::sync::Event;

use crate::site::coding::{CODINGS, Coding};
use crate::site::opened::Opened;

/// What is known of a file in the codings.
pub(crate) struct Variants {
    /// Whether it may be compressed here.
    dynamic: Cell<bool>,
    /// The codings a file beside it was seen in, a bit each.
    beside: Cell<u8>,
    held: RefCell<[Variant; CODINGS]>,
}

/// The file in one coding.
#[derive(Clone, Default)]
pub(crate) enum Variant {
    #[default]
    None,
    /// The file beside it.
    Beside(Rc<Opened>),
    /// Compressed here.
    Made(Rc<Opened>),
    /// Being compressed; set when that has ended.
    Making(Rc<Event>),
    /// Compressed it would not be shorter, or is too long to be kept beside what is.
    Useless,
}

impl Variants {
    pub(crate) fn new(dynamic: bool) -> Variants {
        Variants {
            dynamic: Cell::new(dynamic),
            beside: Cell::new(0),
            held: RefCell::default(),
        }
    }

    pub(crate) fn get(&self, coding: Coding) -> Variant {
        self.held.borrow()[coding.index()].clone()
    }

    pub(crate) fn set(&self, coding: Coding, variant: Variant) {
        let before = std::mem::replace(&mut self.held.borrow_mut()[coding.index()], variant);
        drop(before);
    }

    pub(crate) fn is_beside(&self, coding: Coding) -> bool {
        self.beside.get() & (1 << coding.index()) != 0
    }

    pub(crate) fn set_beside(&self, coding: Coding, there: bool) {
        let bit = 1 << coding.index();
        let others = self.beside.get() & !bit;
        self.beside.set(if there { others | bit } else { others });
    }

    /// Whether it can be had in a coding by compressing it, or was.
    pub(crate) fn can_make(&self, coding: Coding) -> bool {
        self.dynamic.get() && !matches!(self.held.borrow()[coding.index()], Variant::Useless)
    }

    /// It could not be compressed, and is not tried again.
    pub(crate) fn give_up(&self) {
        self.dynamic.set(false);
    }

    /// Those that take memory or a descriptor.
    pub(crate) fn held(&self) -> Vec<Rc<Opened>> {
        let held = self.held.borrow();
        let held = held.iter().filter_map(|variant| match variant {
            Variant::Beside(opened) | Variant::Made(opened) => Some(opened.clone()),
            Variant::None | Variant::Making(_) | Variant::Useless => None,
        });
        held.collect()
    }
}
