//! [`Rare`]: what few tasks have, and who waits for the end of one, in one word.
//!
//! Most tasks that have anything here have a joiner, which is another task: then the word is the
//! pointer of that one's waker, of which the table is known. A joiner of another make lies in memory
//! of the home's, and where there is more than a joiner all of it is in an [`Extra`].

use std::alloc::Layout;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::home::{Home, class_of, layout_of};
use super::waker::{clone_to_cell, from_cell, into_cell};
use super::{DoneCallback, Header};
use crate::context;
use crate::primitives::Cell;
use crate::task::catching::CatchTree;
use crate::task::{Cancelled, TaskError};

/// What few tasks have, so that the others don't carry it.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) name: Option<Arc<str>>,
    pub(super) cancel: Option<Cancelled>,
    pub(super) error: Option<TaskError>,
    /// The panic in `error` was given to `unseen_panic`.
    pub(super) seen: bool,
    pub(super) callbacks: Vec<(u64, DoneCallback)>,
    /// Callbacks added so far: the number of the next one.
    pub(super) numbered: u64,
    /// The values of its context variables.
    pub(super) context: Option<context::Context>,
    /// Who may catch a cancellation before it ends the task.
    pub(super) catching: Option<Rc<CatchTree>>,
    /// The number of the task that spawned it, where the header has no room for it.
    pub(super) parent: u64,
    /// Waits for the end of the task.
    joiner: Option<Waker>,
}

/// What the word points to, in its lowest bits: all of it is aligned to four bytes or more.
const KIND: usize = 0b11;
/// The cell of the task that waits, whose waker this is; or nothing.
const TASK: usize = 0;
/// An `Extra` from a box.
const EXTRA: usize = 1;
/// A `Waker`, in memory of the home's.
const WAKER: usize = 2;

/// Of what a joiner of another make lies in.
const LAYOUT: Layout = layout_of::<Waker>();
const CLASS: u32 = class_of(LAYOUT);

const _: () = assert!(align_of::<Header>() > KIND && align_of::<Waker>() > KIND);
const _: () = assert!(align_of::<Extra>() > KIND);

/// See the module. Owns what it points to, and has no destructor: [`take_joiner`](Rare::take_joiner)
/// and [`take_extra`](Rare::take_extra) empty it. The home that it is given is always the cell's.
pub(super) struct Rare(Cell<*mut ()>);

impl Rare {
    /// Nothing but perhaps a name.
    #[inline]
    pub(super) fn new(name: Option<Arc<str>>) -> Rare {
        let rare = Rare(Cell::new(ptr::null_mut()));
        if name.is_some() {
            rare.put_extra(Box::new(Extra {
                name,
                ..Extra::default()
            }));
        }
        rare
    }

    #[inline]
    fn kind(word: *mut ()) -> usize {
        word.addr() & KIND
    }

    /// Takes who waits for the end.
    #[inline]
    pub(super) fn take_joiner(&self, home: &Home) -> Option<Waker> {
        let word = self.0.get();
        if word.is_null() {
            return None;
        }
        if Rare::kind(word) != TASK {
            return self.take_joiner_otherwise(home);
        }
        self.0.set(ptr::null_mut());
        // SAFETY: `set_joiner` put the cell of a waker there that it forgot; it is taken out here.
        Some(unsafe { from_cell(word.cast()) })
    }

    #[inline(never)]
    fn take_joiner_otherwise(&self, home: &Home) -> Option<Waker> {
        let word = self.0.get();
        if Rare::kind(word) == EXTRA {
            return self.peek_extra(|extra| extra.joiner.take())?;
        }
        self.0.set(ptr::null_mut());
        let memory = NonNull::new(word.map_addr(|address| address & !KIND).cast::<u8>())?;
        // SAFETY: the kind is WAKER: `set_joiner_otherwise` wrote one into memory of this home, of this
        // layout. It is taken out here, and nobody uses the memory then.
        unsafe {
            let joiner = memory.cast::<Waker>().read();
            home.free(memory, LAYOUT, CLASS);
            Some(joiner)
        }
    }

    /// Notes who waits for the end, by a clone of the waker. Nobody is noted yet.
    #[inline]
    pub(super) fn clone_joiner(&self, joiner: &Waker, home: &Home) {
        match clone_to_cell(joiner) {
            Some(cell) if self.0.get().is_null() => self.0.set(cell.cast()),
            // SAFETY: it was just cloned, and nothing else is made of it.
            Some(cell) => self.set_joiner_otherwise(unsafe { from_cell(cell) }, home),
            None => self.set_joiner_otherwise(joiner.clone(), home),
        }
    }

    /// Notes who waits for the end. Nobody is noted yet.
    #[inline]
    pub(super) fn set_joiner(&self, joiner: Waker, home: &Home) {
        if !self.0.get().is_null() {
            return self.set_joiner_otherwise(joiner, home);
        }
        match into_cell(joiner) {
            Ok(cell) => self.0.set(cell.cast()),
            Err(joiner) => self.set_joiner_otherwise(joiner, home),
        }
    }

    #[inline(never)]
    fn set_joiner_otherwise(&self, joiner: Waker, home: &Home) {
        if !self.0.get().is_null() {
            // An `Extra`, as there is no joiner.
            return self.with_extra(home, |extra| extra.joiner = Some(joiner));
        }
        let memory = home.allocate(LAYOUT, CLASS).cast::<Waker>();
        // SAFETY: the memory is a waker's by its layout, and nobody else knows it.
        unsafe { memory.write(joiner) };
        let word = memory.as_ptr().cast::<()>();
        self.0.set(word.map_addr(|address| address | WAKER));
    }

    /// Whether there is nothing at all.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_null()
    }

    /// Whether there is an `Extra`.
    #[inline]
    pub(super) fn has_extra(&self) -> bool {
        Rare::kind(self.0.get()) == EXTRA
    }

    /// Takes the `Extra`, if there is one, and with it a joiner that is in there.
    #[inline]
    pub(super) fn take_extra(&self) -> Option<Box<Extra>> {
        let word = self.0.get();
        if Rare::kind(word) != EXTRA {
            return None;
        }
        self.0.set(ptr::null_mut());
        // SAFETY: the kind is EXTRA: `put_extra` had it from a box, and it is taken out here.
        Some(unsafe { Box::from_raw(word.map_addr(|address| address & !KIND).cast()) })
    }

    /// Puts one into the word, which is empty.
    #[inline]
    fn put_extra(&self, extra: Box<Extra>) {
        let word = Box::into_raw(extra).cast::<()>();
        self.0.set(word.map_addr(|address| address | EXTRA));
    }

    /// Looks at the rare things, making them if there are none. `look` calls nobody's code.
    pub(super) fn with_extra<R>(&self, home: &Home, look: impl FnOnce(&mut Extra) -> R) -> R {
        let mut extra = self.take_extra().unwrap_or_else(|| {
            Box::new(Extra {
                joiner: self.take_joiner(home),
                ..Extra::default()
            })
        });
        let seen = look(&mut extra);
        self.put_extra(extra);
        seen
    }

    /// Looks at the rare things if there are any. `look` calls nobody's code.
    #[inline]
    pub(super) fn peek_extra<R>(&self, look: impl FnOnce(&mut Extra) -> R) -> Option<R> {
        let mut extra = self.take_extra()?;
        let seen = look(&mut extra);
        self.put_extra(extra);
        Some(seen)
    }
}
