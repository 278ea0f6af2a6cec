//! A clock by Server-Sent Events: the page at `/` shows what `/clock` tells.
//!
//! The stream of events is an `async` block that sends and sleeps. It is part of the answer: when the
//! client goes away, the block is dropped where it stands, and so is what it holds.
//!
//! ```text
//! cargo run --package bucle --example 08_events -- 127.0.0.1:8080
//! curl --no-buffer http://127.0.0.1:8080/clock
//! ```

use std::io;
use std::time::{Duration, SystemTime};

use bucle::server::{Event, Request, Response, Routes, Server, Sse};

const PAGE: &str = "<!DOCTYPE html>
<title>A clock</title>
<p id=clock>..</p>
<script>
new EventSource('/clock').addEventListener('tick', event => {
    document.getElementById('clock').textContent = event.data;
});
</script>
";

fn page(_: Request) -> Response {
    Response::html(PAGE)
}

/// Says that a listener has gone, however it went.
struct Listener;

impl Drop for Listener {
    fn drop(&mut self) {
        println!("a listener has gone");
    }
}

async fn clock(request: Request) -> Sse {
    // A browser that comes again says what it has seen.
    let last = Sse::last_event_id(&request).and_then(|id| id.parse().ok());
    let first = last.map_or(0, |last: u64| last + 1);
    Sse::from_writer(move |mut events| async move {
        let _listener = Listener;
        for tick in first.. {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let seconds = now.map_or(0, |now| now.as_secs());
            let event = Event::data(format!("{seconds} seconds since 1970"));
            events
                .send(event.event("tick").id(&tick.to_string()))
                .await?;
            bucle::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    })
    .keep_alive(Duration::from_secs(15))
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let server = Server::builder().listen(address)?.bind()?;
    println!("listening at http://{}", server.addresses()[0]);
    server.run(|| Routes::new().get("/", page).get("/clock", clock))?;
    Ok(())
}
