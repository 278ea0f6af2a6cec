//! [`scope`]: work that runs together and borrows from who waits for it.
//!
//! # Cancellation
//!
//! The children are part of the future of `scope`, and so of the task that awaits it: they are
//! polled in place and dropped in place. Whatever drops that future (a cancellation of the task, a
//! timeout) drops the body first and then all children, before the drop returns. Nothing is held
//! back; for that there is [`TaskGroup`](crate::TaskGroup), whose tasks don't borrow.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::task::Cancelled;
use crate::wait_graph::{Needs, Survey, WaitKind, What};
use crate::waits::{Member, Waited};
use crate::wake_set::{PlaceWaker, WakeSet};

/// Runs `body` and all that it spawns into its [`Scope`], in the caller's task, until everything has
/// ended; gives what the body returned. `std::thread::scope` for futures.
///
/// Children may borrow whatever outlives the future of `scope`. They run interleaved, each woken by
/// itself, and share the turns of the one task they are in: [`current_task`](crate::current_task) is
/// the same for all, and they advance only while it is polled. A child that panics takes the whole
/// scope with it.
///
/// ```
/// use bucle_loop::{scope, yield_now};
/// use std::cell::Cell;
///
/// bucle_loop::run(async {
///     let words = vec!["one", "two", "three"];
///     let longest = Cell::new(0);
///     let count = scope(|s| {
///         let (words, longest) = (&words, &longest);
///         async move {
///             for word in words {
///                 s.spawn(async move {
///                     yield_now().await;
///                     longest.set(longest.get().max(word.len()));
///                 });
///             }
///             words.len()
///         }
///     })
///     .await;
///     assert_eq!((count, longest.get()), (3, 5));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What lives in the body is gone before the children, so they can't borrow it:
///
/// ```compile_fail,E0597
/// bucle_loop::run(async {
///     bucle_loop::scope(|s| async move {
///         let local = String::from("gone when the body returns");
///         let borrowed = &local;
///         s.spawn(async move { println!("{borrowed}") });
///     })
///     .await;
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Nor can a child, or anything it borrows, be carried out of the scope that it borrows from:
///
/// ```compile_fail,E0597
/// bucle_loop::run(async {
///     let escaped = {
///         let text = String::from("short-lived");
///         let text = &text;
///         bucle_loop::scope(|s| async move { s.spawn(async move { text }) })
///     };
///     escaped.await;
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn scope<'env, B, F>(body: B) -> F::Output
where
    B: FnOnce(Scope<'env>) -> F,
    F: Future,
{
    let inner = Rc::new(Inner {
        wakes: WakeSet::new(),
        children: RefCell::new(Slab::new()),
        closed: Cell::new(false),
    });
    let place = inner.wakes.place(BODY);
    place.watch(|_| Poll::Ready(()));
    // Dropped in reverse: the body goes first, then the children, whose own handles to the scope
    // would otherwise keep them all alive.
    let _close = Close(&inner);
    let mut body = pin!(Some(body(Scope {
        inner: inner.clone(),
    })));
    let mut value = None;
    poll_fn(|cx| {
        inner.wakes.register(cx);
        // What is woken meanwhile has its turn after the other tasks.
        for _ in 0..inner.wakes.len() {
            match inner.wakes.pop() {
                Some(BODY) => {
                    if let Some(running) = body.as_mut().as_pin_mut()
                        && let Poll::Ready(ended) = place.look(|cx| running.poll(cx))
                    {
                        value = Some(ended);
                        body.set(None);
                    }
                }
                Some(number) => inner.poll_child(number - 1),
                None => break,
            }
        }
        if inner.children.borrow().is_empty()
            && let Some(value) = value.take()
        {
            return Poll::Ready(value);
        }
        Poll::Pending
    })
    .await
}

/// The body's number among the wakers; children come after it.
const BODY: usize = 0;

/// Where [`scope`]'s body and its children spawn children. Clones are the same scope.
#[derive(Clone)]
pub struct Scope<'env> {
    inner: Rc<Inner<'env>>,
}

struct Inner<'env> {
    wakes: WakeSet,
    children: RefCell<Slab<Child<'env>>>,
    closed: Cell<bool>,
}

struct Child<'env> {
    /// Out while it is being polled.
    future: Option<Pin<Box<dyn Future<Output = ()> + 'env>>>,
    waker: Rc<PlaceWaker>,
}

