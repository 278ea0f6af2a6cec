//! The may_minihttp peer: coroutines with stacks of their own, one worker, `Hello, World!` from a handler that looks at the
//! request as Bucle's does.
//!
//! `may_plaintext PORT` listens on 127.0.0.1.

use std::io;

use may_minihttp::{HttpServer, HttpService, Request, Response};

#[derive(Clone)]
struct Hello;

impl HttpService for Hello {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        response.header("Content-Type: text/plain");
        if request.method() == "GET" && request.path().starts_with("/plaintext") {
            response.body("Hello, World!");
        } else {
            response.status_code(404, "Not Found");
            response.body("not found");
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let port: u16 = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| io::Error::other("usage: may_plaintext PORT"))?;
    may::config().set_workers(1);
    let server = HttpServer(Hello).start(("127.0.0.1", port))?;
    server
        .join()
        .map_err(|_| io::Error::other("the server panicked"))
}
