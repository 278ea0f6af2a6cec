//! The table of watched file descriptors: who owns each, and what they wait for.
//!
//! One entry a descriptor, indexed by its number; under simulation, a simulated socket and its number. An entry has a *generation*, which changes
//! whenever its owner does; the selector's events carry the generation they were asked for, and an
//! event of another generation is dropped. So an event that was collected for a descriptor which
//! has since been closed, and whose number was given out again in the same turn, never reaches the
//! new owner.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::num::NonZeroU32;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use crate::pollable::Pollable;
use crate::selector::{Event, Selector};

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// Nothing: the descriptor keeps its owner but reports no event.
    pub const NONE: Interest = Interest(0);
    /// Data to read, the end of the stream, or an error.
    pub const READ: Interest = Interest(1);
    /// Room to write, or an error.
    pub const WRITE: Interest = Interest(2);
    /// Either.
    pub const BOTH: Interest = Interest(3);

    /// Whether reading is among it.
    pub const fn reads(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether writing is among it.
    pub const fn writes(self) -> bool {
        self.0 & 2 != 0
    }

    /// This and `other`.
    #[must_use]
    pub const fn with(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// This without `other`.
    #[must_use]
    pub const fn without(self, other: Interest) -> Interest {
        Interest(self.0 & !other.0)
    }
}

/// What a descriptor is ready for. A hang-up or an error makes it ready for both, since either
/// call would now tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    /// Readable.
    pub const READ: Readiness = Readiness(1);
    /// Writable.
    pub const WRITE: Readiness = Readiness(2);
    /// Both: also what a hang-up and an error count as.
    pub const BOTH: Readiness = Readiness(3);
    /// Neither.
    pub const NONE: Readiness = Readiness(0);

    /// Whether a read would not block.
    pub const fn readable(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether a write would not block.
    pub const fn writable(self) -> bool {
        self.0 & 2 != 0
    }

    /// This and `other`.
    #[must_use]
    pub const fn with(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }

    /// What of it was asked for.
    pub(crate) const fn among(self, interest: Interest) -> Readiness {
        Readiness(self.0 & interest.0)
    }
}

/// The owner of a descriptor that is more than a callback: a transport, a listener.
pub trait Source {
    /// The descriptor is ready. Level-triggered: what is left undone is reported again.
    fn ready(&self, readiness: Readiness);

    /// The turn in which [`flush_soon`](crate::LoopRef::flush_soon) was called is ending.
    fn flush(&self) {}

    /// Who it is, for reports of panics and slowness: a connection by its addresses, say. Asked only
    /// when there is something to report.
    fn describe(&self) -> Option<String> {
        None
    }

    /// What it is to the part of a program it belongs to, which asks it of
    /// [all sources](crate::LoopRef::sources) and knows its own by their type.
    fn part(self: Rc<Self>) -> Option<Rc<dyn Any>> {
        None
    }

    /// Tells of each task that waits here, by its waker, and for what. Asked only for a
    /// [`WaitGraph`](crate::WaitGraph).
    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        let _ = tell;
    }

    /// The loop is closing, and forgets the source: what the source holds is to be let go, also
    /// what would keep the source itself alive. Nothing can be scheduled any more.
    fn closed(&self) {}
}

type Callback = Rc<RefCell<dyn FnMut()>>;

/// A callback of `add_reader` or `add_writer`, and where it was added.
#[derive(Clone)]
pub(crate) struct Watcher {
    pub(crate) callback: Callback,
    pub(crate) location: &'static Location<'static>,
}

/// Who an event is for.
pub(crate) enum Owner {
    Source(Rc<dyn Source>),
    Callbacks {
        reader: Option<Watcher>,
        writer: Option<Watcher>,
    },
}

/// Who has a descriptor.
#[derive(Default)]
enum Kind {
    #[default]
    Free,
    Source(Rc<dyn Source>),
    Callbacks(Box<Callbacks>),
}

#[derive(Default)]
struct Callbacks {
    reader: Option<Watcher>,
    writer: Option<Watcher>,
}

/// There is one for each connection, so it is small: callbacks, which only few descriptors have, are
/// in a table of their own.
struct FdEntry {
    source: Option<Rc<dyn Source>>,
    generation: u32,
    interest: Interest,
    /// It is for callbacks.
    called: bool,
}

impl FdEntry {
    const EMPTY: FdEntry = FdEntry {
        source: None,
        generation: 0,
        interest: Interest::NONE,
        called: false,
    };

    fn is_free(&self) -> bool {
        self.source.is_none() && !self.called
    }

