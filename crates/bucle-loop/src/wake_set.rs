//! [`WakeSet`]: many wakers for one task, which tell it which of its children is to be looked at.
//!
//! A future that waits for many others gives each its own waker, made here. A wake queues the
//! child's place, once, and wakes the owner. Without this, the owner would have to look at all of
//! its children at each wake. Wakers may be used on any thread, so the queue is behind a lock; it
//! is held for a push or a pop and never while foreign code runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::primitives::{AtomicBool, Mutex, Ordering, lock};

/// The places of one owner.
pub(crate) struct WakeSet {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    woken: VecDeque<usize>,
    owner: Option<Waker>,
}

/// What a child's waker is made of.
struct Place {
    shared: Arc<Shared>,
    number: usize,
    /// In `woken`. Cleared when it is taken out, before the child is looked at.
    queued: AtomicBool,
}

/// One child's waker, kept to be given to it again and again.
pub(crate) struct PlaceWaker {
    place: Arc<Place>,
    waker: Waker,
}

impl WakeSet {
    pub(crate) fn new() -> WakeSet {
        WakeSet {
            shared: Arc::new(Shared {
                state: Mutex::new(State::default()),
            }),
        }
    }

    /// The waker of the child with this number. Wakes nobody yet.
    pub(crate) fn place(&self, number: usize) -> PlaceWaker {
        let place = Arc::new(Place {
            shared: self.shared.clone(),
            number,
            queued: AtomicBool::new(false),
        });
        PlaceWaker {
            waker: Waker::from(place.clone()),
            place,
        }
    }

    /// Has `cx`'s waker woken at the next wake of a child. To be called before the children are
    /// looked at, so that no wake between is lost.
    pub(crate) fn register(&self, cx: &mut Context<'_>) {
        let mut state = lock(&self.shared.state);
        let old = match &state.owner {
            Some(owner) if owner.will_wake(cx.waker()) => return,
            _ => state.owner.take(),
        };
        drop(state);
        drop(old);
        let waker = cx.waker().clone();
        lock(&self.shared.state).owner = Some(waker);
    }

    /// The number of a child that was woken.
    pub(crate) fn pop(&self) -> Option<usize> {
        lock(&self.shared.state).woken.pop_front()
    }

    /// How many children were woken and not taken out.
    pub(crate) fn len(&self) -> usize {
        lock(&self.shared.state).woken.len()
    }
}

impl Drop for WakeSet {
    fn drop(&mut self) {
        // Children may live on, and with them their wakers; the owner's is not to.
        let owner = lock(&self.shared.state).owner.take();
        drop(owner);
    }
}

impl PlaceWaker {
    /// Looks at the child, whose next wake queues its place again, also if it comes meanwhile.
    pub(crate) fn look<R>(&self, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.place.queued.store(false, Ordering::SeqCst);
        poll(&mut Context::from_waker(&self.waker))
    }

    /// The first look at a child: one that is ready already is queued.
    pub(crate) fn watch(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<()>) {
        if self.look(poll).is_ready() {
            self.waker.wake_by_ref();
        }
    }
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::SeqCst) {
            return;
        }
        let owner = {
            let mut state = lock(&self.shared.state);
            state.woken.push_back(self.number);
            state.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}
