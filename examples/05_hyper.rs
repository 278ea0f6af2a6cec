//! hyper on this loop: its server and its client, HTTP/1.1 and HTTP/2, over our streams.
//!
//! hyper owns no socket, no timer and no thread: it asks for them by the traits of `hyper::rt`. So the
//! bridge is the first half of this file, to be copied: `Io` is a stream as hyper reads and writes it,
//! `OnBucle` its timer and its executor. Nothing need be `Send`: handlers share an `Rc`.
//!
//! ```text
//! cargo run --package bucle --example 05_hyper
//! ```

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bucle::net::{StreamReader, StreamWriter, open_connection, start_server};
use futures_io::{AsyncBufRead, AsyncWrite};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Executor, ReadBufCursor, Sleep, Timer};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};

/// The two halves of a stream, as hyper wants them: in one.
struct Io {
    reader: StreamReader,
    writer: StreamWriter,
}

impl hyper::rt::Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut reader = Pin::new(&mut self.reader);
        // Straight from the stream's buffer into hyper's; nothing is the end of the stream.
        let received = ready!(reader.as_mut().poll_fill_buf(cx))?;
        let count = received.len().min(buf.remaining());
        buf.put_slice(&received[..count]);
        reader.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}

/// hyper's executor and timer: the loop that runs in this thread.
#[derive(Clone, Copy)]
struct OnBucle;

impl<F> Executor<F> for OnBucle
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        bucle::spawn(future).detach();
    }
}

impl Timer for OnBucle {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(LocalSleep::new(bucle::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(LocalSleep::new(bucle::sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        // The loop's time, which jumps in tests.
        bucle::get_running_loop().time()
    }
}

thread_local! {
    static SLEEPS: RefCell<HashMap<u64, bucle::Sleep>> = RefCell::default();
    static NEXT_SLEEP: Cell<u64> = const { Cell::new(0) };
}

/// hyper wants sleeps that are `Send`, and ours belong to their loop's thread. So the sleep stays
/// there, and what hyper holds is its number.
struct LocalSleep(u64);

impl LocalSleep {
    fn new(sleep: bucle::Sleep) -> LocalSleep {
        let number = NEXT_SLEEP.replace(NEXT_SLEEP.get() + 1);
        SLEEPS.with_borrow_mut(|sleeps| sleeps.insert(number, sleep));
        LocalSleep(number)
    }
}

impl Future for LocalSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        SLEEPS.with_borrow_mut(|sleeps| match sleeps.get_mut(&self.0) {
            Some(sleep) => Pin::new(sleep).poll(cx),
            None => panic!("a sleep was taken to another thread than its loop's"),
        })
    }
}

impl Sleep for LocalSleep {}

impl Drop for LocalSleep {
    fn drop(&mut self) {
        // At the thread's end the table may be gone already, and the sleep with it.
        let _ = SLEEPS.try_with(|sleeps| sleeps.borrow_mut().remove(&self.0));
    }
}

// From here on it is as with hyper anywhere.

/// What all handlers share; an `Rc` is enough, as they share a thread.
type Counter = Rc<Cell<u32>>;

async fn answer(
    request: Request<Incoming>,
    requests: Counter,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = requests.get() + 1;
    requests.set(number);
    let (head, body) = request.into_parts();
    let text = match body.collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).to_uppercase(),
        Err(error) => error.to_string(),
    };
    let line = format!("{number}: {} {} {text}\n", head.method, head.uri.path());
    Ok(Response::new(Full::from(line)))
}

async fn serve_http1(reader: StreamReader, writer: StreamWriter, requests: Counter) {
    let service = service_fn(move |request| answer(request, requests.clone()));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(OnBucle)
        .header_read_timeout(Duration::from_millis(200))
        .serve_connection(Io { reader, writer }, service)
        .await;
    if let Err(error) = served {
        let timed_out = if error.is_timeout() { "too slow: " } else { "" };
        println!("a connection failed: {timed_out}{error}");
    }
}

async fn serve_http2(reader: StreamReader, writer: StreamWriter, requests: Counter) {
    let service = service_fn(move |request| answer(request, requests.clone()));
    let served = hyper::server::conn::http2::Builder::new(OnBucle)
        .timer(OnBucle)
        .serve_connection(Io { reader, writer }, service)
        .await;
    if let Err(error) = served {
        println!("a connection failed: {error}");
    }
}

fn post(
    version: Version,
    authority: &str,
    text: &'static str,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let request = Request::post("/shout").version(version);
    let request = match version {
        Version::HTTP_2 => request.uri(format!("http://{authority}/shout")),
        _ => request.header("host", authority),
    };
    request.body(Full::from(text))
}

async fn text_of(response: Response<Incoming>) -> Result<String, Box<dyn Error>> {
    let (status, version) = (response.status(), response.version());
    let body = response.into_body().collect().await?.to_bytes();
    Ok(format!(
        "{version:?} {status} {}",
        String::from_utf8_lossy(&body).trim_end()
    ))
}

#[bucle::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let requests = Counter::default();
    let counter = requests.clone();
    let http1 = start_server("127.0.0.1:0", move |reader, writer| {
        serve_http1(reader, writer, counter.clone())
    })?;
    let counter = requests.clone();
    let http2 = start_server("127.0.0.1:0", move |reader, writer| {
        serve_http2(reader, writer, counter.clone())
    })?;

    // HTTP/1.1: two requests after one another, on one connection.
    let address = http1.sockets()[0].to_string();
    let (reader, writer) = open_connection(address.as_str()).await?;
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(Io { reader, writer }).await?;
    let connection = bucle::spawn(connection);
    for text in ["hello", "again"] {
        let response = client.send_request(post(Version::HTTP_11, &address, text)?);
        println!("{}", text_of(response.await?).await?);
    }
    drop(client);
    connection.await??;

    // HTTP/2: two at once, on one connection.
    let address = http2.sockets()[0].to_string();
    let (reader, writer) = open_connection(address.as_str()).await?;
    let (client, connection) =
        hyper::client::conn::http2::handshake(OnBucle, Io { reader, writer }).await?;
    let connection = bucle::spawn(connection);
    let requests_made = [
        post(Version::HTTP_2, &address, "one")?,
        post(Version::HTTP_2, &address, "two")?,
    ];
    let asked = requests_made.map(|request| {
        let mut client = client.clone();
        async move { client.send_request(request).await }
    });
    for response in bucle::try_gather(asked).await? {
        println!("{}", text_of(response).await?);
    }
    drop(client);
    connection.await??;

    // Somebody who never ends the head of a request is hung up on, by hyper's timer on our loop.
    let (mut reader, writer) = open_connection(&http1.sockets()[0]).await?;
    writer.write(b"GET / HTTP/1.1\r\nHost: slow");
    reader.read_to_end().await?;
    println!("{} requests were answered", requests.get());
    Ok(())
}
