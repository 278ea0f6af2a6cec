//! Routes, and all that a handler may be and return.

use std::cell::Cell;
use std::io;
use std::panic::catch_unwind;

use bucle_server::{
    BodyError, Handler, Method, Options, Request, Response, Routes, Server, StatusCode,
};

use crate::support::serve;

fn index(_: Request) -> Response {
    Response::html("<h1>hello</h1>")
}

async fn shout(mut request: Request) -> Result<String, BodyError> {
    let body = request.body().collect(8).await?;
    Ok(String::from_utf8_lossy(&body).to_uppercase())
}

async fn path(request: Request) -> String {
    request.path().to_owned()
}

fn routes() -> Routes {
    let visits = Cell::new(0);
    Routes::new()
        .get("/", index)
        .get("/shout", |_: Request| async { "post something" })
        .post("/shout", shout)
        .any("/any", |request: Request| async move {
            request.head().method_str().to_owned()
        })
        .delete("/any", |_: Request| async { StatusCode::ACCEPTED })
        .get("/count", move |_: Request| {
            visits.set(visits.get() + 1);
            Response::text(visits.get().to_string())
        })
        .prefix("/below", path)
        .prefix("/below/deep/", |_: Request| async { "deep" })
        .get("/below/exact", |_: Request| async { "exact" })
}

#[test]
fn paths_and_methods() {
    let server = serve(Options::default(), routes);
    for (method, target, status, body) in [
        ("GET", "/", 200, "<h1>hello</h1>"),
        ("GET", "/?query", 200, "<h1>hello</h1>"),
        ("GET", "/shout", 200, "post something"),
        ("GET", "/nothing", 404, "404 Not Found\n"),
        ("GET", "/Shout", 404, "404 Not Found\n"),
        ("GET", "/shout/", 404, "404 Not Found\n"),
        ("POST", "/", 405, "405 Method Not Allowed\n"),
        ("TRACE", "/", 405, "405 Method Not Allowed\n"),
        ("BREW", "/", 501, "501 Not Implemented\n"),
        ("BREW", "/any", 200, "BREW"),
        ("OPTIONS", "/any", 200, "OPTIONS"),
        ("DELETE", "/any", 202, ""),
        ("GET", "/count", 200, "1"),
        ("GET", "/count", 200, "2"),
        ("GET", "/below", 200, "/below"),
        ("GET", "/below/", 200, "/below/"),
        ("PUT", "/below/it", 200, "/below/it"),
        ("GET", "/belowit", 404, "404 Not Found\n"),
        ("GET", "/below/deep", 200, "deep"),
        ("GET", "/below/deep/er", 200, "deep"),
        ("GET", "/below/deeper", 200, "/below/deeper"),
        ("GET", "/below/exact", 200, "exact"),
    ] {
        let answer = server.request(method, target, "");
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.text(), body, "{method} {target}");
    }
}

#[test]
fn head_and_options_and_allow_come_by_themselves() {
    let server = serve(Options::default(), routes);
    let answer = server.request("HEAD", "/", "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-length"), Some("14"));
    for (method, target, status, allow) in [
        ("POST", "/", 405, "GET, HEAD, OPTIONS"),
        ("PUT", "/shout", 405, "GET, HEAD, OPTIONS, POST"),
        ("OPTIONS", "/shout", 204, "GET, HEAD, OPTIONS, POST"),
        ("OPTIONS", "*", 204, "DELETE, GET, HEAD, OPTIONS, POST"),
    ] {
        let answer = server.request(method, target, "");
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.field("allow"), Some(allow), "{method} {target}");
    }
}

#[test]
fn a_fallback_answers_what_nothing_else_does() {
    let server = serve(Options::default(), || {
        Routes::new()
            .get("/", index)
            .fallback(|request: Request| async move {
                (StatusCode::NOT_FOUND, format!("no {}", request.path()))
            })
    });
    let answer = server.get("/nothing");
    assert_eq!((answer.status, answer.text()), (404, "no /nothing"));
    // A path that is there is there.
    assert_eq!(server.request("POST", "/", "").status, 405);
}

