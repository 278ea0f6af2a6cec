//! `kqueue` of macOS and the BSDs, level-triggered.
//!
//! Where epoll has one entry a descriptor with an interest, kqueue has a read and a write *filter*,
//! each with the token of its own. What that means for interests, for numbers that were given out
//! again, and for ends and errors is here, apart from the system calls: those are behind [`Queue`],
//! so that this file is compiled and tested on every system, against a queue in memory.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use bucle_sys::Errno;

use super::{Event, Selector};
use crate::fds::{Interest, Readiness};
use crate::pollable::Pollable;

/// The system calls, and what they say.
pub(crate) trait Queue {
    /// Adds, with a token, or deletes the read and the write filter of a descriptor. The system's
    /// answer to each: an error number, or 0.
    fn change(
        &mut self,
        fd: BorrowedFd<'_>,
        read: Option<u64>,
        write: Option<u64>,
    ) -> io::Result<[i32; 2]>;

    /// Waits for filters to become active, and gives each to `see`.
    fn wait(&mut self, timeout: Option<Duration>, see: &mut dyn FnMut(Seen)) -> io::Result<()>;
}

/// An active filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) token: u64,
    pub(crate) write: bool,
    /// The direction has ended: the peer sends no more, or reads no more.
    pub(crate) eof: bool,
    /// The filter is in trouble.
    pub(crate) error: bool,
}

pub(crate) struct KqueueSelector<Q> {
    queue: Q,
}

impl<Q: Queue> KqueueSelector<Q> {
    pub(crate) fn new(queue: Q) -> KqueueSelector<Q> {
        KqueueSelector { queue }
    }