    /// Begins the next owner's generation. None is 0, so that a registration has room to spare for
    /// there being none.
    fn next_generation(&mut self) -> NonZeroU32 {
        let next = NonZeroU32::new(self.generation.wrapping_add(1)).unwrap_or(NonZeroU32::MIN);
        self.generation = next.get();
        next
    }
}

/// What the selector stores with a descriptor and gives back with its events.
pub(crate) fn token(fd: i32, generation: u32) -> u64 {
    (u64::from(generation) << 32) | u64::from(fd as u32)
}

/// The two halves of a [`token`].
pub(crate) fn split_token(token: u64) -> (i32, u32) {
    (token as u32 as i32, (token >> 32) as u32)
}

/// The table, with the selector it keeps in step.
pub(crate) struct FdTable {
    entries: Vec<FdEntry>,
    /// The callbacks of those that are for callbacks; as long as the highest of them.
    callbacks: Vec<Option<Box<Callbacks>>>,
    pub(crate) selector: Box<dyn Selector>,
    /// Descriptors that have an owner.
    watched: usize,
    /// The one that other threads wake the loop by.
    own: Option<i32>,
}

/// Something taken out of the table, to be dropped when the table is no longer borrowed: its
/// destructor may call back into the loop.
#[must_use]
pub(crate) struct Removed {
    _kind: Kind,
    _watcher: Option<Watcher>,
}

/// Why something was not put into the table, with it and what it had taken the place of.
#[must_use]
pub(crate) struct Refused {
    error: io::Error,
    _removed: [Option<Removed>; 2],
}

impl Refused {
    /// The error alone. To be called where the table is not borrowed, as the rest is dropped.
    pub(crate) fn into_error(self) -> io::Error {
        self.error
    }
}

impl Removed {
    fn watcher(watcher: Option<Watcher>) -> Removed {
        Removed {
            _kind: Kind::Free,
            _watcher: watcher,
        }
    }

    fn kind(kind: Kind) -> Removed {
        Removed {
            _kind: kind,
            _watcher: None,
        }
    }

    /// Drops it, from a place where the table is not borrowed.
    pub(crate) fn discard(self) {}

    /// Drops it because the loop is closing.
    pub(crate) fn close(self) {
        if let Kind::Source(source) = &self._kind {
            source.closed();
        }
    }
}

impl FdTable {
    pub(crate) fn new(selector: Box<dyn Selector>) -> FdTable {
        FdTable {
            entries: Vec::new(),
            callbacks: Vec::new(),
            selector,
            watched: 0,
            own: None,
        }
    }

    pub(crate) fn watched(&self) -> usize {
        self.watched
    }

