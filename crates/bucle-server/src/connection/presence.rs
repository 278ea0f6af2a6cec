//! Whether a client is still there that has ended its side while its handler is at work.
//!
//! Of one that has gone and one that only has no more to ask, all that comes is the same end of the
//! stream. The difference shows when something is sent: the system of one that has gone answers with a
//! reset. So it is sent an interim answer that means nothing new, `102 Processing`, which a client that
//! waits reads past; and a handler that nobody waits for is dropped. Most handlers are through before
//! the first. HTTP/1.0 knows no interim answers.

use std::rc::Rc;
use std::time::Duration;

use bucle_http::encode::PROCESSING;
use bucle_loop::TimerHandle;

use super::{Connection, Phase, flag};
use crate::handler::Handler;

/// How long after a client has ended its side, or its handler has begun since, it is first looked for.
const FIRST: Duration = Duration::from_secs(2);

/// Each time after that is twice as long, up to this.
const LONGEST: Duration = Duration::from_secs(15);

/// The next look, which comes to nothing once this is dropped.
pub(super) struct Presence(TimerHandle);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl<H: Handler> Connection<H> {
    /// Looks for the client from time to time, as long as its handler is at work.
    #[cold]
    pub(super) fn look_for_client(&self) {
        self.look_for_client_after(FIRST);
    }

    fn look_for_client_after(&self, pause: Duration) {
        if self.phase.get() != Phase::Exchange || self.any(flag::BEGUN | flag::HTTP_10) {
            return;
        }
        let this = Rc::downgrade(&self.0);
        let look = move || {
            let Some(this) = this.upgrade().map(Connection) else {
                return;
            };
            if this.phase.get() != Phase::Exchange || this.any(flag::BEGUN) {
                return;
            }
            // What waits to be sent finds out as well.
            if !this.any(flag::BLOCKED) {
                this.transport().write(PROCESSING);
            }
            this.look_for_client_after((pause * 2).min(LONGEST));
        };
        let presence = Presence(self.worker.event_loop.call_later(pause, look));
        let before = self.if_exchange(move |exchange| match exchange.task {
            Some(_) => exchange.presence.replace(presence),
            None => Some(presence),
        });
        drop(before);
    }
}