#[test]
fn what_a_handler_may_return() {
    async fn result(request: Request) -> Result<&'static str, (StatusCode, &'static str)> {
        match request.query() {
            None => Ok("fine"),
            Some(_) => Err((StatusCode::CONFLICT, "not with a query")),
        }
    }
    async fn file(_: Request) -> io::Result<Vec<u8>> {
        std::fs::read("/nowhere/to/be/found")
    }
    async fn boxed(_: Request) -> Result<(), Box<dyn std::error::Error>> {
        let number: u32 = "twelve".parse()?;
        unreachable!("{number} was read");
    }
    async fn body(request: Request) -> io::Result<Vec<u8>> {
        let mut body = request.into_body();
        Ok(body.collect(4).await?)
    }
    let server = serve(Options::default(), || {
        Routes::new()
            .get("/result", result)
            .get("/file", file)
            .get("/boxed", boxed)
            .post("/body", body)
            .get("/nothing", |_: Request| async {})
            .get("/bytes", |_: Request| async { vec![0, 1, 2] })
    });
    let answer = server.get("/result?x");
    assert_eq!((answer.status, answer.text()), (409, "not with a query"));
    assert_eq!(server.get("/result").text(), "fine");
    for target in ["/file", "/boxed"] {
        let answer = server.get(target);
        assert_eq!(answer.status, 500);
        // Nothing of the error itself.
        assert_eq!(answer.text(), "500 Internal Server Error\n");
    }
    assert_eq!(server.get("/nothing").status, 204);
    let answer = server.get("/bytes");
    assert_eq!(answer.body, [0, 1, 2]);
    assert_eq!(
        answer.field("content-type"),
        Some("application/octet-stream")
    );
    for (body, status) in [("four", 200), ("fiver", 413)] {
        let lines = format!("Content-Length: {}\r\n", body.len());
        let request = format!("POST /body HTTP/1.1\r\nHost: x\r\n{lines}\r\n{body}");
        let answer = server.ask(request);
        let status = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(status.as_bytes()), "{answer:?}");
    }
}

#[test]
fn routes_that_make_no_sense_are_refused() {
    let refused = |make: fn() -> Routes| {
        let payload = catch_unwind(make).unwrap_err();
        payload
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_default()
    };
    assert!(
        refused(|| Routes::new().get("/", index).get("/", index)).contains("GET / has a handler")
    );
    assert!(refused(|| Routes::new().get("x", index)).contains("begins with `/`"));
    assert!(refused(|| Routes::new().get("/?a", index)).contains("has no `?`"));
    assert!(refused(|| Routes::new().prefix("/a", index).prefix("/a/", index)).contains("/a/"));
    assert!(refused(|| Routes::new().any("/", index).any("/", index)).contains("any method"));
    catch_unwind(|| Routes::new().route(Method::Other, "/", index)).unwrap_err();
}

#[test]
fn a_builder_that_can_t_serve_says_what_would_do() {
    fn error(server: bucle_server::Builder) -> String {
        bucle_loop::run(async move { server.serve(index).unwrap_err().to_string() }).unwrap()
    }
    assert!(error(Server::builder()).contains("127.0.0.1:8080 is one"));
    let two = Server::builder().listen("127.0.0.1:0").unwrap().workers(2);
    assert!(error(two).contains("`run` starts several"));
}

/// A handler that is a type of its own answers like any other.
struct Own;

impl Handler for Own {
    type Future = std::future::Ready<&'static str>;

    fn call(&self, _: Request) -> Self::Future {
        std::future::ready("mine")
    }
}

#[test]
fn a_type_of_its_own() {
    let server = serve(Options::default(), || Routes::new().prefix("/", Own));
    assert_eq!(server.get("/x").text(), "mine");
}
