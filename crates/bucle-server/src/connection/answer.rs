//! From an answer to the transport: what is small leaves with its head in one write, files by
//! `sendfile`, streams piece by piece from a task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bucle_http::StatusCode;
use bucle_http::encode::write_last_chunk;
use bytes::Bytes;
use futures_core::Stream;

use super::exchange::Unfinished;
use super::pieces::{FilePart, Ready};
use super::{Connection, flag};
use crate::Response;
use crate::encode::{self, After, Framing};
use crate::handler::Handler;
use crate::response::{Content, Trailers};

/// Bodies up to this are copied behind their head; what is longer is queued as it is.
pub(super) const COPY_LIMIT: usize = 16 * 1024;

/// How the client is to know where the body ends, and whether there is one at all; `flags` are those of
/// the request.
#[inline]
fn framing_of(status: StatusCode, length: Option<u64>, flags: u32) -> (Framing, bool) {
    if !status.may_have_body() {
        return (Framing::None, false);
    }
    let is_head = flags & flag::HEAD != 0;
    let framing = match length {
        Some(length) => Framing::Length(length),
        None if flags & flag::HTTP_10 == 0 => Framing::Chunked,
        None if is_head => Framing::None,
        None => Framing::UntilClose,
    };
    (framing, !is_head)
}

impl<H: Handler> Connection<H> {
    /// Writes the answer's head, and as much of its body as is at hand.
    #[inline]
    pub(super) fn answer(&self, response: &mut Response, out: &mut Vec<u8>) {
        if self.any(flag::BEGUN) {
            return;
        }
        let status = response.status();
        if status.is_informational()
            || status == StatusCode::RESET_CONTENT
            || self.any(flag::CONNECT | flag::EXPECTS_CONTINUE)
        {
            if status.is_informational() && response.is_upgrade() {
                return self.switch(response, out);
            }
            self.make_fit(response, out);
        }
        let status = response.status();
        let flags = self.flags.get();
        let short = response.short_body(COPY_LIMIT);
        let length = match short {
            Some(bytes) => Some(bytes.len() as u64),
            None => response.length(),
        };
        let (framing, has_body) = framing_of(status, length, flags);
        let stays = flags & flag::KEEP_ALIVE != 0
            && !self.worker.draining.get()
            && !response.closes()
            && !self.body_is_too_long()
            && framing != Framing::UntilClose;
        let after = match (stays, flags & flag::HTTP_10 != 0) {
            (false, _) => After::Closes,
            (true, false) => After::Stays,
            (true, true) => After::StaysSaid,
        };
        // `100 Continue` behind the head would be taken for the next answer's.
        let flags = flags & !(flag::CONTINUE_DUE | flag::KEEP_ALIVE) | flag::BEGUN;
        self.flags
            .set(flags | if stays { flag::KEEP_ALIVE } else { 0 });
        self.worker.tally.answered(self.asked.get().method, status);
        self.worker
            .with_date(|date| encode::head(out, response, framing, after, date));
        if self.worker.log.is_some() {
            let sent = if has_body { length.unwrap_or(0) } else { 0 };
            self.with_record(|record| record.answered(status.as_u16(), sent));
        }
        match short {
            Some(bytes) if has_body => out.extend_from_slice(bytes),
            None if has_body => {
                let content = response.take_content();
                if self.send(content, framing == Framing::Chunked, out) {
                    return;
                }
            }
            _ => {}
        }
        self.set(flag::ANSWERED);
    }

    /// What few answers and few requests ask for, before the head is written.
    #[cold]
    fn make_fit(&self, response: &mut Response, out: &mut Vec<u8>) {
        if response.status().is_informational() {
            // An answer that is no answer: the client would wait for the real one.
            *response = Response::error(StatusCode::INTERNAL_SERVER_ERROR);
        }
        if response.status().is_success() && self.any(flag::CONNECT) {
            // It would say that a tunnel begins behind it (RFC 9110 section 9.3.6).
            *response = Response::error(StatusCode::NOT_IMPLEMENTED);
        }
        if response.status() == StatusCode::RESET_CONTENT {
            // RFC 9110 section 15.3.6.
            drop(response.take_content());
        }
        if self.any(flag::EXPECTS_CONTINUE) && self.body_is_wanted() {
            // The body is still to be read, for the answer; this has to come before its head.
            self.clear(flag::EXPECTS_CONTINUE);
            out.extend_from_slice(bucle_http::encode::CONTINUE);
        }
    }

