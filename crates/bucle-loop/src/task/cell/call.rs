//! [`RemoteCall`]: a callback that one thread sends and another runs, without a box where it is small.
//!
//! A box that one thread allocates and another frees is most of what sending a small callback costs.

use std::mem::{ManuallyDrop, MaybeUninit};

/// What a callback may have captured to lie in place: a reference that is counted, a fat pointer.
const WORDS: usize = 3;

type Place = MaybeUninit<[usize; WORDS]>;

/// A callback to be run once, or dropped.
pub(crate) struct RemoteCall {
    /// A closure of the type that `kind` knows.
    place: Place,
    kind: &'static Kind,
}

/// What can be done with a closure in its place, which holds nothing afterwards.
///
/// # Safety
/// Both want a place that holds a closure of the type they were made for, and whose caller has it
/// alone and doesn't use it again.
struct Kind {
    // SAFETY: for the caller to show, as said above.
    run: unsafe fn(*mut Place),
    // SAFETY: as above.
    drop: unsafe fn(*mut Place),
}

/// Where the closures of type `F` find their functions.
struct KindOf<F>(F);

impl<F: FnOnce() + Send + 'static> KindOf<F> {
    const FITS: bool =
        size_of::<F>() <= size_of::<Place>() && align_of::<F>() <= align_of::<Place>();

    const KIND: &'static Kind = &Kind {
        // SAFETY: whoever calls these says that the place holds an `F`, and doesn't use it again.
        run: |place| unsafe { place.cast::<F>().read()() },
        // SAFETY: as above.
        drop: |place| unsafe { place.cast::<F>().drop_in_place() },
    };
}

impl RemoteCall {
    #[inline]
    pub(crate) fn new<F: FnOnce() + Send + 'static>(callback: F) -> RemoteCall {
        if KindOf::<F>::FITS {
            RemoteCall::in_place(callback)
        } else {
            RemoteCall::in_place(Box::new(callback))
        }
    }

    #[inline]
    fn in_place<F: FnOnce() + Send + 'static>(callback: F) -> RemoteCall {
        assert!(
            KindOf::<F>::FITS,
            "a callback that is larger than its place"
        );
        let mut place = Place::uninit();
        // SAFETY: it fits, as was just found, and the place holds nothing yet.
        unsafe { place.as_mut_ptr().cast::<F>().write(callback) };
        RemoteCall {
            place,
            kind: KindOf::<F>::KIND,
        }
    }

    /// Runs it, on the thread that calls this.
    #[inline]
    pub(crate) fn run(self) {
        let mut call = ManuallyDrop::new(self);
        // SAFETY: the place holds what the kind is of since `in_place`; it can be sent, as every `F`
        // can; and it isn't used again, not even by a destructor.
        unsafe { (call.kind.run)(&raw mut call.place) };
    }
}

impl Drop for RemoteCall {
    fn drop(&mut self) {
        // SAFETY: as in `run`, which has no destructor run.
        unsafe { (self.kind.drop)(&raw mut self.place) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Sends a closure that has captured `more` as well, and runs or drops it on another thread.
    fn sent<T: Send + 'static>(more: T, is_run: bool) -> (u64, usize) {
        let seen = Arc::new(AtomicU64::new(0));
        let call = RemoteCall::new({
            let seen = seen.clone();
            move || {
                let _more = more;
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
        std::thread::spawn(move || match is_run {
            true => call.run(),
            false => drop(call),
        })
        .join()
        .unwrap();
        (seen.load(Ordering::Relaxed), Arc::strong_count(&seen))
    }

    #[test]
    fn small_and_large_ones_run_once_or_are_dropped() {
        #[repr(align(64))]
        struct Aligned(#[expect(dead_code, reason = "only its layout matters")] u8);
        for (is_run, runs) in [(true, 1), (false, 0)] {
            assert_eq!(sent((), is_run), (runs, 1));
            assert_eq!(sent([0_u64; 2], is_run), (runs, 1));
            assert_eq!(sent([0_u64; 3], is_run), (runs, 1));
            assert_eq!(sent(Aligned(0), is_run), (runs, 1));
            let captured = Arc::new(());
            assert_eq!(sent(captured.clone(), is_run), (runs, 1));
            assert_eq!(Arc::strong_count(&captured), 1);
        }
    }

    #[test]
    fn a_panic_frees_what_was_captured() {
        let captured = Arc::new(());
        let call = RemoteCall::new({
            let captured = captured.clone();
            move || {
                let _captured = captured;
                std::panic::resume_unwind(Box::new("on purpose"));
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.run()));
        assert!(result.is_err());
        assert_eq!(Arc::strong_count(&captured), 1);
    }
}
