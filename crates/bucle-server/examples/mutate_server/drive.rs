//! Mutations and random bytes through a whole server, over socket pairs, on one loop.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bucle_loop::{get_running_loop, sleep, yield_now};
use bucle_server::{Handler, Method, Options, Request, Response, Server, Site};

use crate::generator::{Random, mutate, request};

/// Connections at once.
const BATCH: usize = 32;

/// A batch that is not over after so many turns of the loop never will be.
const MOST_TURNS: usize = 100_000;

/// Milliseconds that the server gets to see its last connections end.
const MOST_WAITS: usize = 10_000;

/// What the server answers when it could not read a request.
const REFUSALS: [&[u8]; 6] = [b"400", b"414", b"417", b"431", b"501", b"505"];

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Connections.
    pub(crate) sent: u64,
    /// Of these, how many had their first request accepted.
    pub(crate) accepted: u64,
}

/// Answers in all the ways there are: at once, later, with the body, without having read it.
async fn handler(mut request: Request) -> Response {
    match request.head().target().len() % 4 {
        0 => Response::text("ready"),
        1 => {
            yield_now().await;
            Response::text("later")
        }
        2 if request.method() == Method::Post => Response::text(request.into_body()),
        _ => match request.body().collect(1000).await {
            Ok(body) => Response::text(body),
            Err(error) => Response::text(error.to_string()),
        },
    }
}

/// Sends `count` mutated requests, some of them pipelined, half of them to a site at `folder`.
pub(crate) fn mutations(count: u64, seed: u64, folder: &std::path::Path) -> Result<Totals, String> {
    let mut random = Random::new(seed);
    let mut left = count;
    let message = move |message: &mut Vec<u8>| {
        let mut one = Vec::new();
        for _ in 0..1 + random.below(3) {
            one.clear();
            request(&mut random, &mut one);
            for _ in 0..1 + random.below(2) {
                mutate(&mut random, &mut one);
            }
            message.extend_from_slice(&one);
            left = left.saturating_sub(1);
        }
        left > 0
    };
    run(folder, message)
}

/// Sends so many random bytes, in pieces of up to 4 KiB.
pub(crate) fn random_bytes(
    count: u64,
    seed: u64,
    folder: &std::path::Path,
) -> Result<Totals, String> {
    let mut random = Random::new(seed);
    let mut left = count;
    let message = move |message: &mut Vec<u8>| {
        let length = 1 + random.below(4096);
        message.extend((0..length).map(|_| random.byte()));
        left = left.saturating_sub(length as u64);
        left > 0
    };
    run(folder, message)
}

/// Sends what `next` makes until it says that this was the last.
fn run(
    folder: &std::path::Path,
    mut next: impl FnMut(&mut Vec<u8>) -> bool + 'static,
) -> Result<Totals, String> {
    let site = Site::open(folder).map_err(|error| error.to_string())?;
    bucle_loop::run(async move {
        get_running_loop().set_slow_callback_duration(std::time::Duration::MAX);
        let panicked = std::rc::Rc::new(std::cell::Cell::new(false));
        let told = panicked.clone();
        get_running_loop().set_exception_handler(move |_, context| {
            eprintln!("{context}");
            told.set(true);
        });
        let servers = [unbound(handler), unbound(site.echo(true).handler())];
        let watched = get_running_loop().watched_fds();
        let mut totals = Totals::default();
        let mut more = true;
        while more {
            let mut batch = Vec::with_capacity(BATCH);
            while more && batch.len() < BATCH {
                let mut message = Vec::new();
                more = next(&mut message);
                let server = &servers[batch.len() % servers.len()];
                batch.push(Client::start(server, message)?);
            }
            finish(&mut batch, &mut totals).await?;
            if panicked.get() {
                return Err("the loop was told of a panic".into());
            }
        }
        // The last ends are told by the loop.
        let open = || -> usize { servers.iter().map(Server::connections).sum() };
        for _ in 0..MOST_WAITS {
            if open() == 0 {
                break;
            }
            sleep(Duration::from_millis(1)).await;
        }
        let open = open();
        if open > 0 || get_running_loop().watched_fds() != watched {
            return Err(format!("{open} connections were left behind"));
        }
        Ok(totals)
    })
    .map_err(|error| error.to_string())?
}

fn unbound<H: Handler>(handler: H) -> Server {
    Server::unbound(handler, Options::default())
}

/// A client that has sent all it has to say.
struct Client {
    stream: UnixStream,
    message: Vec<u8>,
    /// The first bytes of the answer.
    start: Vec<u8>,
}

impl Client {
    fn start(server: &Server, message: Vec<u8>) -> Result<Client, String> {
        let explain = |error: std::io::Error| error.to_string();
        let (theirs, ours) = UnixStream::pair().map_err(explain)?;
        theirs.set_nonblocking(true).map_err(explain)?;
        ours.set_nonblocking(true).map_err(explain)?;
        server.serve_connection(theirs.into()).map_err(explain)?;
        // Short enough for the socket's buffer.
        (&ours).write_all(&message).map_err(explain)?;
        ours.shutdown(std::net::Shutdown::Write).map_err(explain)?;
        Ok(Client {
            stream: ours,
            message,
            start: Vec::new(),
        })
    }

    /// Reads what there is; true at the end.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return true,
                Ok(count) => {
                    let wanted = 12usize.saturating_sub(self.start.len()).min(count);
                    self.start.extend_from_slice(&buffer[..wanted]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // Half an answer is ended by a reset.
                Err(_) => return true,
            }
        }
    }

    fn accepted(&self) -> bool {
        let status = self.start.get(9..12);
        status.is_some_and(|status| !REFUSALS.contains(&status))
    }
}

async fn finish(batch: &mut Vec<Client>, totals: &mut Totals) -> Result<(), String> {
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..MOST_TURNS {
        yield_now().await;
        batch.retain_mut(|client| {
            let over = client.read(&mut buffer);
            if over {
                totals.sent += 1;
                totals.accepted += u64::from(client.accepted());
            }
            !over
        });
        if batch.is_empty() {
            return Ok(());
        }
    }
    let message = String::from_utf8_lossy(&batch[0].message).into_owned();
    Err(format!("no end to the answer to {message:?}"))
}
