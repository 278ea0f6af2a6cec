//! [`Event`]: a flag to wait for.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::label::Label;
use super::waiters::{Place, Waiters};
use crate::wait_graph::WaitKind;

/// A flag that any number of tasks can wait for. asyncio's `Event`.
///
/// ```
/// use std::rc::Rc;
/// use bucle_loop::sync::Event;
///
/// bucle_loop::run(async {
///     let ready = Rc::new(Event::named("ready"));
///     let waiter = bucle_loop::spawn({
///         let ready = ready.clone();
///         async move { ready.wait().await }
///     });
///     ready.set();
///     waiter.await.unwrap();
///     ready.wait().await; // at once: it stays set
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// [`wait`](Event::wait) may be dropped at any time; the others are not concerned.
pub struct Event {
    set: Cell<bool>,
    waiters: Waiters,
    label: Label,
}

impl Event {
    /// An event that is not set.
    #[track_caller]
    pub fn new() -> Event {
        Event::make(None)
    }

    /// The same with a name for reports.
    #[track_caller]
    pub fn named(name: &str) -> Event {
        Event::make(Some(name))
    }

    #[track_caller]
    fn make(name: Option<&str>) -> Event {
        Event {
            set: Cell::new(false),
            waiters: Waiters::default(),
            label: Label::new("Event", name),
        }
    }

    /// Sets the flag and wakes all who wait, in the order they came.
    pub fn set(&self) {
        if !self.set.replace(true) {
            self.waiters.grant(usize::MAX);
        }
    }

    /// Takes the flag back: who comes now waits. Who waited when it was set goes on all the same.
    pub fn clear(&self) {
        self.set.set(false);
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Waits until the flag is set; not at all if it is. See [Cancellation](Event#cancellation).
    pub fn wait(&self) -> EventWait<'_> {
        EventWait {
            event: self,
            place: None,
        }
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.label.name()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.label.location()
    }
}

impl Default for Event {
    #[track_caller]
    fn default() -> Event {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.label.debug(f);
        out.field("set", &self.is_set());
        self.label.finish(out, &[("waiters", &self.waiters)])
    }
}

/// The future of [`Event::wait`].
#[must_use = "it does nothing unless awaited"]
pub struct EventWait<'a> {
    event: &'a Event,
    place: Option<Place>,
}

impl Future for EventWait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waiters = &this.event.waiters;
        let unset = this.place.is_some() || !this.event.is_set();
        if waiters.claim(&mut this.place).is_none() && unset {
            let label = &this.event.label;
            waiters.wait(&mut this.place, cx, label, WaitKind::Event);
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for EventWait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.event.waiters.leave(place);
        }
    }
}

impl fmt::Debug for EventWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}
