//! [`Protocol`]: what is told of a connection.

use std::io;
use std::task::Waker;

use bucle_loop::Interest;

use crate::Transport;

/// The receiving half of a connection: the loop calls it, and it answers through its
/// [`Transport`]. asyncio's `Protocol`.
///
/// The order of calls is that of asyncio's state machine:
///
/// ```text
/// connection_made -> data_received* -> eof_received? -> connection_lost
/// ```
///
/// `connection_made` and `connection_lost` are called exactly once each. Only when the loop is
/// closed under an open connection is there no `connection_lost`: the protocol is dropped then.
///
/// Callbacks never enter one another: a method of the transport may be called from inside any of
/// them, and what it leads to is told after the callback has returned. A panic in a callback goes
/// to the loop's exception handler, and the connection is aborted.
///
/// ```
/// use bucle_net::{Protocol, Transport};
///
/// /// Sends back what it gets.
/// #[derive(Default)]
/// struct Echo(Option<Transport>);
///
/// impl Protocol for Echo {
///     fn connection_made(&mut self, transport: Transport) {
///         self.0 = Some(transport);
///     }
///
///     fn data_received(&mut self, data: &[u8]) {
///         if let Some(transport) = &self.0 {
///             transport.write(data);
///         }
///     }
/// }
/// ```
#[doc(alias = "BaseProtocol")]
pub trait Protocol: 'static {
    /// The connection stands. `transport` is kept by whoever wants to answer; dropping it ends
    /// nothing.
    fn connection_made(&mut self, transport: Transport);

    /// Some bytes came in: never none, in pieces that mean nothing. They lie in the loop's shared
    /// buffer, so what is to stay is copied.
    fn data_received(&mut self, data: &[u8]);

    /// The peer will send no more. True keeps our side open for writing; false closes the
    /// transport once what is queued has left.
    fn eof_received(&mut self) -> bool {
        false
    }

    /// The connection is gone, and with it what was not sent: `None` after a clean end (ours or
    /// the peer's), [`close`](Transport::close) or [`abort`](Transport::abort), else why. The last
    /// call; the protocol is dropped after it.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// More is queued than the high water mark allows: the peer reads slower than we write. Called
    /// from inside the [`write`](Transport::write) that went over it, unless that was called from
    /// a callback of this protocol; then when that has returned.
    fn pause_writing(&mut self) {}

    /// The queue has drained to the low water mark.
    fn resume_writing(&mut self) {}

    /// Whether it will read by itself what can be read now, in which case nothing is read for it. Only
    /// streams do, and only their connections ask.
    #[doc(hidden)]
    fn readable(&mut self) -> bool {
        false
    }

    /// Tells of each task that waits for this connection, by its waker, and for what: a protocol
    /// behind which tasks wait, as streams are. Asked only for a [`WaitGraph`](bucle_loop::WaitGraph).
    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        let _ = tell;
    }
}

impl<P: Protocol + ?Sized> Protocol for Box<P> {
    fn connection_made(&mut self, transport: Transport) {
        (**self).connection_made(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        (**self).data_received(data);
    }

    fn eof_received(&mut self) -> bool {
        (**self).eof_received()
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        (**self).connection_lost(error);
    }

    fn pause_writing(&mut self) {
        (**self).pause_writing();
    }

    fn resume_writing(&mut self) {
        (**self).resume_writing();
    }

    fn readable(&mut self) -> bool {
        (**self).readable()
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        (**self).waiting(tell);
    }
}