    fn entry(&mut self, fd: i32) -> &mut FdEntry {
        let index = fd as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || FdEntry::EMPTY);
        }
        &mut self.entries[index]
    }

    /// All descriptors but the loop's own, with what they are watched for and by whom.
    pub(crate) fn all(&self) -> Vec<(i32, Interest, Owner)> {
        let numbered = (0i32..).zip(&self.entries);
        numbered
            .filter(|(number, _)| Some(*number) != self.own)
            .filter_map(|(number, entry)| {
                let owner = self.owner(number, entry.generation)?;
                Some((number, entry.interest, owner))
            })
            .collect()
    }

    /// All sources.
    pub(crate) fn sources(&self) -> Vec<Rc<dyn Source>> {
        let sources = self.entries.iter().filter_map(|entry| entry.source.clone());
        sources.collect()
    }

    /// The source that an event is for; `None` also where it is for callbacks.
    #[inline]
    pub(crate) fn source(&self, fd: i32, generation: u32) -> Option<Rc<dyn Source>> {
        let entry = self.entries.get(fd as usize)?;
        if entry.generation != generation {
            return None;
        }
        entry.source.clone()
    }

    /// Whom an event is for; `None` if its generation has passed.
    pub(crate) fn owner(&self, fd: i32, generation: u32) -> Option<Owner> {
        let entry = self.entries.get(fd as usize)?;
        if entry.generation != generation {
            return None;
        }
        if let Some(source) = &entry.source {
            return Some(Owner::Source(source.clone()));
        }
        let callbacks = self.callbacks_of(fd)?;
        Some(Owner::Callbacks {
            reader: callbacks.reader.clone(),
            writer: callbacks.writer.clone(),
        })
    }

    fn callbacks_of(&self, fd: i32) -> Option<&Callbacks> {
        self.callbacks.get(fd as usize)?.as_deref()
    }

    /// The place of a descriptor's callbacks.
    fn place_of_callbacks(&mut self, fd: i32) -> &mut Option<Box<Callbacks>> {
        let index = fd as usize;
        if index >= self.callbacks.len() {
            self.callbacks.resize_with(index + 1, || None);
        }
        &mut self.callbacks[index]
    }

    /// Gives a descriptor to somebody, and takes it from whoever had it.
    fn replace(&mut self, fd: i32, kind: Kind) -> Kind {
        let entry = self.entry(fd);
        let source = entry.source.take();
        let called = std::mem::replace(&mut entry.called, matches!(kind, Kind::Callbacks(_)));
        let was = match source {
            Some(source) => Kind::Source(source),
            None if called => match self.place_of_callbacks(fd).take() {
                Some(callbacks) => Kind::Callbacks(callbacks),
                None => Kind::Free,
            },
            None => Kind::Free,
        };
        match kind {
            Kind::Free => {}
            Kind::Source(source) => self.entry(fd).source = Some(source),
            Kind::Callbacks(callbacks) => *self.place_of_callbacks(fd) = Some(callbacks),
        }
        was
    }

    /// Whether `watcher` is still the one to call for a side of this generation.
    pub(crate) fn watches(
        &self,
        fd: i32,
        generation: u32,
        side: Interest,
        watcher: &Watcher,
    ) -> bool {
        let (Some(entry), Some(callbacks)) = (self.entries.get(fd as usize), self.callbacks_of(fd))
        else {
            return false;
        };
        let now = if side.reads() {
            &callbacks.reader
        } else {
            &callbacks.writer
        };
        entry.generation == generation
            && now
                .as_ref()
                .is_some_and(|now| Rc::ptr_eq(&now.callback, &watcher.callback))
    }

    /// Gives `fd` to `source`. Whatever the table still held for that number belonged to a
    /// descriptor that was closed behind its back.
    pub(crate) fn register(
        &mut self,
        fd: Pollable<'_>,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> Result<(NonZeroU32, Removed), Refused> {
        let number = fd.number();
        let entry = self.entry(number);
        let generation = entry.next_generation();
        entry.interest = interest;
        let old = self.replace(number, Kind::Source(source));
        if matches!(old, Kind::Free) {
            self.watched += 1;
        }
        let removed = Removed::kind(old);
        if interest != Interest::NONE
            && let Err(error) = self
                .selector
                .add(fd, token(number, generation.get()), interest)
        {
            let source = Removed::kind(self.replace(number, Kind::Free));
            self.entry(number).interest = Interest::NONE;
            self.watched -= 1;
            return Err(Refused {
                error: describe(error, number),
                _removed: [Some(removed), Some(source)],
            });
        }
        Ok((generation, removed))
    }

    /// Gives the loop the descriptor that other threads end its waits by. `source` is told of that where
    /// the descriptor has to be cleared after it.
    pub(crate) fn register_wake(
        &mut self,
        fd: Pollable<'_>,
        source: Rc<dyn Source>,
    ) -> io::Result<()> {
        let number = fd.number();
        let generation = self.entry(number).next_generation();
        self.selector
            .add_wake(fd, token(number, generation.get()))?;
        let entry = self.entry(number);
        entry.source = Some(source);
        entry.interest = Interest::READ;
        self.watched += 1;
        self.own = Some(number);
        Ok(())
    }

    /// Changes what the owner of this generation waits for.
    pub(crate) fn set_interest(
        &mut self,
        fd: Pollable<'_>,
        generation: u32,
        interest: Interest,
    ) -> io::Result<()> {
        let number = fd.number();
        let entry = self.entry(number);
        if entry.generation != generation || entry.interest == interest {
            return Ok(());
        }
        let before = std::mem::replace(&mut entry.interest, interest);
        let token = token(number, generation);
        let result = match (before, interest) {
            // Without interest a descriptor is not watched at all: a hang-up would be reported
            // whatever was asked for, again and again.
            (_, Interest::NONE) => self.selector.remove(fd),
            (Interest::NONE, _) => self.selector.add(fd, token, interest),
            _ => self.selector.modify(fd, token, interest),
        };
        if result.is_err() {
            self.entry(number).interest = before;
        }
        result.map_err(|error| describe(error, number))
    }

    /// Ends the ownership of this generation; its events that are still on their way are dropped.
    pub(crate) fn deregister(&mut self, fd: Pollable<'_>, generation: u32) -> Option<Removed> {
        let entry = self.entry(fd.number());
        if entry.generation != generation || entry.is_free() {
            return None;
        }
        Some(self.free(fd))
    }

    fn free(&mut self, fd: Pollable<'_>) -> Removed {
        let entry = self.entry(fd.number());
        entry.next_generation();
        let before = std::mem::replace(&mut entry.interest, Interest::NONE);
        let kind = self.replace(fd.number(), Kind::Free);
        if before != Interest::NONE {
            // It may have been closed already, in which case the system has forgotten it.
            let _ = self.selector.remove(fd);
        }
        self.watched -= 1;
        Removed::kind(kind)
    }

    /// Sets the reader or writer callback of a descriptor that no source owns.
    pub(crate) fn add_watcher(
        &mut self,
        fd: Pollable<'_>,
        side: Interest,
        watcher: Watcher,
    ) -> Result<Removed, Refused> {
        let number = fd.number();
        let entry = self.entry(number);
        if entry.source.is_some() {
            let error = io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "file descriptor {number} is owned by a transport; use the transport, or watch \
                     a duplicate of the descriptor"
                ),
            );
            let watcher = Removed::watcher(Some(watcher));
            return Err(Refused {
                error,
                _removed: [Some(watcher), None],
            });
        }
        if !std::mem::replace(&mut entry.called, true) {
            entry.next_generation();
            self.watched += 1;
        }
        let callbacks = self.place_of_callbacks(number).get_or_insert_default();
        let place = if side.reads() {
            &mut callbacks.reader
        } else {
            &mut callbacks.writer
        };
        let old = place.replace(watcher);
        let removed = Removed::watcher(old);
        let entry = &mut self.entries[number as usize];
        let before = entry.interest;
        entry.interest = before.with(side);
        let token = token(number, entry.generation);
        // Asked for even where nothing seems to change: the number may be that of a new file, of
        // which the selector knows nothing yet.
        let result = if before == Interest::NONE {
            self.selector.add(fd, token, side)
        } else {
            self.selector.modify(fd, token, before.with(side))
        };
        match result {
            Ok(()) => Ok(removed),
            Err(error) => {
                let watcher = self.remove_watcher(fd, side);
                Err(Refused {
                    error: describe(error, number),
                    _removed: [Some(removed), watcher],
                })
            }
        }
    }

    /// Takes the reader or writer callback away; `None` if there was none.
    pub(crate) fn remove_watcher(&mut self, fd: Pollable<'_>, side: Interest) -> Option<Removed> {
        let number = fd.number();
        let callbacks = self.callbacks.get_mut(number as usize)?.as_mut()?;
        let place = if side.reads() {
            &mut callbacks.reader
        } else {
            &mut callbacks.writer
        };
        let watcher = place.take()?;
        if callbacks.reader.is_none() && callbacks.writer.is_none() {
            let mut removed = self.free(fd);
            removed._watcher = Some(watcher);
            return Some(removed);
        }
        let entry = self.entry(number);
        entry.interest = entry.interest.without(side);
        let (interest, token) = (entry.interest, token(number, entry.generation));
        let _ = self.selector.modify(fd, token, interest);
        Some(Removed::watcher(Some(watcher)))
    }

    /// Gives the selector, and its descriptors, back to the system.
    pub(crate) fn close(&mut self) {
        self.selector = Box::new(Closed);
    }

    /// Empties the table, for `close`.
    pub(crate) fn clear(&mut self) -> Vec<Removed> {
        self.watched = 0;
        let mut removed = Vec::new();
        for fd in 0..self.entries.len() as i32 {
            let entry = self.entry(fd);
            if entry.is_free() {
                continue;
            }
            entry.next_generation();
            entry.interest = Interest::NONE;
            removed.push(Removed::kind(self.replace(fd, Kind::Free)));
        }
        removed
    }
}