impl<'env> Scope<'env> {
    /// Adds a child, which is first polled in the task's next turn.
    ///
    /// Its value can be awaited; dropping the returned handle changes nothing. When the scope is
    /// over the future is dropped, and the handle says so.
    pub fn spawn<F>(&self, future: F) -> ScopedTask<'env, F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        let slot = Rc::new(Slot {
            state: RefCell::new(SlotState::Waiting(None)),
        });
        let filling = Filling(slot.clone());
        let mut number = 0;
        if !self.inner.closed.get() {
            let future = Box::pin(async move {
                let filling = filling;
                let value = future.await;
                filling.0.set(SlotState::Value(value));
            });
            let mut children = self.inner.children.borrow_mut();
            let entry = children.vacant_entry();
            number = entry.key();
            let waker = Rc::new(self.inner.wakes.place(number + 1));
            entry.insert(Child {
                future: Some(future),
                waker: waker.clone(),
            });
            drop(children);
            waker.watch(|_| Poll::Ready(()));
        }
        ScopedTask {
            slot,
            scope: Rc::downgrade(&self.inner),
            number,
        }
    }

    /// How many children have not ended.
    pub fn len(&self) -> usize {
        self.inner.children.borrow().len()
    }

    /// Whether all children have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("children", &self.len())
            .finish()
    }
}

impl Inner<'_> {
    fn poll_child(&self, number: usize) {
        let (mut future, waker) = {
            let mut children = self.children.borrow_mut();
            // It may have been cancelled since it was woken.
            let Some(child) = children.get_mut(number) else {
                return;
            };
            let Some(future) = child.future.take() else {
                return;
            };
            (future, child.waker.clone())
        };
        let polled = waker.look(|cx| future.as_mut().poll(cx));
        let mut children = self.children.borrow_mut();
        let same = |child: &&mut Child<'_>| Rc::ptr_eq(&child.waker, &waker);
        match (polled, children.get_mut(number).filter(same)) {
            (Poll::Pending, Some(child)) => child.future = Some(future),
            (Poll::Ready(()), Some(_)) => {
                let child = children.remove(number);
                drop(children);
                drop((child, future));
            }
            // Cancelled during its own poll.
            (_, None) => {
                drop(children);
                drop(future);
            }
        }
    }
}

/// Drops the children at the end of the scope, in whatever way that comes.
struct Close<'a, 'env>(&'a Inner<'env>);

impl Drop for Close<'_, '_> {
    fn drop(&mut self) {
        self.0.closed.set(true);
        let children = self.0.children.take();
        drop(children);
    }
}

/// A child of a [`scope`]. Awaiting gives its value.
pub struct ScopedTask<'env, T> {
    slot: Rc<Slot<T>>,
    scope: Weak<Inner<'env>>,
    number: usize,
}

/// Where a child leaves its value.
struct Slot<T> {
    state: RefCell<SlotState<T>>,
}

enum SlotState<T> {
    Waiting(Option<Rc<Line>>),
    Value(T),
    /// The child was dropped, or its value was taken.
    Gone,
}

/// Who waits for a child. Apart from the slot, as the loop knows it whatever the value's type.
#[derive(Default)]
struct Line {
    waker: Cell<Option<Waker>>,
    member: Member,
}

impl Waited for Line {
    fn tell(&self, survey: &mut Survey) {
        let waker = self.waker.take();
        if let Some(waker) = &waker {
            // The child is polled by the same task.
            let what = What::new(WaitKind::ScopedTask, "");
            survey.waits(waker, what, Needs::Itself);
        }
        self.waker.set(waker);
    }
}

impl<T> Slot<T> {
    fn set(&self, state: SlotState<T>) {
        if let SlotState::Waiting(Some(line)) = self.state.replace(state)
            && let Some(waker) = line.waker.take()
        {
            waker.wake();
        }
    }
}

/// Held by the child: tells who waits when it is dropped without a value.
struct Filling<T>(Rc<Slot<T>>);

impl<T> Drop for Filling<T> {
    fn drop(&mut self) {
        if matches!(*self.0.state.borrow(), SlotState::Waiting(_)) {
            self.0.set(SlotState::Gone);
        }
    }
}

impl<T> ScopedTask<'_, T> {
    /// Drops the child's future now, or after this poll of it if it asks for its own end. False if
    /// it has ended.
    pub fn cancel(&self) -> bool {
        if self.done() {
            return false;
        }
        let Some(scope) = self.scope.upgrade() else {
            return false;
        };
        let child = scope.children.borrow_mut().try_remove(self.number);
        drop(child);
        true
    }

    /// Whether the child has ended.
    pub fn done(&self) -> bool {
        !matches!(*self.slot.state.borrow(), SlotState::Waiting(_))
    }
}

impl<T> Future for ScopedTask<'_, T> {
    type Output = Result<T, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = self.slot.state.borrow_mut();
        match std::mem::replace(&mut *state, SlotState::Gone) {
            SlotState::Value(value) => Poll::Ready(Ok(value)),
            SlotState::Gone => Poll::Ready(Err(Cancelled::new(
                "the child was cancelled, or its scope is over, or its value was taken",
            ))),
            SlotState::Waiting(line) => {
                let line = line.unwrap_or_default();
                line.member.begin(&line);
                let old = line.waker.replace(Some(waker));
                *state = SlotState::Waiting(Some(line));
                drop(state);
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for ScopedTask<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedTask")
            .field("done", &self.done())
            .finish()
    }
}
