//! [`Barrier`]: nobody goes on before all are there.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::label::Label;
use super::waiters::{Place, Role, Waiters};
use crate::wait_graph::WaitKind;

/// Holds tasks back until a number of them have come. asyncio's `Barrier` (Python 3.11).
///
/// It can be used again and again: when all have left, it *fills* anew; who comes while it still
/// *drains* waits for that first. It never lets more than [`parties`](Barrier::parties) through
/// together.
///
/// ```
/// use std::rc::Rc;
/// use bucle_loop::sync::Barrier;
///
/// bucle_loop::run(async {
///     let start = Rc::new(Barrier::new(3));
///     let places = bucle_loop::gather((0..3).map(|_| {
///         let start = start.clone();
///         async move { start.wait().await.unwrap() }
///     }))
///     .await
///     .unwrap();
///     assert_eq!(places, [0, 1, 2]);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancellation
///
/// [`wait`](Barrier::wait) may be dropped at any time. While the barrier fills, one that is dropped
/// is no longer counted; the others wait on for somebody else, as in asyncio. Once the barrier has
/// opened it doesn't matter to the others. A task that must not be missing says so by
/// [`abort`](Barrier::abort).
pub struct Barrier {
    parties: usize,
    state: Cell<State>,
    /// Those that are counted. All are granted as soon as the barrier doesn't fill any more: they may
    /// leave.
    inside: Waiters,
    /// Those that came when it didn't fill. As many are granted as there is room inside.
    entering: Waiters,
    label: Label,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Filling,
    /// All came; some are yet to run.
    Draining,
    /// It was reset; some are yet to hear of it.
    Resetting,
    Broken,
}

impl Barrier {
    /// A barrier for `parties` tasks.
    ///
    /// # Panics
    /// If `parties` is 0.
    #[track_caller]
    pub fn new(parties: usize) -> Barrier {
        Barrier::make(None, parties)
    }

    /// The same with a name for reports.
    ///
    /// # Panics
    /// If `parties` is 0.
    #[track_caller]
    pub fn named(name: &str, parties: usize) -> Barrier {
        Barrier::make(Some(name), parties)
    }

    #[track_caller]
    fn make(name: Option<&str>, parties: usize) -> Barrier {
        assert!(
            parties > 0,
            "a barrier is for one party at least, not for 0"
        );
        Barrier {
            parties,
            state: Cell::new(State::Filling),
            inside: Waiters::default(),
            entering: Waiters::default(),
            label: Label::new("Barrier", name),
        }
    }