    /// Sends a body that is not short; true if a task goes on with it.
    #[inline(never)]
    fn send(&self, content: Content, chunked: bool, out: &mut Vec<u8>) -> bool {
        match content {
            Content::Empty | Content::Upgrade(_) => {}
            Content::Opened(opened) => match (opened.file(), opened.shared_content()) {
                (None, None) => out.extend_from_slice(opened.content()),
                (None, Some(bytes)) => self.send_long(bytes.clone(), out),
                (Some(file), _) if self.is_warm(&opened, file) => {
                    self.send_file(file.clone(), 0, opened.length(), out);
                }
                (Some(file), _) => {
                    let whole = FilePart::new(file.clone(), 0, opened.length());
                    self.write_out(out);
                    self.spawn_pieces(VecDeque::from([Ready::File(whole)]));
                    return true;
                }
            },
            Content::Pieces(pieces, _) => return self.send_pieces(pieces, out),
            Content::Static(bytes) => self.send_long(Bytes::from_static(bytes), out),
            Content::Bytes(bytes) => self.send_long(bytes, out),
            Content::File { file, length } => {
                let whole = FilePart::new(file, 0, length);
                if !whole.is_cached() {
                    self.write_out(out);
                    self.spawn_pieces(VecDeque::from([Ready::File(whole)]));
                    return true;
                }
                self.send_file(whole.file, 0, length, out);
            }
            Content::Stream {
                stream,
                length,
                trailers,
            } => {
                self.write_out(out);
                let trailers = (chunked && self.asked.get().takes_trailers).then_some(trailers);
                self.spawn_stream(stream, length, chunked, trailers);
                return true;
            }
        }
        false
    }

    pub(super) fn send_file(&self, file: Rc<OwnedFd>, offset: u64, length: u64, out: &mut Vec<u8>) {
        self.transport().send_file_after(out, file, offset, length);
        out.clear();
        self.look_at_queue();
    }

    pub(super) fn send_long(&self, bytes: Bytes, out: &mut Vec<u8>) {
        let head = Bytes::copy_from_slice(out);
        out.clear();
        self.transport().writelines([head, bytes]);
        self.look_at_queue();
    }

    /// Sends a streamed body from a task of its own.
    fn spawn_stream(
        &self,
        mut stream: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
        length: Option<u64>,
        chunked: bool,
        trailers: Option<Trailers>,
    ) {
        self.with_record(|record| record.sent(0));
        let connection = self.clone();
        let unfinished = Unfinished::new(self);
        let task = self
            .worker
            .event_loop
            .spawn_named("http answer", async move {
                let mut sent = 0u64;
                let whole = loop {
                    let next = poll_fn(|cx| {
                        let polled = || stream.as_mut().poll_next(cx);
                        match catch_unwind(AssertUnwindSafe(polled)) {
                            Ok(polled) => polled.map(Ok),
                            Err(payload) => Poll::Ready(Err(payload)),
                        }
                    });
                    let piece = match next.await {
                        Err(payload) => {
                            connection.report_panic(payload);
                            break false;
                        }
                        Ok(None) => break length.is_none_or(|length| sent == length),
                        Ok(Some(Err(_))) => break false,
                        Ok(Some(Ok(piece))) if piece.is_empty() => continue,
                        Ok(Some(Ok(piece))) => piece,
                    };
                    sent += piece.len() as u64;
                    if length.is_some_and(|length| sent > length) {
                        break false;
                    }
                    connection.send_piece(piece, chunked);
                    poll_fn(|cx| connection.poll_drained(cx)).await;
                };
                // What it holds, a request's body for one, is let go before the connection goes on.
                drop(stream);
                let trailers = trailers.map(|trailers| trailers.take());
                let end = chunked.then(|| {
                    let mut end = Vec::new();
                    write_last_chunk(&mut end, &trailers.unwrap_or_default());
                    end
                });
                unfinished.done();
                connection.stream_ended(whole, end, sent);
            });
        self.with_exchange(|exchange| exchange.task = Some(task.handle()));
        task.detach();
    }

    pub(super) fn send_piece(&self, piece: Bytes, chunked: bool) {
        self.with_record(|record| record.sent_more(piece.len() as u64));
        if chunked {
            let mut frame = Vec::with_capacity(18);
            bucle_http::write_chunk_head(&mut frame, piece.len() as u64);
            let pieces = [frame.into(), piece, Bytes::from_static(b"\r\n")];
            self.transport().writelines(pieces);
        } else {
            self.transport().write_bytes(piece);
        }
        self.look_at_queue();
        self.settle();
    }

    /// A streamed body has come to its `whole` length or not; `end` is to follow it.
    pub(super) fn stream_ended(&self, whole: bool, end: Option<Vec<u8>>, sent: u64) {
        self.with_exchange(|exchange| exchange.task = None);
        self.with_record(|record| record.sent(sent));
        if !whole {
            // The client must see that the answer is not whole.
            self.clear(flag::KEEP_ALIVE);
            self.abort();
            return;
        }
        if let Some(end) = end {
            self.transport().write(&end);
        }
        self.set(flag::ANSWERED);
        self.drive(&[]);
    }

    /// Ready once the client has read most of what was sent; never if it has gone, which ends the
    /// task that waits.
    pub(super) fn poll_drained(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.transport().is_closing() {
            return Poll::Pending;
        }
        if !self.any(flag::BLOCKED) {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let before = self.with_exchange(|exchange| exchange.drained.replace(waker));
        drop(before);
        Poll::Pending
    }
}
