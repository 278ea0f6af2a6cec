//! Descriptors and signals.

use std::cell::RefCell;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use super::{LoopRef, READ_BUFFER};
use crate::fds::{Interest, Refused, Registration, Source, Watcher, token};
use crate::pollable::{AsPollable, Pollable};
use crate::ready::Entry;

impl LoopRef {
    /// Calls `callback` whenever `fd` is readable, until [`remove_reader`](LoopRef::remove_reader).
    ///
    /// Level-triggered: as long as something is left to read, it is called again every turn. A
    /// second call for the same descriptor replaces the first callback. The descriptor stays the
    /// caller's, who removes the reader before closing it.
    ///
    /// # Errors
    /// `InvalidInput` for a regular file or directory, which is always ready; `ResourceBusy` for a
    /// descriptor that a transport owns; the system's.
    #[track_caller]
    pub fn add_reader(
        &self,
        fd: impl AsPollable,
        callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        let fd = fd.as_pollable();
        self.add_watcher(fd, Interest::READ, Box::new(callback), Location::caller())
    }

    /// Calls `callback` whenever `fd` is writable; otherwise as [`add_reader`](LoopRef::add_reader).
    ///
    /// # Errors
    /// As [`add_reader`](LoopRef::add_reader).
    #[track_caller]
    pub fn add_writer(
        &self,
        fd: impl AsPollable,
        callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        let fd = fd.as_pollable();
        self.add_watcher(fd, Interest::WRITE, Box::new(callback), Location::caller())
    }

    fn add_watcher(
        &self,
        fd: Pollable<'_>,
        side: Interest,
        callback: Box<dyn FnMut()>,
        location: &'static Location<'static>,
    ) -> io::Result<()> {
        self.check_open()?;
        self.check_world(fd)?;
        let watcher = Watcher {
            callback: Rc::new(RefCell::new(callback)),
            location,
        };
        let removed = self.core.fds.borrow_mut().add_watcher(fd, side, watcher);
        // What they hold is dropped when the table is free again.
        removed.map(drop).map_err(Refused::into_error)
    }

    /// Takes the reader of `fd` away at once: it is not called again, not even for an event of this
    /// turn. Returns whether there was one.
    pub fn remove_reader(&self, fd: impl AsPollable) -> bool {
        self.remove_watcher(fd, Interest::READ)
    }

    /// Takes the writer of `fd` away; see [`remove_reader`](LoopRef::remove_reader).
    pub fn remove_writer(&self, fd: impl AsPollable) -> bool {
        self.remove_watcher(fd, Interest::WRITE)
    }

    fn remove_watcher(&self, fd: impl AsPollable, side: Interest) -> bool {
        let removed = self
            .core
            .fds
            .borrow_mut()
            .remove_watcher(fd.as_pollable(), side);
        // Dropped when the table is free again.
        removed.is_some()
    }

