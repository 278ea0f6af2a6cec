//! [`Pipe`]: two ends, in two processes.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;

use bucle_sys::channel;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ChannelError;
use super::travel::{Arrived, Passed, check_leaving};
use super::wait::{Mode, blocking, check_no_loop};
use super::wire::{Blob, Conn};

const VALUE: u8 = b'V';

/// One end of a pipe between two processes: what is sent here is received there, in order, and the
/// other way round. `multiprocessing.Pipe`.
///
/// `S` is what this end sends, `R` what it receives; both ends of one type are `Pipe<T>`. An end is
/// given to a child as an argument of [`Process::spawn`](super::Process::spawn), by value, which
/// takes it out of the parent: so the other end is told when the child is gone. An end may also be
/// given on by a child to a child of its own, and both ends may go to two children.
///
/// Methods that end in `_blocking` block the thread, and are for children without a loop; the
/// others are awaited, on a loop. A value is received whole or not at all, whenever its sender is
/// killed. About 200 KiB are on their way at most (longer values lie in memory without a name, and
/// count little); [`send`](Pipe::send) waits for room.
///
/// Values travel in a format that does not describe itself, as arguments of `#[bucle::process]` do:
/// plain derives of serde work; `skip_serializing_if`, `flatten`, `untagged` or `tag`, and
/// `serde_json::Value` don't, and may come as another value.
///
/// ```no_run
/// use bucle_macros::process;
/// use bucle_pool::{Pipe, Process};
///
/// #[process(crate = bucle_pool)]
/// fn double(pipe: Pipe<u64>) {
///     while let Ok(Some(number)) = pipe.recv_blocking() {
///         pipe.send_blocking(&(number * 2)).unwrap();
///     }
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (ours, theirs) = Pipe::new()?;
/// let child = Process::spawn(double, theirs).await?;
/// ours.send(&21).await?;
/// assert_eq!(ours.recv().await?, Some(42));
/// drop(ours); // The child sees it, and returns.
/// child.join().await?;
/// # Ok(())
/// # }
/// ```
pub struct Pipe<S, R = S> {
    conn: Conn,
    values: PhantomData<fn(S) -> R>,
}

/// What an end that only receives can send: there is no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {}

impl<S, R> Pipe<S, R> {
    /// The two ends of a new pipe, for both directions.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn new() -> io::Result<(Pipe<S, R>, Pipe<R, S>)> {
        let (one, other) = channel::pair()?;
        Ok((Pipe::of(Conn::new(one)), Pipe::of(Conn::new(other))))
    }

    fn of(conn: Conn) -> Pipe<S, R> {
        Pipe {
            conn,
            values: PhantomData,
        }
    }
}

impl<T> Pipe<Nothing, T> {
    /// A pipe for one direction: the end that receives, and the end that sends.
    /// `multiprocessing.Pipe(duplex=False)`.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    ///
    /// ```
    /// use bucle_pool::Pipe;
    ///
    /// let (receiver, sender) = Pipe::one_way()?;
    /// sender.send_blocking(&"hello".to_string()).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.recv_blocking().unwrap().as_deref(), Some("hello"));
    /// assert_eq!(receiver.recv_blocking().unwrap(), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn one_way() -> io::Result<(Pipe<Nothing, T>, Pipe<T, Nothing>)> {
        Pipe::new()
    }
}

impl<S: Serialize, R> Pipe<S, R> {
    /// Sends a value, and waits for room if the other side is behind. Dropped before it is done,
    /// nothing was sent.
    ///
    /// # Errors
    /// [`Closed`](ChannelError::Closed) when the other end is gone; what is sent and not yet
    /// received when it goes is lost with it, without an error.
    pub async fn send(&self, value: &S) -> Result<(), ChannelError> {
        let blob = Blob::of(value)?;
        match self.conn.send(Mode::Await, VALUE, 0, &blob).await? {
            true => Ok(()),
            false => Err(ChannelError::Closed),
        }
    }

    /// [`send`](Pipe::send) that blocks the thread.
    ///
    /// # Errors
    /// As [`send`](Pipe::send), and `WouldBlock` in a thread whose loop runs.
    pub fn send_blocking(&self, value: &S) -> Result<(), ChannelError> {
        check_no_loop()?;
        let blob = Blob::of(value)?;
        match blocking(self.conn.send(Mode::Block, VALUE, 0, &blob))? {
            true => Ok(()),
            false => Err(ChannelError::Closed),
        }
    }
}

impl<S, R: DeserializeOwned> Pipe<S, R> {
    /// Receives a value; `None` once the other end is gone and all it has sent was received.
    /// Dropped before it is done, nothing was received.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub async fn recv(&self) -> Result<Option<R>, ChannelError> {
        let message = self.conn.receive(Mode::Await).await?;
        Ok(message.map(|message| message.blob.value()).transpose()?)
    }

    /// [`recv`](Pipe::recv) that blocks the thread.
    ///
    /// # Errors
    /// As [`recv`](Pipe::recv), and `WouldBlock` in a thread whose loop runs.
    pub fn recv_blocking(&self) -> Result<Option<R>, ChannelError> {
        check_no_loop()?;
        let message = blocking(self.conn.receive(Mode::Block))?;
        Ok(message.map(|message| message.blob.value()).transpose()?)
    }
}

impl<S, R> Serialize for Pipe<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        check_leaving("a pipe's end")?;
        Passed(self.conn.as_fd()).serialize(serializer)
    }
}

impl<'de, S, R> Deserialize<'de> for Pipe<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pipe<S, R>, D::Error> {
        let fd = Arrived::deserialize(deserializer)?;
        Ok(Pipe::of(Conn::new(fd.into_fd())))
    }
}

impl<S, R> fmt::Debug for Pipe<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pipe").field(&self.conn.as_fd()).finish()
    }
}
