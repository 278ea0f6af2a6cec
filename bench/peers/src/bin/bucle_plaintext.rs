//! Bucle with `Hello, World!` from a handler on its public API: the same as `hyper_plaintext`.
//!
//! `bucle_plaintext [--log]` listens on any free port of 127.0.0.1 and prints `http://127.0.0.1:PORT`; with `--log`, and then a
//! line for every request.

use bucle::server::{LogFormat, Method, Request, Response, Server, StatusCode};

async fn hello(request: Request) -> Response {
    if request.method() == Method::Get && request.path().starts_with("/plaintext") {
        Response::text("Hello, World!").content_type("text/plain")
    } else {
        Response::text("not found")
            .content_type("text/plain")
            .with_status(StatusCode::NOT_FOUND)
    }
}

#[bucle::main]
async fn main() -> std::io::Result<()> {
    let mut builder = Server::builder().listen("127.0.0.1:0")?;
    if std::env::args().any(|argument| argument == "--log") {
        builder = builder.access_log(LogFormat::Combined);
    }
    let server = builder.serve(hello)?;
    println!("http://{}", server.addresses()[0]);
    server.serve_forever().await;
    Ok(())
}
