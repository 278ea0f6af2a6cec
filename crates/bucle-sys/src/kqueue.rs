//! `kqueue` of macOS and the BSDs: readiness filters on descriptors.
//!
//! A thin, safe layer: what an interest is in filters, and which answers matter, is the caller's
//! knowledge. Its state: type-checked against rustix's interface, on another system; not yet compiled
//! or run on one that has kqueue.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::kqueue::{self, EventFilter, EventFlags};

// An event carries a number of the caller's in the place of a pointer.
const _: () = assert!(size_of::<usize>() == size_of::<u64>());

/// An event as the system writes it; see [`Kqueue::wait`].
pub type RawEvent = kqueue::Event;

/// A queue, closed on drop.
#[derive(Debug)]
pub struct Kqueue {
    fd: OwnedFd,
}

/// What one filter of a descriptor reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The number the filter was added with.
    pub data: u64,
    /// The write filter (else the read filter).
    pub write: bool,
    /// `EV_EOF`: this direction has ended.
    pub eof: bool,
    /// `EV_ERROR`: the filter itself is in trouble.
    pub error: bool,
}

impl Kqueue {
    /// Makes a queue, close-on-exec.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn new() -> io::Result<Kqueue> {
        let fd = kqueue::kqueue()?;
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        Ok(Kqueue { fd })
    }

    /// Adds (`Some`, with the number its events will carry) or deletes the read and the write filter
    /// of `fd`, and returns what the system said to each: an error number, 0 for none.
    ///
    /// # Errors
    /// The call's own; those of the filters are in the result.
    pub fn change(
        &self,
        fd: BorrowedFd<'_>,
        read: Option<u64>,
        write: Option<u64>,
    ) -> io::Result<[i32; 2]> {
        let number = fd.as_raw_fd();
        let changes = [
            change(EventFilter::Read(number), read),
            change(EventFilter::Write(number), write),
        ];
        let mut receipts = [const { MaybeUninit::uninit() }; 2];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the call reads `changes` and writes `receipts`, which outlive it. It is asked to
        // keep no pointer: the user data is a number. A descriptor that is closed later takes its
        // filters out of the queue, so none has to stay open.
        let (receipts, _) =
            unsafe { kqueue::kevent_timespec(&self.fd, &changes, &mut receipts, Some(&at_once))? };
        // With EV_RECEIPT the answers come one for each change, in order.
        let mut errors = [0; 2];
        for (error, receipt) in errors.iter_mut().zip(receipts) {
            if receipt.flags().contains(EventFlags::ERROR) {
                *error = i32::try_from(receipt.data()).unwrap_or(i32::MAX);
            }
        }
        Ok(errors)
    }

    /// Waits for events and appends them to the spare capacity of `events`; what one of them says is
    /// told by [`seen`]. `None` waits without end; time-outs are honoured to the nanosecond.
    ///
    /// # Errors
    /// `EINTR` when a signal handler ran.
    pub fn wait(&self, events: &mut Vec<RawEvent>, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        // SAFETY: no change is made; the events go to the vector's spare capacity, which the buffer
        // knows the size of.
        unsafe {
            kqueue::kevent_timespec(&self.fd, &[], spare_capacity(events), timeout.as_ref())?;
        }
        Ok(())
    }
}

fn change(filter: EventFilter, add: Option<u64>) -> RawEvent {
    let flags = if add.is_some() {
        EventFlags::ADD
    } else {
        EventFlags::DELETE
    };
    // A number, not a pointer: the queue only gives it back.
    let data = ptr::without_provenance_mut(add.unwrap_or(0) as usize);
    RawEvent::new(filter, flags | EventFlags::RECEIPT, data)
}

/// What an event says.
pub fn seen(event: &RawEvent) -> Seen {
    let flags = event.flags();
    Seen {
        data: event.udata().addr() as u64,
        write: matches!(event.filter(), EventFilter::Write(_)),
        eof: flags.contains(EventFlags::EOF),
        error: flags.contains(EventFlags::ERROR),
    }
}
