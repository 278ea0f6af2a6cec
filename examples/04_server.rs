//! A web server: `/` greets, `/echo` tells a request's line or sends its body back, and what is
//! below `/static/` are files.
//!
//! One thread, one loop, every connection a state machine on it. A handler is an `async fn`: what
//! takes its time takes nobody else's. Ctrl-C or SIGTERM ends it, once the answers under way are
//! finished.
//!
//! ```text
//! cargo run --package bucle --example 04_server -- 127.0.0.1:8080 examples
//! curl http://127.0.0.1:8080/echo --data hello
//! curl http://127.0.0.1:8080/static/04_server.rs
//! ```

use std::io;
use std::time::Duration;

use bucle::server::{Request, Response, Routes, Server, Site};
use bucle::signal::{SIGINT, SIGTERM};

/// A plain function: it has its answer at hand.
fn index(_: Request) -> Response {
    Response::html("<!DOCTYPE html><h1>An asynchronous server</h1>\n")
}

/// What it returns becomes a response.
async fn line(request: Request) -> String {
    let head = request.head();
    format!(
        "Echo: {} {} {}\n",
        head.method_str(),
        head.target(),
        head.version()
    )
}

/// Sent back piece by piece as it comes, however long it is.
async fn echo(request: Request) -> Response {
    Response::text(request.into_body())
}

async fn slow(_: Request) -> &'static str {
    bucle::sleep(Duration::from_millis(200)).await;
    "nobody else had to wait\n"
}

/// Costs its client a connection, and nobody else anything.
async fn panics(_: Request) -> Response {
    panic!("out of luck")
}

#[bucle::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let folder = arguments.next().unwrap_or("examples".into());

    let routes = Routes::new()
        .get("/", index)
        .get("/echo", line)
        .post("/echo", echo)
        .get("/slow", slow)
        .get("/panic", panics)
        .prefix("/static", Site::open(folder)?.at("/static").handler());
    let server = Server::builder().listen(address)?.serve(routes)?;

    // By hand, to show it; `run` in place of `serve` does this and more by itself.
    let stop: bucle::Future<()> = bucle::Future::new();
    for signal in [SIGINT, SIGTERM] {
        let signalled = stop.clone();
        bucle::get_running_loop().add_signal_handler(signal, move || {
            // A second one finds it set.
            let _ = signalled.set_result(());
        })?;
    }
    println!("listening at http://{}", server.addresses()[0]);
    let _ = stop.await;
    let outcome = server.shutdown(Duration::from_secs(10)).await;
    println!("stopped: {outcome:?}");
    Ok(())
}
