//! [`JoinRef`]: the right to a task's result.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::{DONE, JOINED, TaskRef, VALUE};
use crate::task::TaskError;

/// The one reference to a task through which its result can be had, for the thread that made the
/// task.
///
/// Dropping it lets the task run on, detached; a value that is there, or that comes later, is
/// dropped.
pub(crate) struct JoinRef<T> {
    task: TaskRef,
    /// What can be taken. A pointer, as the value isn't in here: `JoinRef` is `Unpin` whatever `T`.
    value: PhantomData<*const T>,
}

impl<T> JoinRef<T> {
    /// Only for the task's `new`, once, with `T` the output of its future.
    pub(super) fn new(task: TaskRef) -> JoinRef<T> {
        JoinRef {
            task,
            value: PhantomData,
        }
    }

    /// The task.
    #[inline]
    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Takes the result, or has `cx`'s waker woken when there is one.
    ///
    /// # Panics
    /// If the result was taken before.
    #[inline]
    pub(crate) fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        if self.poll_done(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(
            self.try_take()
                .expect("a task's result was polled after it had been taken"),
        )
    }

    /// Ready when the task has ended; its result stays where it is. Otherwise has `cx`'s waker
    /// woken when it has.
    #[inline]
    pub(crate) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.task.is_done() {
            self.register(cx);
            // A waker's `clone` is somebody else's code and might have run the task.
            if !self.task.is_done() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn register(&mut self, cx: &mut Context<'_>) {
        let header = self.task.header();
        header.ready().note_wait();
        let home = header.home();
        match header.rare.take_joiner(home) {
            Some(old) if old.will_wake(cx.waker()) => header.rare.set_joiner(old, home),
            old => {
                // The task itself might end while the old one is dropped or the new one made:
                // nothing is borrowed.
                drop(old);
                header.rare.clone_joiner(cx.waker(), home);
            }
        }
    }

    /// Takes the result if the task has ended and it was not taken before.
    #[inline]
    pub(crate) fn try_take(&mut self) -> Option<Result<T, TaskError>> {
        let header = self.task.header();
        let flags = header.flags.get();
        if flags & (VALUE | DONE) == VALUE | DONE {
            header.flags.set(flags & !VALUE);
            // SAFETY: VALUE was set, so the stage holds the output, which is a `T`; it isn't any
            // more, so this is the only one who takes it.
            return Some(Ok(unsafe { self.value().read() }));
        }
        if flags & DONE == 0 {
            return None;
        }
        header
            .rare
            .peek_extra(|extra| extra.error.take())
            .flatten()
            .map(Err)
    }

    /// The value, if the task has ended with one and it was not taken before.
    pub(crate) fn peek(&self) -> Option<&T> {
        if !self.task.has_value() {
            return None;
        }
        // SAFETY: VALUE is set, so the stage holds the output, which is a `T`. It is taken or
        // dropped through the task's only `JoinRef` alone, by methods that need it mutably, which
        // the borrow of `self` excludes for as long as the reference lives.
        Some(unsafe { self.value().as_ref() })
    }

    /// Where the output is, if `VALUE` is set.
    fn value(&self) -> NonNull<T> {
        let offset = self.task.header().vtable.value_offset;
        // SAFETY: the stage is in the same allocation, at that offset; `T` is the output of the
        // cell's future, and every field of the union lies at its beginning.
        unsafe { self.task.ptr.byte_add(offset).cast() }
    }
}

impl<T> Drop for JoinRef<T> {
    fn drop(&mut self) {
        let header = self.task.header();
        let flags = header.flags.get();
        header.flags.set(flags & !(JOINED | VALUE));
        if let Some(joiner) = header.rare.take_joiner(header.home()) {
            drop(joiner);
        }
        if flags & VALUE != 0 {
            // SAFETY: VALUE was set, so the stage holds the output; it isn't any more, so nobody
            // drops it again, even if this unwinds; `task` keeps the cell alive until after this
            // function, unwinding or not.
            unsafe { self.value().drop_in_place() };
        }
    }
}
