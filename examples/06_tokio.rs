//! A crate that needs tokio, used from tasks of this loop.
//!
//! What needs tokio needs two things: a tokio runtime that is current while it is polled, and that
//! runtime's own thread, which waits for its sockets and timers. So the runtime lives on a side
//! thread; `WithTokio` is the future around the other crate's, which enters the runtime for each poll
//! and leaves it again. The task stays on our loop, may hold an `Rc`, and is cancelled as any other;
//! only the wake-up comes from the other thread, which costs some microseconds.
//!
//! ```text
//! cargo run --package bucle --example 06_tokio
//! ```

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};

/// A tokio runtime on a thread of its own. Dropped, it drops what was spawned on it.
struct Tokio(Runtime);

impl Tokio {
    fn start() -> io::Result<Tokio> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tokio")
            .enable_all()
            .build()?;
        Ok(Tokio(runtime))
    }

    /// `future`, to be awaited on our loop, polled as if it were on tokio's.
    fn with<F: Future>(&self, future: F) -> WithTokio<F> {
        WithTokio {
            handle: self.0.handle().clone(),
            future: Some(Box::pin(future)),
        }
    }
}

struct WithTokio<F> {
    handle: Handle,
    /// `None` once it is dropped, which needs the runtime too.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for WithTokio<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _entered = this.handle.enter();
        match &mut this.future {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for WithTokio<F> {
    fn drop(&mut self) {
        let _entered = self.handle.enter();
        self.future = None;
    }
}

/// Stands for the other crate: it knows tokio only, spawns there too, and is `Send`.
mod other_crate {
    use super::*;

    pub(super) async fn serve() -> io::Result<std::net::SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Ok(address)
    }

    pub(super) async fn ask(address: std::net::SocketAddr, text: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

#[bucle::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokio = Tokio::start()?;
    let address = tokio.with(other_crate::serve()).await?;

    // Tasks of our loop, with something that can't leave its thread.
    let answers = Rc::new(Cell::new(0));
    let asked = ["one", "two", "three"].map(|text| {
        let answers = answers.clone();
        tokio.with(async move {
            let answer = other_crate::ask(address, text).await;
            answers.set(answers.get() + 1);
            answer
        })
    });
    for answer in bucle::try_gather(asked).await? {
        println!("tokio's side answered {answer}");
    }
    println!("{} answers, counted without an atomic", answers.get());

    // Our timeouts and cancellations reach it: the future is dropped where it waits.
    let never = tokio.with(async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    });
    if let Err(error) = bucle::timeout(Duration::from_millis(10), never).await {
        println!("error: {error}");
    }

    // What is `Send` may as well run on tokio's thread; its handle is only a future with a waker.
    let there = tokio
        .0
        .spawn(async move { other_crate::ask(address, "over there").await });
    println!("tokio's side answered {}", there.await??);
    Ok(())
}
