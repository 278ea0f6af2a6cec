//! [`WakeSet`]: many wakers for one task, which tell it which of its children is to be looked at.
//!
//! A future that waits for many others gives each its own waker, made here. A wake queues the
//! child's place, once, and wakes the owner. Without this, the owner would have to look at all of
//! its children at each wake. Wakers may be used on any thread, so the queue is behind a lock; it
//! is held for a push or a pop and never while foreign code runs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use crate::primitives::{AtomicBool, Mutex, Ordering, lock};
use crate::wait_graph::Survey;
use crate::waits::{Member, Waited, WakerKey};

/// The places of one owner.
pub(crate) struct WakeSet {
    shared: Arc<Shared>,
    seen: Rc<Seen>,
}

/// What the loop sees of a set, on its own thread.
struct Seen {
    shared: Arc<Shared>,
    /// By their numbers. A weak reference keeps the address of an ended one from being used again.
    places: RefCell<Vec<Weak<Place>>>,
    member: Member,
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
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
        });
        let seen = Rc::new(Seen {
            shared: shared.clone(),
            places: RefCell::default(),
            member: Member::default(),
        });
        WakeSet { shared, seen }
    }

    /// The waker of the child with this number. Wakes nobody yet.
    pub(crate) fn place(&self, number: usize) -> PlaceWaker {
        let place = Arc::new(Place {
            shared: self.shared.clone(),
            number,
            queued: AtomicBool::new(false),
        });
        let mut places = self.seen.places.borrow_mut();
        if number >= places.len() {
            places.resize_with(number + 1, Weak::new);
        }
        places[number] = Arc::downgrade(&place);
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
        self.seen.member.begin(&self.seen);
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

impl Waited for Seen {
    fn tell(&self, survey: &mut Survey) {
        let places = self.places.borrow();
        let of_places = places.iter().filter_map(|place| {
            // The set's own references: the place's, and its waker's; and this one.
            let place = place.upgrade()?;
            let wakers = Arc::strong_count(&place) as i64 - 3;
            Some((WakerKey::at(Arc::as_ptr(&place).addr()), wakers))
        });
        survey.set(lock(&self.shared.state).owner.as_ref(), of_places);
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn waker_of(place: &PlaceWaker) -> Waker {
        place.look(|cx| cx.waker().clone())
    }

    #[test]
    fn a_wake_queues_its_place_once_and_wakes_the_owner_once() {
        let count = Arc::new(Count::default());
        let owner = Waker::from(count.clone());
        let set = WakeSet::new();
        let places: Vec<_> = (0..3).map(|number| set.place(number)).collect();
        let wakers: Vec<_> = places.iter().map(waker_of).collect();
        set.register(&mut Context::from_waker(&owner));
        wakers[2].wake_by_ref();
        wakers[2].wake_by_ref();
        wakers[0].wake_by_ref();
        assert_eq!(
            count.0.load(Ordering::SeqCst),
            1,
            "until it registers again"
        );
        assert_eq!(
            (set.len(), set.pop(), set.pop(), set.pop()),
            (2, Some(2), Some(0), None)
        );
        // Taken out but not looked at: nothing can have changed yet.
        wakers[2].wake_by_ref();
        assert_eq!(set.pop(), None);
        // A wake while it is looked at queues it again.
        set.register(&mut Context::from_waker(&owner));
        places[2].look(|cx| cx.waker().wake_by_ref());
        assert_eq!(set.pop(), Some(2));
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_child_that_is_ready_at_first_is_queued() {
        let set = WakeSet::new();
        set.place(0).watch(|_| Poll::Pending);
        assert_eq!(set.len(), 0);
        set.place(1).watch(|_| Poll::Ready(()));
        assert_eq!(set.pop(), Some(1));
    }

    #[test]
    fn the_owner_s_waker_goes_with_the_set_and_late_wakes_do_nothing() {
        let count = Arc::new(Count::default());
        let owner = Waker::from(count.clone());
        let set = WakeSet::new();
        let place = set.place(0);
        let late = waker_of(&place);
        set.register(&mut Context::from_waker(&owner));
        drop(owner);
        assert_eq!(Arc::strong_count(&count), 2);
        drop((set, place));
        assert_eq!(Arc::strong_count(&count), 1);
        late.wake();
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn no_wake_of_another_thread_is_lost() {
        let set = WakeSet::new();
        let place = set.place(0);
        let (waker, turn) = (waker_of(&place), Arc::new(AtomicUsize::new(0)));
        let theirs = turn.clone();
        let thread = std::thread::spawn(move || {
            for n in 1..=2000 {
                theirs.store(n, Ordering::SeqCst);
                waker.wake_by_ref();
            }
        });
        let me = std::thread::current();
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let owner = Waker::from(Arc::new(Unpark(me)));
        let mut seen = 0;
        while seen < 2000 {
            set.register(&mut Context::from_waker(&owner));
            match set.pop() {
                Some(0) => seen = place.look(|_| turn.load(Ordering::SeqCst)),
                // Woken when something comes; a lost wake would leave us here.
                _ => std::thread::park(),
            }
        }
        thread.join().unwrap();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Notify;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    struct Bell(loom::sync::Arc<Notify>);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.notify();
        }
    }

    /// Two children are woken on two threads; the owner sees what each did before its last wake.
    #[test]
    fn loom_the_owner_sees_what_was_done_before_each_wake() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(3));
        builder.check(|| {
            let set = WakeSet::new();
            let bell = loom::sync::Arc::new(Notify::new());
            let owner = Waker::from(Arc::new(Bell(bell.clone())));
            let done: Vec<_> = (0..2)
                .map(|_| loom::sync::Arc::new(AtomicUsize::new(0)))
                .collect();
            let places: Vec<_> = (0..2).map(|number| set.place(number)).collect();
            let threads: Vec<_> = places
                .iter()
                .zip(&done)
                .map(|(place, done)| {
                    let waker = place.look(|cx| cx.waker().clone());
                    let done = done.clone();
                    thread::spawn(move || {
                        done.store(1, Ordering::Release);
                        waker.wake();
                    })
                })
                .collect();
            let mut ended = [false; 2];
            while ended != [true; 2] {
                set.register(&mut Context::from_waker(&owner));
                let mut looked = false;
                while let Some(number) = set.pop() {
                    looked = true;
                    ended[number] =
                        places[number].look(|_| done[number].load(Ordering::Acquire)) == 1;
                }
                if !looked {
                    bell.wait();
                }
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}
