//! An axum `Router` on this server, as it is: its extractors, its JSON, its routes with patterns, and no
//! other runtime beside this one.
//!
//! axum wants what its handlers await to be `Send`. What is on the loop is not, so they reach it as other
//! threads do: by `run_coroutine_threadsafe`, which starts something there and can be awaited anywhere.
//!
//! ```text
//! cargo run --package bucle --example 10_axum -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/hello/you
//! curl http://127.0.0.1:8080/sum --json '[1, 2, 3]'
//! curl http://127.0.0.1:8080/shout --data-binary @README.md
//! ```

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bucle::server::{Server, TowerHandler};
use futures_util::StreamExt;

async fn hello(Path(name): Path<String>) -> String {
    format!("hello {name}\n")
}

async fn sum(Json(numbers): Json<Vec<i64>>) -> Json<i64> {
    Json(numbers.iter().sum())
}

/// Piece by piece as it comes, however long it is.
async fn shout(body: Body) -> Body {
    Body::from_stream(body.into_data_stream().map(|piece| {
        let piece = piece?;
        Ok::<_, axum::Error>(piece.to_ascii_uppercase())
    }))
}

async fn slow(State(remote): State<bucle::Remote>) -> &'static str {
    let slept = bucle::run_coroutine_threadsafe(remote, || async {
        bucle::sleep(Duration::from_millis(100)).await;
    });
    match slept.await {
        Ok(()) => "nobody else had to wait\n",
        Err(_) => "the loop was closed\n",
    }
}

fn router() -> Router {
    Router::new()
        .route("/hello/{name}", get(hello))
        .route("/sum", post(sum))
        .route("/shout", post(shout))
        .route("/slow", get(slow))
        .with_state(bucle::get_running_loop().remote())
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let server = Server::builder().listen(address)?.bind()?;
    println!("listening at http://{}", server.addresses()[0]);
    server.run(|| TowerHandler::new(router()))?;
    Ok(())
}