fn describe(error: io::Error, fd: i32) -> io::Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "file descriptor {fd} can't be waited for: it is a regular file or a directory, \
                 which is always ready; read it in a thread instead"
            ),
        );
    }
    error
}

/// The ownership of a watched descriptor, given up by
/// [`deregister`](crate::LoopRef::deregister).
///
/// Dropping it instead leaves the source in the loop's table until the loop closes.
#[derive(Debug)]
pub struct Registration {
    pub(crate) generation: NonZeroU32,
}

impl Registration {
    /// The generation of this ownership: it tells two owners of one descriptor number apart.
    pub fn generation(&self) -> u32 {
        self.generation.get()
    }
}

/// What a closed loop has for a selector.
struct Closed;

impl Selector for Closed {
    fn name(&self) -> &'static str {
        "closed"
    }

    fn add(&mut self, _: Pollable<'_>, _: u64, _: Interest) -> io::Result<()> {
        Err(io::Error::other("the event loop is closed"))
    }

    fn modify(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.add(fd, token, interest)
    }

    fn remove(&mut self, _: Pollable<'_>) -> io::Result<()> {
        Ok(())
    }

    fn select(&mut self, _: Option<Duration>, _: &mut Vec<Event>) -> io::Result<()> {
        Err(io::Error::other("the event loop is closed"))
    }
}
