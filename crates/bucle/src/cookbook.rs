//! Recipes: whole programs of a few lines, each of which is run as a test.
//!
//! [An echo server](#an-echo-server) · [Time limits](#time-limits) · [Tasks that end
//! together](#tasks-that-end-together) · [Workers on a queue](#workers-on-a-queue) · [Blocking work in
//! a thread](#blocking-work-in-a-thread) · [A function in another
//! process](#a-function-in-another-process) · [A child process](#a-child-process) · [TLS](#tls) · [A test
//! with a clock that jumps](#a-test-with-a-clock-that-jumps) · [Serving HTTP](#serving-http) · [Answers
//! piece by piece](#answers-piece-by-piece) · [WebSockets](#websockets) · [An axum
//! router](#an-axum-router) · [Stopping at a
//! signal](#stopping-at-a-signal) · [One deadline for many steps](#one-deadline-for-many-steps) ·
//! [Cancelling with a reason](#cancelling-with-a-reason) · [The first of several](#the-first-of-several)
//! · [Crates that need tokio, and hyper](#crates-that-need-tokio-and-hyper)
//!
//! # An echo server
//!
//! A handler runs for each connection. `drain` waits while the peer reads too slowly, and dropping the
//! writer closes the connection.
//!
//! ```
//! use std::io;
//! use bucle::net::{StreamReader, StreamWriter, open_connection, start_server};
//!
//! async fn echo(mut reader: StreamReader, writer: StreamWriter) {
//!     while let Ok(data) = reader.read(4096).await {
//!         writer.write(&data);
//!         if data.is_empty() || writer.drain().await.is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! #[bucle::main]
//! async fn main() -> io::Result<()> {
//!     let server = start_server("127.0.0.1:0", echo)?; // Port 0 is any free one.
//!
//!     let (mut reader, writer) = open_connection(&server.sockets()[0]).await?;
//!     writer.write(b"hello");
//!     writer.write_eof();
//!     assert_eq!(reader.read_to_end().await?, b"hello");
//!     Ok(())
//! }
//! ```
//!
//! # Time limits
//!
//! When the time is up, what was waited for is dropped. A limit that is to be moved is a
//! [`Timeout`](crate::Timeout).
//!
//! ```
//! use std::time::Duration;
//! use bucle::{sleep, timeout};
//!
//! #[bucle::main]
//! async fn main() {
//!     let limit = Duration::from_millis(5);
//!     assert_eq!(timeout(limit, async { "in time" }).await, Ok("in time"));
//!
//!     let error = timeout(limit, sleep(Duration::from_secs(60))).await.unwrap_err();
//!     assert_eq!(error.to_string(), "not done within 5ms");
//! }
//! ```
//!
//! # Tasks that end together
//!
//! A [`TaskGroup`](crate::TaskGroup) is left when all its tasks have ended. The first error cancels the
//! others, and all errors come back.
//!
//! ```
//! use std::time::Duration;
//! use bucle::{TaskGroup, sleep};
//!
//! async fn fetch(page: u32) -> Result<u32, std::io::Error> {
//!     sleep(Duration::from_millis(1)).await;
//!     match page {
//!         13 => Err(std::io::Error::other("page 13 is missing")),
//!         _ => Ok(page * 100),
//!     }
//! }
//!
//! #[bucle::main]
//! async fn main() {
//!     let sum = TaskGroup::run(async |group| {
//!         let (one, two) = (group.spawn(fetch(1)), group.spawn(fetch(2)));
//!         one.await.unwrap_or(0) + two.await.unwrap_or(0)
//!     });
//!     assert_eq!(sum.await.unwrap(), 300);
//!
//!     let failed = TaskGroup::run(async |group| {
//!         group.spawn(fetch(13));
//!         group.spawn(sleep(Duration::from_secs(60))); // Is cancelled.
//!     });
//!     assert!(failed.await.unwrap_err().find::<std::io::Error>().is_some());
//! }
//! ```
//!
//! # Workers on a queue
//!
//! A full queue holds its producers up. Once it is shut down, what is in it is still given out; then
//! `get` fails, and the workers end.
//!
//! ```
//! use std::rc::Rc;
//! use bucle::{gather, sync::Queue};
//!
//! #[bucle::main]
//! async fn main() {
//!     let queue = Rc::new(Queue::new(2));
//!     let workers = gather((0..3).map(|_| {
//!         let queue = queue.clone();
//!         async move {
//!             let mut sum = 0;
//!             while let Ok(number) = queue.get().await {
//!                 sum += number;
//!             }
//!             sum
//!         }
//!     }));
//!     for number in 1..=100 {
//!         queue.put(number).await.unwrap();
//!     }
//!     queue.shutdown(false);
//!     let sums: Vec<u32> = workers.await.unwrap();
//!     assert_eq!(sums.iter().sum::<u32>(), 5050);
//! }
//! ```
//!
//! # Blocking work in a thread
//!
//! What would hold the loop up (files, long computations) runs in a thread of a pool meanwhile.
//!
//! ```
//! use std::time::Duration;
//! use bucle::{gather, sleep, to_thread};
//!
//! #[bucle::main]
//! async fn main() {
//!     let sum = to_thread(|| (0..1_000_000_u64).sum::<u64>());
//!     let (sum, ()) = gather((sum, sleep(Duration::from_millis(1)))).await.unwrap();
//!     assert_eq!(sum.unwrap(), 499_999_500_000);
//! }
//! ```
//!
//! # A function in another process
//!
//! For work that may crash, must be stopped, or wants all processors and its own memory. A worker is
//! this program, started again; `#[bucle::main]` sees to that. What a task did to its worker is the
//! task's error.
//!
//! ```no_run
//! use std::time::Duration;
//! use bucle::{ProcessPoolExecutor, TaskOptions};
//!
//! #[bucle::process]
//! fn word_count(text: &str) -> usize {
//!     text.split_whitespace().count()
//! }
//!
//! #[bucle::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pool = ProcessPoolExecutor::new()?;
//!     let careful = TaskOptions::new().deadline(Duration::from_secs(2)).memory_limit(1 << 30);
//!     match pool.submit_with(careful, word_count, "one two three").await {
//!         Ok(words) => println!("{words} words"),
//!         Err(error) => println!("{error}"),
//!     }
//!     let counts: Vec<usize> = pool.map(word_count, ["a b", "c"]).collect().await?;
//!     assert_eq!(counts, [2, 1]);
//!     pool.shutdown(Duration::from_secs(5)).await;
//!     Ok(())
//! }
//! ```
//!
//! # A child process
//!
//! Its streams are pipes where that is asked for. No child becomes a zombie, and
//! [`kill_on_drop`](crate::net::subprocess::SubprocessOptions::kill_on_drop) is a choice.
//!
//! ```
//! use bucle::net::subprocess::{PIPE, SubprocessOptions, create_subprocess_exec};
//!
//! #[bucle::main]
//! async fn main() -> std::io::Result<()> {
//!     let options = SubprocessOptions::default().stdin(PIPE).stdout(PIPE);
//!     let mut child = create_subprocess_exec("tr", ["a-z", "A-Z"], options)?;
//!     let (output, _) = child.communicate(Some(b"hello")).await?;
//!     assert_eq!(output, b"HELLO");
//!     assert_eq!(child.returncode(), Some(0));
//!     Ok(())
//! }
//! ```
//!
//! # TLS
//!
//! A context on each side; the rest is as without. A client that trusts what its system trusts:
//! [`with_system_roots`](crate::net::tls::ClientContext::with_system_roots). An upgrade in the middle:
//! [`start_tls`](crate::net::StreamWriter::start_tls).
//!
//! ```
//! use bucle::net::tls::{ClientContext, ServerContext};
//! use bucle::net::{
//!     ConnectOptions, DEFAULT_LIMIT, ServerOptions, StreamReader, StreamWriter,
//!     open_connection_with, start_server_with,
//! };
//!
//! async fn greet(_: StreamReader, writer: StreamWriter) {
//!     writer.write(b"hello, in secret\n");
//! }
//!
//! #[bucle::main]
//! async fn main() -> std::io::Result<()> {
//!     // For this test; a certificate comes from files: `ServerContext::from_pem_files`.
//!     let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
//!     let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
//!
//!     let context = ServerContext::from_pem(certificate.as_bytes(), key.as_bytes())?;
//!     let options = ServerOptions::default().tls(context);
//!     let server = start_server_with("127.0.0.1:0", options, DEFAULT_LIMIT, greet)?;
//!
//!     let context = ClientContext::from_roots_pem(certificate.as_bytes())?;
//!     let options = ConnectOptions::default().tls(context).server_hostname("localhost");
//!     let (mut reader, _writer) = open_connection_with(&server.sockets()[0], options).await?;
//!     assert_eq!(reader.readline().await?, b"hello, in secret\n");
//!     Ok(())
//! }
//! ```
//!
//! # A test with a clock that jumps
//!
//! Under [`macro@test`](macro@crate::test) time jumps to the next timer when nothing else can run, the
//! network is in memory, and a failure prints the seed that repeats it. The same by hand:
//!
//! ```
//! use std::time::Duration;
//! use bucle::testing::{World, run};
//!
//! async fn retry() -> u32 {
//!     let mut tries = 1;
//!     while tries < 10 {
//!         bucle::sleep(Duration::from_secs(3600)).await; // Waits for a better hour.
//!         tries += 1;
//!     }
//!     tries
//! }
//!
//! let (tries, took) = run(World::simulated(), async {
//!     let begun = bucle::get_running_loop().time();
//!     (retry().await, bucle::get_running_loop().time() - begun)
//! });
//! assert_eq!((tries, took), (10, Duration::from_secs(9 * 3600)));
//! ```
//!
//! # Serving HTTP
//!
//! A handler is an `async fn` or a plain one; what it returns becomes the answer. Routes find it by path
//! and method, and answer HEAD, OPTIONS and 405 by themselves. With several threads and until SIGINT or
//! SIGTERM it is `.workers(n).run(routes)` in place of `.serve(routes())`.
//!
//! ```
//! use std::time::Duration;
//! use bucle::server::{BodyError, Request, Response, Routes, Server};
//! # use bucle::net::open_connection;
//!
//! fn index(_: Request) -> Response {
//!     Response::html("<h1>Hello</h1>")
//! }
//!
//! async fn shout(mut request: Request) -> Result<String, BodyError> {
//!     let body = request.body().collect(64 * 1024).await?; // More is 413.
//!     Ok(String::from_utf8_lossy(&body).to_uppercase())
//! }
//!
//! fn routes() -> Routes {
//!     Routes::new().get("/", index).post("/shout", shout)
//! }
//!
//! #[bucle::main]
//! async fn main() -> std::io::Result<()> {
//!     let server = Server::builder().listen("127.0.0.1:0")?.serve(routes())?;
//!     println!("listening at http://{}", server.addresses()[0]);
//! #   let (mut reader, writer) = open_connection(&server.addresses()[0]).await?;
//! #   writer.write(b"POST /shout HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
//! #   writer.write_eof();
//! #   assert!(reader.read_to_end().await?.ends_with(b"\r\n\r\nHELLO"));
//!     server.shutdown(Duration::from_secs(10)).await;
//!     Ok(())
//! }
//! ```
//!
//! # Answers piece by piece
//!
//! A body is written by an `async` block, which waits while the client does not read, and is dropped when
//! it goes away. Server-Sent Events are such a body; a browser reads them with `new EventSource("/clock")`.
//!
//! ```
//! use std::time::Duration;
//! use bucle::server::{Body, Event, Request, Response, Routes, Sse};
//!
//! async fn countdown(_: Request) -> Response {
//!     Response::text(Body::from_writer(|mut writer| async move {
//!         for n in (0..10).rev() {
//!             writer.write(format!("{n}\n")).await?;
//!             bucle::sleep(Duration::from_secs(1)).await;
//!         }
//!         Ok(())
//!     }))
//! }
//!
//! async fn clock(_: Request) -> Sse {
//!     Sse::from_writer(|mut events| async move {
//!         for n in 0u64.. {
//!             events.send(Event::data(format!("tick {n}")).id(&n.to_string())).await?;
//!             bucle::sleep(Duration::from_secs(1)).await;
//!         }
//!         Ok(())
//!     })
//! }
//!
//! let routes = Routes::new().get("/countdown", countdown).get("/clock", clock);
//! ```
//!
//! # WebSockets
//!
//! ```
//! use bucle::server::{Message, Request, Response, Routes, WebSocket};
//!
//! async fn echo(request: Request) -> Response {
//!     WebSocket::upgrade(request, |mut socket| async move {
//!         while let Some(Ok(message)) = socket.recv().await {
//!             if let Message::Text(text) = message
//!                 && socket.send(text).await.is_err()
//!             {
//!                 break;
//!             }
//!         }
//!     })
//! }
//!
//! let routes = Routes::new().get("/echo", echo);
//! ```
//!
//! # An axum router
//!
//! Any `tower` service of `http` types is a handler; axum without its default features brings no other
//! runtime along.
//!
//! ```
//! use axum::{Router, extract::Path, routing::get};
//! use bucle::server::{Server, TowerHandler};
//! # use bucle::net::open_connection;
//!
//! async fn hello(Path(name): Path<String>) -> String {
//!     format!("hello {name}\n")
//! }
//!
//! #[bucle::main]
//! async fn main() -> std::io::Result<()> {
//!     let router = Router::new().route("/hello/{name}", get(hello));
//!     let server = Server::builder().listen("127.0.0.1:0")?.serve(TowerHandler::new(router))?;
//!     println!("listening at http://{}", server.addresses()[0]);
//! #   let (mut reader, writer) = open_connection(&server.addresses()[0]).await?;
//! #   writer.write(b"GET /hello/you HTTP/1.1\r\nHost: x\r\n\r\n");
//! #   writer.write_eof();
//! #   assert!(reader.read_to_end().await?.ends_with(b"\r\n\r\nhello you\n"));
//!     Ok(())
//! }
//! ```
//!
//! # Behind a proxy, and with figures
//!
//! Whom a request is for is what the proxies say that are trusted; an address that only administrators
//! reach tells Prometheus what was counted, and a load balancer when to send no more.
//!
//! ```
//! use bucle::server::{Options, Request, Response, Server, TrustedProxies};
//!
//! fn who(request: Request) -> Response {
//!     match request.client_addr() {
//!         Some(client) => Response::text(format!("you are {client}\n")),
//!         None => Response::text("you come by a Unix socket\n"),
//!     }
//! }
//!
//! #[bucle::main]
//! async fn main() -> std::io::Result<()> {
//!     let mut options = Options::default();
//!     options.trusted_proxies = TrustedProxies::nobody().and("127.0.0.0/8")?;
//!     let server = Server::builder()
//!         .listen("127.0.0.1:0")?
//!         .options(options)
//!         .admin("127.0.0.1:0")? // GET /metrics, GET /healthz
//!         .serve(who)?;
//! #   let (mut reader, writer) = bucle::net::open_connection(&server.addresses()[0]).await?;
//! #   writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
//! #   writer.write_eof();
//! #   assert!(reader.read_to_end().await?.ends_with(b"you are 192.0.2.7\n"));
//! #   let (mut reader, writer) = bucle::net::open_connection(&server.admin_addresses()[0]).await?;
//! #   writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
//! #   writer.write_eof();
//! #   assert!(reader.read_to_end().await?.ends_with(b"\r\n\r\nok\n"));
//!     server.shutdown(std::time::Duration::from_secs(10)).await;
//!     Ok(())
//! }
//! ```
//!
//! # Stopping at a signal
//!
//! The server takes no more connections, finishes the answers that are under way, and cuts what is left
//! after ten seconds.
//!
//! ```
//! use std::time::Duration;
//! use bucle::server::{Request, Server};
//! use bucle::signal::SIGTERM;
//!
//! #[bucle::main]
//! async fn main() -> std::io::Result<()> {
//!     let hello = |_: Request| async { "hello\n" };
//!     let server = Server::builder().listen("127.0.0.1:0")?.serve(hello)?;
//!
//!     let stop = bucle::Future::<()>::new();
//!     let signalled = stop.clone();
//!     bucle::get_running_loop().add_signal_handler(SIGTERM, move || {
//!         let _ = signalled.set_result(()); // A second signal finds it set.
//!     })?;
//! #   let me = std::process::id().to_string();
//! #   std::process::Command::new("kill").arg(me).status()?;
//!     let _ = stop.await;
//!     server.shutdown(Duration::from_secs(10)).await;
//!     Ok(())
//! }
//! ```
//!
//! # One deadline for many steps
//!
//! A point in time, rather than a duration for each step, bounds the whole.
//!
//! ```
//! use std::time::Duration;
//! use bucle::{TimeoutError, get_running_loop, sleep, timeout_at};
//!
//! async fn steps(count: u32, within: Duration) -> Result<u32, TimeoutError> {
//!     let deadline = get_running_loop().time() + within;
//!     for _ in 0..count {
//!         timeout_at(deadline, sleep(Duration::from_millis(2))).await?;
//!     }
//!     Ok(count)
//! }
//!
//! #[bucle::main]
//! async fn main() {
//!     assert_eq!(steps(3, Duration::from_secs(60)).await, Ok(3));
//!     assert!(steps(1000, Duration::from_millis(20)).await.is_err());
//! }
//! ```
//!
//! # Cancelling with a reason
//!
//! A cancelled task is dropped where it waits; who awaits it learns who asked, and why. Clean-up that
//! has to wait is an [`on_cancel`](crate::on_cancel()).
//!
//! ```
//! use std::cell::Cell;
//! use std::rc::Rc;
//!
//! #[bucle::main]
//! async fn main() {
//!     let told = Rc::new(Cell::new(false));
//!     let flag = told.clone();
//!     let task = bucle::spawn_named("download", async move {
//!         let clean_up = bucle::on_cancel(async move {
//!             bucle::yield_now().await; // Stands for telling the other side.
//!             flag.set(true);
//!         });
//!         clean_up.guard(std::future::pending::<()>()).await
//!     });
//!     bucle::yield_now().await;
//!     task.cancel("the user went away");
//!     let error = task.await.unwrap_err();
//!     assert_eq!(error.cancelled().unwrap().reason(), "the user went away");
//!     while !told.get() {
//!         bucle::yield_now().await;
//!     }
//! }
//! ```
//!
//! # The first of several
//!
//! Futures race by the `futures` crate's `select!`: they need nothing of their runtime but wakers. So
//! do its channels, `async-channel` and `event-listener`.
//!
//! ```
//! use std::time::Duration;
//! use futures_util::{FutureExt, pin_mut, select};
//!
//! #[bucle::main]
//! async fn main() {
//!     let (sender, receiver) = futures_channel::oneshot::channel();
//!     bucle::spawn(async move { sender.send("a message") }).detach();
//!     let message = receiver.fuse();
//!     let late = bucle::sleep(Duration::from_secs(60)).fuse();
//!     pin_mut!(message, late);
//!     select! {
//!         text = message => assert_eq!(text, Ok("a message")),
//!         () = late => panic!("nothing came"),
//!     }
//! }
//! ```
//!
//! # Crates that need tokio, and hyper
//!
//! A crate whose sockets or timers are tokio's needs its runtime. That runs on a side thread, and a
//! future of ten lines enters it for each poll: the example `06_tokio` is that future, to be copied.
//! The task stays on this loop, need not be `Send`, and is cancelled and timed out as any other.
//!
//! hyper asks for its bytes and timers by traits: the example `05_hyper` implements them over our
//! streams, for HTTP/1.1 and HTTP/2, client and server.
