//! Server-Sent Events: [`Sse`], a stream of [`Event`]s as an answer (WHATWG HTML, section 9.2).
//!
//! A browser reads them with `new EventSource(url)`, and connects again by itself where it was cut,
//! with the id of the last event it got in `Last-Event-ID`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bucle_http::StatusCode;
use bucle_loop::{Sleep, sleep};
use bytes::Bytes;
use futures_core::Stream;

use crate::body_writer::BodyWriter;
use crate::into_response::IntoResponse;
use crate::response::Trailers;
use crate::{Body, Request, Response};

/// How long a stream of events may be silent before a comment is sent, unless set: short enough for
/// the proxies that cut a connection after half a minute.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One event: fields in the order they are set.
///
/// No value can forge another field or event: data is split at its line breaks, and where a line
/// break has no meaning it is left out.
///
/// ```
/// use bucle_server::Event;
///
/// let event = Event::data("two\nlines").event("greeting").id("7");
/// assert_eq!(event.to_string(), "data: two\ndata: lines\nevent: greeting\nid: 7\n\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an event does nothing until it is sent"]
pub struct Event {
    lines: String,
}

impl Event {
    /// An event with nothing in it. One without data is not told to the page; its id and `retry`
    /// are heeded.
    pub fn new() -> Event {
        Event::default()
    }

    /// An event with this data: text of any number of lines, ended by CR, LF or both.
    pub fn data(data: impl AsRef<str>) -> Event {
        let mut event = Event::default();
        let mut rest = data.as_ref();
        loop {
            let end = rest.find(['\r', '\n']);
            event.line("data", &rest[..end.unwrap_or(rest.len())]);
            let Some(end) = end else { return event };
            let width = if rest[end..].starts_with("\r\n") {
                2
            } else {
                1
            };
            rest = &rest[end + width..];
        }
    }

    /// With a type, to which `addEventListener` listens; `message` without one.
    pub fn event(mut self, name: &str) -> Event {
        self.single("event", name);
        self
    }

    /// With an id, which the browser says when it connects again. A NUL would have the whole id
    /// ignored, and is left out.
    pub fn id(mut self, id: &str) -> Event {
        self.single("id", id);
        self
    }

    /// With the time that the browser is to wait before it connects again, in whole milliseconds.
    pub fn retry(mut self, time: Duration) -> Event {
        self.line("retry", &time.as_millis().to_string());
        self
    }

    /// A comment, which no page sees.
    pub fn comment(text: &str) -> Event {
        let mut event = Event::default();
        event.single("", text);
        event
    }

    /// A field of one line.
    fn single(&mut self, name: &str, value: &str) {
        if value.contains(['\r', '\n', '\0']) {
            self.line(name, &value.replace(['\r', '\n', '\0'], ""));
        } else {
            self.line(name, value);
        }
    }

    fn line(&mut self, name: &str, value: &str) {
        for text in [name, ": ", value, "\n"] {
            self.lines.push_str(text);
        }
    }

    fn into_bytes(mut self) -> Bytes {
        self.lines.push('\n');
        self.lines.into()
    }
}

/// As it is sent.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.lines)
    }
}

/// An answer of events: 200 with `text/event-stream`.
///
/// The next event is asked for when the client has read most of those before; the stream is
/// dropped when the client goes away, which is noticed at the latest when a keep-alive comment can't
/// be sent. When the stream ends the answer ends, and a browser connects again after a while; to
/// stop that, answer the next request with 204.
///
/// ```
/// use std::time::Duration;
/// use bucle_server::{Event, Request, Sse};
///
/// async fn ticks(request: Request) -> Sse {
///     let last = Sse::last_event_id(&request).and_then(|id| id.parse().ok());
///     let first = last.map_or(0, |last: u64| last + 1);
///     Sse::from_writer(move |mut events| async move {
///         for n in first.. {
///             events.send(Event::data(format!("tick {n}")).id(&n.to_string())).await?;
///             bucle_loop::sleep(Duration::from_secs(1)).await;
///         }
///         Ok(())
///     })
/// }
/// ```
#[must_use = "it does nothing unless a handler returns it"]
pub struct Sse {
    events: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
    keep_alive: Duration,
}

