//! [`Semaphore`].

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use super::error::ChannelError;
use super::permits::{Permit, Permits};
use super::wait::{Mode, blocking};

/// A number of permits for a parent and its children. `multiprocessing.Semaphore`, whose permits
/// come back when their holder dies.
///
/// The process that made it hands the permits out, first come, first served, and takes back those
/// of a child that has ended, however it has. A child is given a [`clone`](Clone::clone) as an
/// argument of [`Process::spawn`](super::Process::spawn).
///
/// ```no_run
/// use bucle_macros::process;
/// use bucle_pool::{Process, Semaphore};
///
/// #[process(crate = bucle_pool)]
/// fn download(at_once: Semaphore, url: String) {
///     let _permit = at_once.acquire_blocking().unwrap();
///     println!("{url}");
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let at_once = Semaphore::new(2)?;
/// let child = Process::spawn(download, (at_once.clone(), "http://one".into())).await?;
/// let _ours = at_once.acquire().await?;
/// child.join().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// `permits` of them, in a process with a running loop.
    ///
    /// # Errors
    /// `Unsupported` if no loop runs.
    pub fn new(permits: usize) -> io::Result<Semaphore> {
        let permits = Permits::new(permits)?;
        Ok(Semaphore { permits })
    }

    /// Waits for a permit, which is given back when it is dropped. Dropped before it is done, none
    /// is taken.
    ///
    /// # Errors
    /// [`Closed`](ChannelError::Closed) in a child whose parent's loop is gone.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, ChannelError> {
        let permit = self.permits.acquire(Mode::Await).await?;
        Ok(SemaphorePermit { permit })
    }

    /// [`acquire`](Semaphore::acquire) that blocks the thread, in a child.
    ///
    /// # Errors
    /// As [`acquire`](Semaphore::acquire), and `WouldBlock` in the process that made the semaphore.
    pub fn acquire_blocking(&self) -> Result<SemaphorePermit<'_>, ChannelError> {
        let permit = blocking(async { Ok(self.permits.acquire(Mode::Block).await) })??;
        Ok(SemaphorePermit { permit })
    }

    /// How many permits are free; `None` in a child.
    pub fn available_permits(&self) -> Option<usize> {
        self.permits.free()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .finish()
    }
}

/// A permit of a [`Semaphore`]; given back when dropped.
#[must_use = "the permit is given back when this is dropped"]
pub struct SemaphorePermit<'a> {
    permit: Permit<'a>,
}

impl SemaphorePermit<'_> {
    /// Whether its last holder has died with it: what it guards may be in the middle of something.
    /// Told to one holder.
    pub fn holder_died(&self) -> bool {
        self.permit.inherited
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit")
            .field("holder_died", &self.holder_died())
            .finish()
    }
}
