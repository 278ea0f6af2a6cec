//! A web server: `/` greets, `/echo` tells a request's line or sends its body back, and what is
//! below `/static/` are files.
//!
//! One thread, one loop, every connection a state machine on it. A handler is an `async fn`: what
//! takes its time takes nobody else's. Ctrl-C ends it, once the answers under way are finished.
//!
//! ```text
//! cargo run --package bucle --example 04_server -- 127.0.0.1:8080 examples
//! curl http://127.0.0.1:8080/echo --data hello
//! curl http://127.0.0.1:8080/static/04_server.rs
//! ```

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bucle::server::{Handler, HttpServer, Method, Options, Request, Response, Site, StatusCode};

const SIGINT: i32 = 2;

async fn answer(request: Request) -> Response {
    match (request.method(), request.path()) {
        (Method::Get, "/") => Response::html("<!DOCTYPE html><h1>An asynchronous server</h1>\n"),
        (Method::Get, "/echo") => {
            let head = request.head();
            let line = format!("{} {} {}", head.method_str(), head.target(), head.version());
            Response::text(format!("Echo: {line}\n"))
        }
        // Sent back piece by piece as it comes, however long it is.
        (Method::Post, "/echo") => Response::text(request.into_body()),
        (Method::Get, "/slow") => {
            bucle::sleep(Duration::from_millis(200)).await;
            Response::text("nobody else had to wait\n")
        }
        (_, "/" | "/slow") => Response::method_not_allowed("GET"),
        (_, "/echo") => Response::method_not_allowed("GET, POST"),
        _ => Response::error(StatusCode::NOT_FOUND),
    }
}

#[bucle::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let folder = arguments.next().unwrap_or("examples".into());

    let files = Rc::new(Site::open(folder)?.at("/static").handler());
    let handler = move |request: Request| {
        let files = files.clone();
        async move {
            match request.path().starts_with("/static/") {
                true => files.call(request).await,
                false => answer(request).await,
            }
        }
    };
    let server = HttpServer::bind(address.as_str(), handler, Options::default())?;

    let stop: bucle::Future<()> = bucle::Future::new();
    let signalled = stop.clone();
    bucle::get_running_loop().add_signal_handler(SIGINT, move || {
        // A second one finds it set.
        let _ = signalled.set_result(());
    })?;
    println!("listening at http://{}", server.addresses()[0]);
    let _ = stop.await;
    let outcome = server
        .drain(Duration::from_secs(10), std::future::pending())
        .await;
    println!("stopped: {outcome:?}");
    Ok(())
}