    /// Makes the filters of `fd` those of `interest`, whatever they were.
    fn set(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let read = interest.reads().then_some(token);
        let write = interest.writes().then_some(token);
        let [read_error, write_error] = self.queue.change(fd, read, write)?;
        for (wanted, error) in [(read, read_error), (write, write_error)] {
            if error == 0 {
                continue;
            }
            match (wanted, Errno::from_raw_os_error(error)) {
                // There was none to delete.
                (None, Errno::NOENT) => {}
                // A pipe that nobody reads any more: not writable, and the read side, or the next
                // write, tells.
                (Some(_), Errno::PIPE) => {}
                (_, error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl<Q: Queue> Selector for KqueueSelector<Q> {
    fn name(&self) -> &'static str {
        "kqueue"
    }

    fn add(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let fd = fd.fd()?;
        super::refuse_files(fd)?;
        self.set(fd, token, interest)
    }

    fn modify(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.set(fd.fd()?, token, interest)
    }

    fn remove(&mut self, fd: Pollable<'_>) -> io::Result<()> {
        self.set(fd.fd()?, 0, Interest::NONE)
    }

    fn select(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.queue.wait(timeout, &mut |seen| {
            let readiness = match seen {
                // The peer reads no more, or something broke: either call would now tell.
                Seen { error: true, .. }
                | Seen {
                    write: true,
                    eof: true,
                    ..
                } => Readiness::BOTH,
                Seen { write: true, .. } => Readiness::WRITE,
                Seen { write: false, .. } => Readiness::READ,
            };
            let token = seen.token;
            events.push(Event { token, readiness });
        })
    }
}

/// The system's queue.
#[cfg(not(target_os = "linux"))]
pub(crate) mod system {
    use bucle_sys::kqueue::{self, Kqueue, RawEvent};

    use super::*;

    /// Events taken in one call; see `epoll`.
    const EVENTS_PER_CALL: usize = 256;

    pub(crate) struct SystemQueue {
        kqueue: Kqueue,
        raw: Vec<RawEvent>,
    }

    impl SystemQueue {
        pub(crate) fn new() -> io::Result<SystemQueue> {
            Ok(SystemQueue {
                kqueue: Kqueue::new()?,
                raw: Vec::with_capacity(EVENTS_PER_CALL),
            })
        }
    }

    impl Queue for SystemQueue {
        fn change(
            &mut self,
            fd: BorrowedFd<'_>,
            read: Option<u64>,
            write: Option<u64>,
        ) -> io::Result<[i32; 2]> {
            self.kqueue.change(fd, read, write)
        }

        fn wait(&mut self, timeout: Option<Duration>, see: &mut dyn FnMut(Seen)) -> io::Result<()> {
            self.raw.clear();
            self.kqueue.wait(&mut self.raw, timeout)?;
            for event in &self.raw {
                let kqueue::Seen {
                    data,
                    write,
                    eof,
                    error,
                } = kqueue::seen(event);
                see(Seen {
                    token: data,
                    write,
                    eof,
                    error,
                });
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A queue in memory: it keeps filters as the system would, and reports those that a test made
    /// active.
    #[derive(Default)]
    struct Fake {
        /// By descriptor and direction (true: write): token, active, ended.
        filters: BTreeMap<(i32, bool), Filter>,
        /// What adding the next write filter fails with.
        refuse_write: Option<Errno>,
        error: Option<u64>,
        waited: Vec<Option<Duration>>,
    }

    #[derive(Clone, Copy, Default)]
    struct Filter {
        token: u64,
        active: bool,
        eof: bool,
    }

    impl Fake {
        fn set(&mut self, fd: i32, write: bool, token: Option<u64>) -> i32 {
            match token {
                Some(_) if write && self.refuse_write.is_some() => {
                    self.refuse_write.take().map_or(0, Errno::raw_os_error)
                }
                Some(token) => {
                    // Adding again keeps the filter and replaces the token.
                    self.filters.entry((fd, write)).or_default().token = token;
                    0
                }
                None => match self.filters.remove(&(fd, write)) {
                    Some(_) => 0,
                    None => Errno::NOENT.raw_os_error(),
                },
            }
        }

        fn activate(&mut self, fd: impl AsFd, write: bool, eof: bool) {
            let key = (fd.as_fd().as_raw_fd(), write);
            if let Some(filter) = self.filters.get_mut(&key) {
                filter.active = true;
                filter.eof = eof;
            }
        }

        /// The system forgets a descriptor's filters when it is closed.
        fn close(&mut self, fd: i32) {
            self.filters.retain(|(number, _), _| *number != fd);
        }
    }

    impl Queue for Fake {
        fn change(
            &mut self,
            fd: BorrowedFd<'_>,
            read: Option<u64>,
            write: Option<u64>,
        ) -> io::Result<[i32; 2]> {
            let fd = fd.as_raw_fd();
            Ok([self.set(fd, false, read), self.set(fd, true, write)])
        }

        fn wait(&mut self, timeout: Option<Duration>, see: &mut dyn FnMut(Seen)) -> io::Result<()> {
            self.waited.push(timeout);
            for ((_, write), filter) in &self.filters {
                if filter.active {
                    see(Seen {
                        token: filter.token,
                        write: *write,
                        eof: filter.eof,
                        error: false,
                    });
                }
            }
            if let Some(token) = self.error.take() {
                see(Seen {
                    token,
                    write: false,
                    eof: false,
                    error: true,
                });
            }
            Ok(())
        }
    }

    fn selector() -> KqueueSelector<Fake> {
        KqueueSelector::new(Fake::default())
    }

    fn pollable(fd: &impl AsFd) -> Pollable<'_> {
        Pollable::Fd(fd.as_fd())
    }

    fn filters(selector: &KqueueSelector<Fake>, fd: &impl AsFd) -> [Option<u64>; 2] {
        let fd = fd.as_fd().as_raw_fd();
        [false, true].map(|write| Some(selector.queue.filters.get(&(fd, write))?.token))
    }

    fn select(selector: &mut KqueueSelector<Fake>) -> Vec<(u64, Readiness)> {
        let mut events = Vec::new();
        selector.select(None, &mut events).unwrap();
        let pairs = events.iter().map(|event| (event.token, event.readiness));
        pairs.collect()
    }

    #[test]
    fn an_interest_is_one_or_two_filters() {
        let (a, _b) = UnixStream::pair().unwrap();
        let mut selector = selector();
        selector.add(pollable(&a), 1, Interest::READ).unwrap();
        assert_eq!(filters(&selector, &a), [Some(1), None]);
        selector.modify(pollable(&a), 2, Interest::BOTH).unwrap();
        assert_eq!(filters(&selector, &a), [Some(2), Some(2)]);
        selector.modify(pollable(&a), 2, Interest::WRITE).unwrap();
        assert_eq!(filters(&selector, &a), [None, Some(2)]);
        selector.remove(pollable(&a)).unwrap();
        assert_eq!(filters(&selector, &a), [None, None]);
        // As for a descriptor that was closed behind the selector's back.
        selector.remove(pollable(&a)).unwrap();
    }

    #[test]
    fn no_filter_of_a_former_owner_stays() {
        let (a, _b) = UnixStream::pair().unwrap();
        let mut selector = selector();
        selector.add(pollable(&a), 1, Interest::BOTH).unwrap();
        // Not removed, the same number again: both ways of telling the selector.
        selector.add(pollable(&a), 2, Interest::READ).unwrap();
        assert_eq!(filters(&selector, &a), [Some(2), None]);
        selector.queue.close(a.as_raw_fd());
        selector.modify(pollable(&a), 3, Interest::READ).unwrap();
        assert_eq!(filters(&selector, &a), [Some(3), None]);
    }

    #[test]
    fn ends_and_errors_wake_whoever_would_be_told() {
        let (a, _b) = UnixStream::pair().unwrap();
        let mut selector = selector();
        selector.add(pollable(&a), 1, Interest::BOTH).unwrap();
        selector.queue.activate(&a, false, false);
        assert_eq!(select(&mut selector), [(1, Readiness::READ)]);
        // Level-triggered.
        assert_eq!(select(&mut selector), [(1, Readiness::READ)]);
        selector.queue.activate(&a, true, false);
        let both = [(1, Readiness::READ), (1, Readiness::WRITE)];
        assert_eq!(select(&mut selector), both);
        // The end of the stream alone leaves our direction open.
        selector.queue.activate(&a, false, true);
        assert_eq!(select(&mut selector), both);
        selector.queue.activate(&a, true, true);
        let both = [(1, Readiness::READ), (1, Readiness::BOTH)];
        assert_eq!(select(&mut selector), both);
        selector.remove(pollable(&a)).unwrap();
        selector.queue.error = Some(9);
        assert_eq!(select(&mut selector), [(9, Readiness::BOTH)]);
    }

    #[test]
    fn what_can_not_be_watched_is_refused() {
        let mut selector = selector();
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let error = selector.add(pollable(&file), 1, Interest::READ);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let (a, _b) = UnixStream::pair().unwrap();
        selector.queue.refuse_write = Some(Errno::NOMEM);
        let error = selector.add(pollable(&a), 1, Interest::BOTH).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOMEM.raw_os_error()));
        selector.queue.refuse_write = Some(Errno::PIPE);
        selector.add(pollable(&a), 1, Interest::BOTH).unwrap();
    }

    #[test]
    fn the_time_out_reaches_the_system_as_it_is() {
        let mut selector = selector();
        for timeout in [None, Some(Duration::ZERO), Some(Duration::from_nanos(1))] {
            selector.select(timeout, &mut Vec::new()).unwrap();
            assert_eq!(selector.queue.waited.last(), Some(&timeout));
        }
    }
}