    /// Waits until all parties wait. Gives each one another number below `parties`: 0 for the one
    /// that came first. The last one to come doesn't wait. See [Cancellation](Barrier#cancellation).
    ///
    /// # Errors
    /// [`BrokenBarrierError`] if the barrier was [reset](Barrier::reset) or
    /// [aborted](Barrier::abort) before the task could go on (when the others had come, too, as in
    /// asyncio), or is broken when it comes.
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait {
            barrier: self,
            inside: None,
            entering: None,
        }
    }

    /// Begins anew: those that wait, or were yet to leave, get a [`BrokenBarrierError`]; those that
    /// came for the next time are spared. Mends a broken barrier.
    ///
    /// In asyncio this has to be awaited.
    pub fn reset(&self) {
        if self.inside.is_empty() {
            self.state.set(State::Filling);
        } else {
            self.state.set(State::Resetting);
            self.inside.grant(usize::MAX);
        }
        self.balance();
    }

    /// Breaks the barrier: all that wait get a [`BrokenBarrierError`], and so does who comes before
    /// it is [reset](Barrier::reset).
    ///
    /// In asyncio this has to be awaited.
    pub fn abort(&self) {
        self.state.set(State::Broken);
        self.inside.grant(usize::MAX);
        self.balance();
    }

    /// How many tasks it takes.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many wait for the others to come.
    pub fn n_waiting(&self) -> usize {
        match self.state.get() {
            State::Filling => self.inside.len(),
            State::Draining | State::Resetting | State::Broken => 0,
        }
    }

    /// Whether it was aborted.
    pub fn broken(&self) -> bool {
        self.state.get() == State::Broken
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.label.name()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.label.location()
    }

    /// Comes in; the last one opens the barrier.
    fn enter(&self, place: &mut Option<Place>, cx: &mut Context<'_>) -> Poll<usize> {
        let number = self.inside.len();
        if number + 1 < self.parties {
            self.wait_inside(place, cx);
            return Poll::Pending;
        }
        if number > 0 {
            self.state.set(State::Draining);
            self.inside.grant(number);
        }
        self.balance();
        Poll::Ready(number)
    }

    fn wait_inside(&self, place: &mut Option<Place>, cx: &mut Context<'_>) {
        let role = Role {
            kind: WaitKind::Barrier,
            parties: Some(self.parties),
        };
        self.inside.wait(place, cx, &self.label, role);
    }

    /// Somebody left. The last one of those that were let go makes room for others.
    fn left(&self) {
        if self.inside.is_empty() && !self.broken() {
            self.state.set(State::Filling);
        }
        self.balance();
    }

    /// Lets as many come in as there is room for.
    fn balance(&self) {
        while self.entering.granted() > self.room() {
            self.entering.revoke_last();
        }
        while self.entering.granted() < self.room() && self.entering.grant_one() {}
    }

    fn room(&self) -> usize {
        match self.state.get() {
            State::Filling => self.parties - self.inside.len(),
            State::Draining | State::Resetting => 0,
            // They only come to hear of it.
            State::Broken => usize::MAX,
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.label.debug(f);
        out.field("state", &self.state.get());
        out.field(
            "waiting",
            &format_args!("{} of {}", self.n_waiting(), self.parties),
        );
        let waiters = [("inside", &self.inside), ("entering", &self.entering)];
        self.label.finish(out, &waiters)
    }
}

/// The future of [`Barrier::wait`].
#[must_use = "it does nothing unless awaited"]
pub struct BarrierWait<'a> {
    barrier: &'a Barrier,
    /// Its place in one of the barrier's lists, or none.
    inside: Option<Place>,
    entering: Option<Place>,
}

impl Future for BarrierWait<'_> {
    type Output = Result<usize, BrokenBarrierError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let barrier = this.barrier;
        if let Some(number) = barrier.inside.claim(&mut this.inside) {
            let result = match barrier.state.get() {
                State::Filling | State::Draining => Ok(number),
                State::Resetting | State::Broken => Err(BrokenBarrierError),
            };
            barrier.left();
            return Poll::Ready(result);
        }
        if this.inside.is_some() {
            barrier.wait_inside(&mut this.inside, cx);
            return Poll::Pending;
        }
        let granted = barrier.entering.claim(&mut this.entering).is_some();
        if this.entering.is_none() {
            if barrier.broken() {
                return Poll::Ready(Err(BrokenBarrierError));
            }
            if granted || barrier.entering.is_empty() && barrier.room() > 0 {
                return barrier.enter(&mut this.inside, cx).map(Ok);
            }
        }
        let (entering, label) = (&barrier.entering, &barrier.label);
        entering.wait(&mut this.entering, cx, label, WaitKind::Barrier);
        // There may be room for this one behind those that were woken and didn't run.
        barrier.balance();
        Poll::Pending
    }
}

impl Drop for BarrierWait<'_> {
    fn drop(&mut self) {
        let barrier = self.barrier;
        if let Some(place) = self.inside.take() {
            barrier.inside.leave(place);
            barrier.left();
        }
        if let Some(place) = self.entering.take() {
            barrier.entering.leave(place);
            barrier.balance();
        }
    }
}

impl fmt::Debug for BarrierWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWait")
            .field("inside", &self.inside.is_some())
            .field("entering", &self.entering.is_some())
            .finish_non_exhaustive()
    }
}

/// A [`Barrier`] was reset or aborted while somebody waited, or is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrierError;

impl fmt::Display for BrokenBarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier was reset or aborted")
    }
}

impl std::error::Error for BrokenBarrierError {}
