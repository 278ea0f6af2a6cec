//! A channel between a process and its child: a socket pair that keeps messages apart
//! (`SOCK_SEQPACKET`) and carries descriptors (`SCM_RIGHTS`).
//!
//! A message is sent whole or not at all, whenever the sender is killed. Linux only.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// The longest message, in bytes: well below what a socket buffers by default.
pub const MAX_MESSAGE: usize = 32 * 1024;

/// The most descriptors in one message; the kernel takes 253.
pub const MAX_FDS: usize = 128;

/// What was received.
#[derive(Debug)]
pub enum Received {
    /// A message of so many bytes, and the descriptors that came with it.
    Message(usize, Vec<OwnedFd>),
    /// There is none now.
    Nothing,
    /// The other side has closed its end, or is gone.
    Closed,
}

/// Two ends, close-on-exec, blocking; what is sent here never blocks all the same.
///
/// # Errors
/// `EMFILE` and the like.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one message, which has a byte at least, without blocking.
///
/// # Errors
/// `WouldBlock` when the other side has too much to read already; `EPIPE` and `ECONNRESET` when it
/// is gone; `InvalidInput` for what is longer than [`MAX_MESSAGE`], has more descriptors than
/// [`MAX_FDS`], or is empty.
pub fn send(channel: impl AsFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if message.is_empty() || message.len() > MAX_MESSAGE || fds.len() > MAX_FDS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "a message of {} bytes with {} descriptors; it may have 1 to {MAX_MESSAGE} and at \
                 most {MAX_FDS}",
                message.len(),
                fds.len()
            ),
        ));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let iov = [IoSlice::new(message)];
    retry_on_intr(|| rustix::net::sendmsg(&channel, &iov, &mut control, flags))?;
    Ok(())
}

/// [`send`] that blocks the thread until there is room.
///
/// # Errors
/// As [`send`], but for `WouldBlock`.
pub fn send_blocking(channel: impl AsFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    loop {
        match send(&channel, message, fds) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_ready(&channel, true)?,
            result => return result,
        }
    }
}

/// Blocks the thread until there is something to receive, or, with `to_send`, room to send; the end
/// of the other side counts as both.
///
/// # Errors
/// The system's.
pub fn wait_ready(channel: impl AsFd, to_send: bool) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    let what = if to_send {
        PollFlags::OUT
    } else {
        PollFlags::IN
    };
    let mut fds = [PollFd::new(&channel, what)];
    retry_on_intr(|| poll(&mut fds, None))?;
    Ok(())
}

/// Receives one message into `buffer`, without blocking.
///
/// # Errors
/// `InvalidData` if it did not fit (there are no such messages here), or this process has no room
/// for the descriptors that came; the system's.
pub fn receive(channel: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    receive_with(channel.as_fd(), buffer, RecvFlags::DONTWAIT)
}

/// [`receive`] that blocks the thread until there is a message.
///
/// # Errors
/// As [`receive`].
pub fn receive_blocking(channel: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    receive_with(channel.as_fd(), buffer, RecvFlags::empty())
}

fn receive_with(
    channel: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut iov = [IoSliceMut::new(buffer)];
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let mut receive =
        || retry_on_intr(|| rustix::net::recvmsg(channel, &mut iov, &mut control, flags));
    let received = match receive() {
        // The other side went while it had something unread, which is told once, and before what it
        // has sent: that comes after.
        Err(rustix::io::Errno::CONNRESET) => receive(),
        received => received,
    };
    let received = match received {
        Ok(received) => received,
        Err(rustix::io::Errno::AGAIN) => return Ok(Received::Nothing),
        Err(rustix::io::Errno::CONNRESET) => return Ok(Received::Closed),
        Err(error) => return Err(error.into()),
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if received.flags.contains(ReturnFlags::TRUNC) {
        return wrong("a message on the channel is longer than any that we send");
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return wrong(
            "descriptors that came with a message were lost: there were too many, or this process \
             has no room for more; let it have more (RLIMIT_NOFILE, `ulimit -n`)",
        );
    }
    // There are no empty messages.
    Ok(match received.bytes {
        0 => Received::Closed,
        bytes => Received::Message(bytes, fds),
    })
}

/// Blocks until the other side has closed its end, or is gone.
///
/// # Errors
/// The system's.
pub fn wait_closed(channel: impl AsFd) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::new(&channel, PollFlags::RDHUP)];
    loop {
        retry_on_intr(|| poll(&mut fds, None))?;
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if fds[0].revents().intersects(gone) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn messages_stay_apart_and_carry_descriptors() {
        let (one, other) = pair().unwrap();
        let mut buffer = [0; 64];
        assert!(matches!(
            receive(&other, &mut buffer).unwrap(),
            Received::Nothing
        ));
        let (mut read, write) = io::pipe().unwrap();
        send(&one, b"first", &[]).unwrap();
        send(&one, b"second", &[write.as_fd()]).unwrap();
        drop(write);
        let Received::Message(5, fds) = receive(&other, &mut buffer).unwrap() else {
            panic!("no first message");
        };
        assert!(fds.is_empty());
        let Received::Message(6, mut fds) = receive_blocking(&other, &mut buffer).unwrap() else {
            panic!("no second message");
        };
        assert_eq!(&buffer[..6], b"second");
        let mut write = std::fs::File::from(fds.pop().unwrap());
        write.write_all(b"x").unwrap();
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn a_closed_end_is_seen() {
        let (one, other) = pair().unwrap();
        send(&other, b"unread", &[]).unwrap();
        drop(one);
        wait_closed(&other).unwrap();
        let mut buffer = [0; 64];
        assert!(matches!(
            receive(&other, &mut buffer).unwrap(),
            Received::Closed
        ));
        assert!(send(&other, b"x", &[]).is_err());
    }

    #[test]
    fn what_was_sent_comes_before_the_end_whatever_was_unread() {
        let (one, other) = pair().unwrap();
        send(&one, b"unread", &[]).unwrap();
        send(&other, b"first", &[]).unwrap();
        send(&other, b"second", &[]).unwrap();
        drop(other);
        let mut buffer = [0; 64];
        for len in [5, 6] {
            let received = receive(&one, &mut buffer).unwrap();
            assert!(matches!(received, Received::Message(n, _) if n == len));
        }
        for _ in 0..2 {
            let received = receive_blocking(&one, &mut buffer).unwrap();
            assert!(matches!(received, Received::Closed));
        }
    }

    #[test]
    fn limits() {
        let (one, other) = pair().unwrap();
        assert!(send(&one, b"", &[]).is_err());
        assert!(send(&one, &vec![0; MAX_MESSAGE + 1], &[]).is_err());
        send(&one, &vec![1; MAX_MESSAGE], &[]).unwrap();
        let error = receive(&other, &mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let fds = [one.as_fd(); MAX_FDS + 1];
        assert!(send(&one, b"x", &fds).is_err());
        send(&one, b"x", &fds[1..]).unwrap();
        let Received::Message(1, fds) = receive(&other, &mut [0; 16]).unwrap() else {
            panic!("no message");
        };
        assert_eq!(fds.len(), MAX_FDS);
    }

    #[test]
    fn a_full_channel_does_not_block() {
        let (one, _other) = pair().unwrap();
        let error = loop {
            if let Err(error) = send(&one, &[7; 1000], &[]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
