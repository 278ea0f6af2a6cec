//! A server, and a client that sends it what the fuzzer thought of, in a world of their own.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bucle_http::{Limits, Method};
use bucle_loop::sim::SimOptions;
use bucle_loop::{EventLoop, sleep, spawn, timeout, yield_now};
use bucle_net::{Address, StreamReader, StreamWriter, open_connection};
use bucle_server::{Body, Handler, Options, Request, Response, Routes, Server, Site, WebSocket};

use crate::drive::{Said, answers_cut};

/// Longer than everything that the server waits for, one after the other.
const NO_END: Duration = Duration::from_secs(3600);

/// A client that hears nothing for so long goes: on a network that is cut it would never learn of it.
const NO_ANSWER: Duration = Duration::from_secs(600);

/// How a client behaves, and on what network.
pub(crate) struct Client {
    network: SimOptions,
    cuts: Vec<usize>,
    /// How long it waits before each piece, by the bits of this.
    pauses: u64,
    longest_pause: Duration,
    reading: Reading,
    /// It goes without a word when it has sent all.
    resets: bool,
    /// The server is stopped meanwhile.
    stopped: bool,
    /// Another one is served beside it.
    with_another: bool,
    /// The query by which the other one's requests are known: no input can have its own hash in it.
    mark: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    AtOnce,
    Slowly,
    Never,
}

impl Client {
    /// It sends all at once.
    pub(crate) fn calm(hash: u64) -> Client {
        Client {
            network: SimOptions::calm(),
            cuts: Vec::new(),
            pauses: 0,
            longest_pause: Duration::ZERO,
            reading: Reading::AtOnce,
            resets: false,
            stopped: false,
            with_another: hash & 1 == 0,
            mark: format!("{hash:x}"),
        }
    }

    /// It sends pieces, never slower than the server's patience, on a network that cuts further.
    pub(crate) fn patient(hash: u64, cuts: Vec<usize>) -> Client {
        Client {
            network: SimOptions {
                max_segment: [1460, 100, 7][hash as usize % 3],
                ..SimOptions::varied(hash)
            },
            cuts,
            pauses: hash,
            longest_pause: Duration::from_millis(1500),
            with_another: true,
            ..Client::calm(hash)
        }
    }

    /// It does what it likes on a network that fails.
    pub(crate) fn hostile(hash: u64, cuts: Vec<usize>, reading: Reading) -> Client {
        let bit = |bit: u32| hash.rotate_right(bit) & 1 == 1;
        Client {
            network: SimOptions {
                send_buffer: [300, 4096, 65536][hash as usize % 3],
                ..SimOptions::faulty(hash)
            },
            longest_pause: Duration::from_secs(40),
            reading,
            resets: bit(20),
            stopped: bit(21),
            with_another: false,
            ..Client::patient(hash, cuts)
        }
    }
}

/// What came of it.
pub(crate) struct Outcome {
    /// All bytes that the client got.
    received: Vec<u8>,
    /// The methods of the requests that reached a handler, in order.
    methods: Vec<Method>,
}

impl Outcome {
    /// The answers, without what may differ: the date, interim answers, boundaries of parts. None if the last one was cut,
    /// which a body that is sent back as it comes may be, where it ends too early.
    pub(crate) fn answers(self, input: &[u8]) -> Option<Vec<Said>> {
        let Outcome { received, methods } = self;
        // A request that was refused reached no handler; its answer has no body if it was HEAD.
        let parsed = [Method::Get, Method::Head]
            .into_iter()
            .map(|last| {
                let mut methods = methods.clone();
                methods.push(last);
                answers_cut(&received, &methods, &[], &Limits::default())
            })
            .find(|outcome| {
                let whole =
                    outcome.left == 0 && matches!(outcome.said.last(), None | Some(Said::End));
                whole || outcome.said.iter().any(is_upgrade)
            });
        let sends_back = matches!(methods.last(), Some(Method::Post | Method::Put));
        let Some(outcome) = parsed else {
            let outcome = answers_cut(&received, &methods, &[], &Limits::default());
            if sends_back && outcome.error().is_none() {
                return None;
            }
            panic!(
                "no answers to {methods:?} of {}: {}",
                input.escape_ascii(),
                received.escape_ascii()
            );
        };
        let mut said = outcome.said;
        said.retain(|said| match said {
            Said::Response(response) => response.status >= 200,
            _ => true,
        });
        Some(said.into_iter().map(without_what_differs).collect())
    }
}

