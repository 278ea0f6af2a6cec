//! [`Upgraded`]: a connection that has left HTTP for another protocol (RFC 9110, section 7.8).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bucle_http::StatusCode;
use bucle_loop::sync::Event;
use bucle_net::{StreamReader, StreamWriter};

use crate::{Request, Response};

/// A connection after `101 Switching Protocols`, as a pair of streams. What the client had sent
/// behind its request comes first.
///
/// None of the server's time-outs holds for it any more. It counts as one of the server's
/// connections: a server that drains tells it ([`draining`](Upgraded::draining)), waits for it as for
/// an answer, and cuts it at the end.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upgraded {
    /// What the client sends.
    pub reader: StreamReader,
    /// Where to write. Dropping it closes the connection once what was written has left.
    pub writer: StreamWriter,
    /// Whether the server is stopping.
    pub draining: Draining,
}

/// Says that the server is stopping: it takes no more requests, and waits for what is under way.
#[derive(Clone, Default)]
pub struct Draining(Rc<Event>);

impl Draining {
    /// Whether it is.
    pub fn has_begun(&self) -> bool {
        self.0.is_set()
    }

    /// Waits until it is. Cancel-safe.
    pub async fn begun(&self) {
        self.0.wait().await;
    }

    pub(crate) fn begin(&self) {
        self.0.set();
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Draining").field(&self.has_begun()).finish()
    }
}

/// What is done with an upgraded connection.
pub(crate) type Start = Box<dyn FnOnce(Upgraded) -> Pin<Box<dyn Future<Output = ()>>>>;

impl Request {
    /// Answers with `101 Switching Protocols`, and goes on with the connection in `block`, as a task
    /// of its own, which is dropped when the connection breaks or the server is at its end.
    ///
    /// A request that did not ask for `protocol` is answered with 426 instead, which names it; one
    /// that has a body with 400. `protocol` is a name as `Upgrade` has it: `websocket`, `irc/6.9`.
    /// The answer may get more header fields.
    ///
    /// ```
    /// use bucle_server::{Request, Response};
    ///
    /// async fn handler(request: Request) -> Response {
    ///     request.upgrade("shout", |mut upgraded| async move {
    ///         while let Ok(line) = upgraded.reader.readline().await
    ///             && !line.is_empty()
    ///         {
    ///             upgraded.writer.write(&line.to_ascii_uppercase());
    ///             if upgraded.writer.drain().await.is_err() {
    ///                 break;
    ///             }
    ///         }
    ///     })
    /// }
    /// ```
    pub fn upgrade<F>(self, protocol: &str, block: impl FnOnce(Upgraded) -> F + 'static) -> Response
    where
        F: Future<Output = ()> + 'static,
    {
        if !self.asks_for(protocol) {
            return upgrade_required(protocol);
        }
        if self.head().has_body() {
            return Response::error(StatusCode::BAD_REQUEST);
        }
        let start = |upgraded| -> Pin<Box<dyn Future<Output = ()>>> { Box::pin(block(upgraded)) };
        Response::switching(protocol, Box::new(start))
    }

    /// Whether the client asks for this protocol, perhaps among others.
    pub(crate) fn asks_for(&self, protocol: &str) -> bool {
        let head = self.head();
        head.upgrade().is_some()
            && head
                .header_all("upgrade")
                .flat_map(|value| value.split(|byte| *byte == b','))
                .any(|name| name.trim_ascii().eq_ignore_ascii_case(protocol.as_bytes()))
    }
}

/// 426: this resource is there in another protocol only.
pub(crate) fn upgrade_required(protocol: &str) -> Response {
    Response::error(StatusCode::UPGRADE_REQUIRED).upgrade_field(protocol)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    /// A connection may live for days, and ask with each message.
    #[test]
    fn who_waits_no_more_is_forgotten() {
        let draining = Draining::default();
        let task = Arc::new(Nobody);
        for _ in 0..100 {
            let waker = Waker::from(Arc::new(Nobody));
            let waiting = pin!(draining.begun());
            assert!(waiting.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let waker = Waker::from(task.clone());
        {
            let waiting = pin!(draining.begun());
            assert!(waiting.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1);
    }
}
