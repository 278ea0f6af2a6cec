//! A small JSON API: notes, kept in memory.
//!
//! Handlers are `async fn`s; what they share is an `Rc`, since all of them run on one thread, and they
//! get it by closures. What a handler returns becomes the answer: text, a status, a `Result` of these.
//!
//! ```text
//! cargo run --package bucle --example 07_api -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/notes --json '{"text": "buy milk"}'
//! curl http://127.0.0.1:8080/notes
//! curl http://127.0.0.1:8080/notes/1 --request DELETE
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use bucle::server::{
    BodyError, IntoResponse, Method, Request, Response, Routes, Server, StatusCode,
};
use serde_json::{Value, json};

/// The longest note, in bytes, with the JSON around it.
const LONGEST: usize = 4 * 1024;

#[derive(Default)]
struct Notes {
    notes: RefCell<BTreeMap<u64, String>>,
    last: Cell<u64>,
}

/// What can be wrong with a request; each says what it is answered with.
enum Refused {
    Body(BodyError),
    Json(serde_json::Error),
    NoText,
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Refused {
        Refused::Body(error)
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Refused {
        Refused::Json(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Refused::Body(error) => return error.into_response(),
            Refused::Json(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Refused::NoText => {
                let message = r#"a note is {"text": ".."}"#;
                (StatusCode::UNPROCESSABLE_CONTENT, message.to_owned())
            }
        };
        answer(json!({ "error": message })).with_status(status)
    }
}

fn answer(value: Value) -> Response {
    Response::text(format!("{value}\n")).content_type("application/json")
}

async fn list(notes: Rc<Notes>) -> Response {
    let notes = notes.notes.borrow();
    let notes = notes
        .iter()
        .map(|(id, text)| json!({ "id": id, "text": text }));
    answer(notes.collect())
}

async fn add(notes: Rc<Notes>, mut request: Request) -> Result<Response, Refused> {
    let body = request.body().collect(LONGEST).await?;
    let note: Value = serde_json::from_slice(&body)?;
    let text = note["text"].as_str().ok_or(Refused::NoText)?;
    let id = notes.last.get() + 1;
    notes.last.set(id);
    notes.notes.borrow_mut().insert(id, text.to_owned());
    Ok(answer(json!({ "id": id, "text": text })).with_status(StatusCode::CREATED))
}

async fn one(notes: Rc<Notes>, request: Request) -> Response {
    let id = request.path().strip_prefix("/notes/").map(str::parse);
    let Some(Ok(id)) = id else {
        return Response::error(StatusCode::NOT_FOUND);
    };
    let mut notes = notes.notes.borrow_mut();
    let found = match request.method() {
        Method::Get | Method::Head => notes.get(&id).cloned(),
        Method::Delete => notes.remove(&id),
        _ => return Response::method_not_allowed("GET, HEAD, DELETE"),
    };
    match found {
        Some(text) => answer(json!({ "id": id, "text": text })),
        None => Response::error(StatusCode::NOT_FOUND),
    }
}

fn routes() -> Routes {
    let notes = Rc::<Notes>::default();
    // Each handler has a reference of its own, and gives one to each request.
    let (for_list, for_add, for_one) = (notes.clone(), notes.clone(), notes);
    Routes::new()
        .get("/notes", move |_: Request| list(for_list.clone()))
        .post("/notes", move |request| add(for_add.clone(), request))
        .prefix("/notes/", move |request| one(for_one.clone(), request))
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let server = Server::builder().listen(address)?.bind()?;
    println!("listening at http://{}", server.addresses()[0]);
    // Until Ctrl-C, and until the answers under way are finished.
    server.run(routes)?;
    Ok(())
}