fn is_upgrade(said: &Said) -> bool {
    matches!(said, Said::Response(response) if response.status == 101)
}

fn without_what_differs(mut said: Said) -> Said {
    match &mut said {
        Said::Response(response) => {
            response
                .fields
                .retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
            for (name, value) in &mut response.fields {
                if name.eq_ignore_ascii_case("content-type") && value.starts_with(b"multipart/") {
                    value.truncate(b"multipart/byteranges".len());
                }
            }
        }
        Said::Body(body) if body.starts_with(b"--") && body.len() > 34 => {
            let boundary = body[2..34].to_vec();
            let mut rest = body.as_slice();
            let mut without = Vec::new();
            while let Some(at) = rest.windows(32).position(|part| part == boundary) {
                without.extend_from_slice(&rest[..at]);
                rest = &rest[at + 32..];
            }
            without.extend_from_slice(rest);
            *body = without;
        }
        _ => {}
    }
    said
}

/// The folder that is served: that of the conformance table, made once. Its files are older than two
/// seconds, so that their tags stay the same.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("bucle-fuzz-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for the site");
        conformance::site::make(&folder).expect("the site");
        let css = "p { color: #102030; margin: 0 auto }\n".repeat(100);
        std::fs::write(folder.join("style.css"), css).expect("a file to be compressed");
        let made = SystemTime::now();
        while made.elapsed().unwrap_or_default() < Duration::from_millis(2200) {
            std::thread::sleep(Duration::from_millis(100));
        }
        folder
    })
}

fn site() -> Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| Site::open(folder()).expect("the site").echo(true))
        .clone()
}

/// What people write: handlers that answer at once and later, read a body or don't, write one piece by
/// piece, leave HTTP; files for all else.
fn routes(methods: Rc<RefCell<Vec<Method>>>, other: String) -> impl Handler {
    let files = site().handler();
    let routes = Routes::new()
        .get("/later", async |_: Request| {
            sleep(Duration::from_millis(300)).await;
            yield_now().await;
            Response::text("later")
        })
        .post("/collect", async |mut request: Request| {
            match request.body().collect(64).await {
                Ok(body) => Response::text(body),
                Err(error) => Response::text(error.to_string()),
            }
        })
        .post("/unread", async |_: Request| {
            yield_now().await;
            Response::text("unread")
        })
        .post("/back", async |request: Request| {
            Response::text(request.into_body())
        })
        .get("/pieces", async |_: Request| {
            Response::text(Body::from_writer(async |mut writer| {
                for piece in 0..20 {
                    writer
                        .write(format!("piece {piece} {}\n", "x".repeat(1000)))
                        .await?;
                    sleep(Duration::from_millis(10)).await;
                }
                Ok(())
            }))
        })
        .get("/ws", async |request: Request| {
            WebSocket::upgrade(request, async |mut socket: WebSocket| {
                let _ = timeout(Duration::from_secs(60), async {
                    while let Some(Ok(message)) = socket.recv().await {
                        if socket.send(message).await.is_err() {
                            break;
                        }
                    }
                })
                .await;
            })
        })
        .fallback(files);
    move |request: Request| {
        if request.query() != Some(&*other) {
            methods.borrow_mut().push(request.method());
        }
        routes.call(request)
    }
}

/// Runs a world to its end.
pub(crate) fn run(input: &[u8], client: Client) -> Outcome {
    let event_loop = EventLoop::builder()
        .simulated(client.network.clone())
        .build()
        .expect("a loop");
    event_loop.set_exception_handler(|_, context| panic!("{context}"));
    event_loop.set_slow_callback_duration(Duration::MAX);
    let input = input.to_vec();
    let outcome = event_loop.run_until_complete(async move {
        timeout(NO_END, world(input, client))
            .await
            .expect("the world comes to its end")
    });
    outcome.expect("the main task")
}