impl Sse {
    /// The events of a stream.
    pub fn new(events: impl Stream<Item = Event> + 'static) -> Sse {
        Sse {
            events: Box::pin(Encoded(Box::pin(events))),
            keep_alive: KEEP_ALIVE,
        }
    }

    /// The events that `block` sends, as it sends them: see [`Body::from_writer`].
    pub fn from_writer<F>(block: impl FnOnce(EventWriter) -> F + 'static) -> Sse
    where
        F: Future<Output = io::Result<()>> + 'static,
    {
        let block = |writer| block(EventWriter(writer));
        Sse {
            events: Box::pin(crate::body_writer::written(block, Trailers::default())),
            keep_alive: KEEP_ALIVE,
        }
    }

    /// Sends a comment after this time without an event; [`KEEP_ALIVE`] unless set,
    /// [`Duration::MAX`] for never.
    pub fn keep_alive(mut self, after: Duration) -> Sse {
        self.keep_alive = after;
        self
    }

    /// The id of the last event that the client got before it was cut, if it says one.
    pub fn last_event_id(request: &Request) -> Option<&str> {
        std::str::from_utf8(request.header("last-event-id")?).ok()
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        let kept = KeptAlive {
            events: self.events,
            after: self.keep_alive,
            silence: None,
        };
        Response::new(StatusCode::OK)
            .content_type("text/event-stream")
            .field("Cache-Control", "no-cache")
            // Else nginx collects them.
            .field("X-Accel-Buffering", "no")
            .body(Body::stream(kept))
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse")
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

/// Where the block of [`Sse::from_writer`] sends its events.
#[derive(Debug)]
pub struct EventWriter(BodyWriter);

impl EventWriter {
    /// Sends `event`, and waits until there is room for more: see [`BodyWriter::write`].
    ///
    /// # Errors
    /// `BrokenPipe` when nobody listens any more.
    pub async fn send(&mut self, event: Event) -> io::Result<()> {
        self.0.write(event.into_bytes()).await
    }

    /// Waits until nobody listens any more. Cancel-safe.
    pub async fn closed(&mut self) {
        self.0.closed().await;
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

struct Encoded<S>(Pin<Box<S>>);

impl<S: Stream<Item = Event>> Stream for Encoded<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.0.as_mut().poll_next(cx);
        polled.map(|event| event.map(|event| Ok(event.into_bytes())))
    }
}

/// Events, and a comment after each long silence.
struct KeptAlive {
    events: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
    after: Duration,
    silence: Option<Sleep>,
}

impl Stream for KeptAlive {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(event) = this.events.as_mut().poll_next(cx) {
            this.silence = None;
            return Poll::Ready(event);
        }
        if this.after == Duration::MAX {
            return Poll::Pending;
        }
        let silence = this.silence.get_or_insert_with(|| sleep(this.after));
        if Pin::new(silence).poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.silence = None;
        Poll::Ready(Some(Ok(Bytes::from_static(b":\n\n"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_forges_a_line() {
        let forged = "a\nevent: b\r\ndata: c\rid: d\n\nretry: 1\0";
        for event in [
            Event::new().event(forged).id(forged),
            Event::data(forged),
            Event::comment(forged),
        ] {
            let text = event.to_string();
            assert!(text.ends_with('\n'), "{text:?}");
            let lines: Vec<_> = text.split('\n').collect();
            // One empty line, and the end of the last.
            let (last, lines) = lines.split_last().unwrap();
            let (empty, lines) = lines.split_last().unwrap();
            assert_eq!((*last, *empty), ("", ""), "{text:?}");
            for line in lines {
                assert!(!line.contains('\r'), "{text:?}");
                let field = line.split(": ").next().unwrap();
                assert!(["data", "event", "id", ""].contains(&field), "{text:?}");
            }
        }
        assert_eq!(
            Event::data(forged).to_string().matches("data: ").count(),
            7,
            "six breaks, and one that is the data's own"
        );
    }

    #[test]
    fn the_fields() {
        assert_eq!(Event::data("").to_string(), "data: \n\n");
        assert_eq!(Event::data("a\r\n").to_string(), "data: a\ndata: \n\n");
        assert_eq!(Event::comment("hi").to_string(), ": hi\n\n");
        let retry = Event::new().retry(Duration::from_millis(2500));
        assert_eq!(retry.to_string(), "retry: 2500\n\n");
    }
}