    /// Gives a descriptor to a [`Source`], which gets its events until
    /// [`deregister`](LoopRef::deregister): the seam that transports stand on.
    ///
    /// # Errors
    /// The system's; the loop being closed.
    pub fn register(
        &self,
        fd: impl AsPollable,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> io::Result<Registration> {
        self.check_open()?;
        let fd = fd.as_pollable();
        self.check_world(fd)?;
        let result = self.core.fds.borrow_mut().register(fd, interest, source);
        let (generation, removed) = result.map_err(Refused::into_error)?;
        removed.discard();
        Ok(Registration { generation })
    }

    /// [`register`](LoopRef::register) for a descriptor that most likely has something to read: the
    /// source is told so in the next turn, whether it is true or not, and the system is not asked. Nor
    /// does it watch the descriptor, until [`set_interest`](LoopRef::set_interest) says for what.
    ///
    /// A connection whose first request came with it, and that ends with the answer, costs no system
    /// call of the selector's then.
    ///
    /// # Errors
    /// As [`register`](LoopRef::register), but those of the system, which come later.
    pub fn register_unwatched(
        &self,
        fd: impl AsPollable,
        source: Rc<dyn Source>,
    ) -> io::Result<Registration> {
        let fd = fd.as_pollable();
        let registration = self.register(fd, Interest::NONE, source)?;
        let token = token(fd.number(), registration.generation.get());
        self.core.ready.push(Entry::Readable(token));
        Ok(registration)
    }

    /// Changes what a registered source waits for. Costs nothing when nothing changes.
    ///
    /// # Errors
    /// The system's.
    pub fn set_interest(
        &self,
        fd: impl AsPollable,
        registration: &Registration,
        interest: Interest,
    ) -> io::Result<()> {
        self.core.fds.borrow_mut().set_interest(
            fd.as_pollable(),
            registration.generation.get(),
            interest,
        )
    }

    /// Ends a registration, before its descriptor is closed. Events of it that are still on their
    /// way, in this turn too, are dropped.
    pub fn deregister(&self, fd: impl AsPollable, registration: Registration) {
        let removed = self
            .core
            .fds
            .borrow_mut()
            .deregister(fd.as_pollable(), registration.generation.get());
        drop(removed);
    }

    /// All sources that are registered, in no order: for what is done to many of them, and so seldom
    /// that nobody keeps a list.
    pub fn sources(&self) -> Vec<Rc<dyn Source>> {
        self.core.fds.borrow().sources()
    }

    /// Calls [`Source::flush`] at the end of this turn. Asked twice, it is called twice: the caller
    /// keeps count.
    pub fn flush_soon(&self, source: Rc<dyn Source>) {
        if !self.is_closed() {
            self.core.to_flush.borrow_mut().push(source);
            self.core.at_end.set(true);
        }
    }

    /// How much of what they share sources have spent in the end of this turn, in a unit of theirs:
    /// see [`spend_at_end`](LoopRef::spend_at_end).
    pub fn spent_at_end(&self) -> usize {
        self.core.spent_at_end.get()
    }

    /// Notes that a source has spent so much in its [`Source::flush`], so that those that come after
    /// it in this turn can leave what is left for the next. Every turn begins with nothing spent.
    pub fn spend_at_end(&self, count: usize) {
        let spent = self.core.spent_at_end.get();
        self.core.spent_at_end.set(spent.saturating_add(count));
    }

    /// Lends the one buffer that all reads of this loop go through, so that idle connections need
    /// none of their own. A nested call gets a buffer of its own.
    pub fn with_read_buffer<R>(&self, body: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = self
            .core
            .read_buffer
            .take()
            .unwrap_or_else(|| vec![0; READ_BUFFER].into_boxed_slice());
        let result = body(&mut buffer);
        self.core.read_buffer.set(Some(buffer));
        result
    }

    /// The number of the turn this loop is in, or made last: what was looked at in this turn need
    /// not be looked at again. A turn begins with [`select`](LoopRef::select).
    pub fn turn_number(&self) -> u64 {
        self.core.counters.turns.get()
    }

    /// Calls `callback` on the loop whenever the process gets `signal`, in place of the signal's
    /// default effect. A second call for the same signal replaces the first callback. The numbers
    /// have their names in [`signal`](crate::signal).
    ///
    /// ```
    /// use bucle_loop::signal::SIGUSR1;
    ///
    /// bucle_loop::run(async {
    ///     let event_loop = bucle_loop::get_running_loop();
    ///     event_loop.add_signal_handler(SIGUSR1, || println!("told")).unwrap();
    ///     assert!(event_loop.remove_signal_handler(SIGUSR1));
    /// })
    /// .unwrap();
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` for a signal that can't be handled (`SIGKILL`, `SIGSTOP`) or that a handler
    /// could not return from (`SIGSEGV`, `SIGFPE`, `SIGILL`), and for numbers that are no signals.
    #[track_caller]
    pub fn add_signal_handler(
        &self,
        signal: i32,
        mut callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        self.check_open()?;
        if self.core.sim.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "signals are real; a simulated loop has none; call what the handler would do, or run \
                 the test as `#[bucle::test(real)]`",
            ));
        }
        let pipe = self.core.signals.borrow_mut().add(signal)?;
        let source = pipe.clone();
        let watcher = move || {
            if source.take() {
                callback();
            }
        };
        self.add_watcher(
            pipe.as_pollable(),
            Interest::READ,
            Box::new(watcher),
            Location::caller(),
        )
    }

    /// Gives `signal` its default effect back; true if a handler was there.
    pub fn remove_signal_handler(&self, signal: i32) -> bool {
        let removed = self.core.signals.borrow_mut().remove(signal);
        removed.is_some_and(|pipe| self.remove_reader(&*pipe))
    }

    /// Refuses what belongs to the other world, the real or the simulated one.
    fn check_world(&self, what: Pollable<'_>) -> io::Result<()> {
        match self.core.sim {
            Some(_) => what.sim().map(drop),
            None => what.fd().map(drop),
        }
    }
}