async fn world(input: Vec<u8>, client: Client) -> Outcome {
    let methods = Rc::new(RefCell::new(Vec::new()));
    // Small enough for the fuzzer to reach them.
    let mut options = Options::default();
    options.limits.target_bytes = 200;
    options.limits.head_bytes = 500;
    options.limits.fields = 12;
    options.limits.chunk_extension_bytes = 20;
    options.limits.trailer_bytes = 40;
    let server = Server::bind(
        "127.0.0.1:80",
        routes(methods.clone(), client.mark.clone()),
        options,
    )
    .expect("a server");
    let address = server.addresses()[0].clone();
    let other = client
        .with_another
        .then(|| spawn(another(address.clone(), client.mark.clone())));
    let stopped = client.stopped;
    let patience = client.longest_pause * 3;
    let one = spawn(converse(address, input, client));
    if stopped {
        sleep(patience).await;
        server.shutdown(Duration::from_secs(20)).await;
        let received = one.await.expect("the client");
        let methods = methods.take();
        return Outcome { received, methods };
    }
    let received = one.await.expect("the client");
    if let Some(other) = other {
        other.await.expect("the other client");
    }
    while server.connections() > 0 {
        sleep(Duration::from_secs(1)).await;
    }
    let methods = methods.take();
    Outcome { received, methods }
}

/// Sends all of it, and reads what comes.
async fn converse(address: Address, input: Vec<u8>, client: Client) -> Vec<u8> {
    let Ok((reader, writer)) = open_connection(&address).await else {
        return Vec::new();
    };
    let reading = client.reading;
    let writer = Rc::new(writer);
    let reader = spawn(read(reader, reading));
    let mut from = 0;
    let mut pauses = client.pauses;
    for cut in client.cuts.iter().copied().chain([input.len()]) {
        pauses = pauses.rotate_right(3);
        sleep(client.longest_pause.mul_f64((pauses % 8) as f64 / 8.0)).await;
        writer.write(&input[from..cut]);
        let _ = writer.drain().await;
        from = cut;
    }
    if client.resets {
        reader.cancel("gone");
        let _ = reader.await;
        abort(&writer);
        return Vec::new();
    }
    writer.write_eof();
    let received = reader.await.expect("the reader");
    writer.close();
    received
}

fn abort(writer: &StreamWriter) {
    writer.transport().abort();
}

async fn read(mut reader: StreamReader, reading: Reading) -> Vec<u8> {
    let mut received = Vec::new();
    let (count, pause) = match reading {
        Reading::AtOnce => (64 * 1024, Duration::ZERO),
        Reading::Slowly => (500, Duration::from_secs(20)),
        Reading::Never => {
            // Longer than the server waits for who doesn't read.
            sleep(Duration::from_secs(300)).await;
            return received;
        }
    };
    loop {
        if !pause.is_zero() {
            sleep(pause).await;
        }
        match timeout(NO_ANSWER, reader.read(count)).await {
            Ok(Ok(bytes)) if !bytes.is_empty() => received.extend_from_slice(&bytes),
            _ => return received,
        }
        // Slow, but not for ever.
        if !pause.is_zero() && received.len() > 20_000 {
            return received;
        }
    }
}

/// A client beside it, which asks for what is always there.
async fn another(address: Address, mark: String) {
    let (mut reader, writer) = open_connection(&address).await.expect("it is served too");
    for _ in 0..3 {
        let request = format!("GET /a.txt?{mark} HTTP/1.1\r\nHost: other\r\n\r\n");
        writer.write(request.as_bytes());
        let head = reader.readuntil(b"\r\n\r\n").await.expect("its answer");
        assert!(
            head.starts_with(b"HTTP/1.1 200 OK\r\n"),
            "{}",
            head.escape_ascii()
        );
        let body = reader.readexactly(6).await.expect("its file");
        assert_eq!(body, b"hello\n");
        sleep(Duration::from_millis(200)).await;
    }
    writer.close();
}
