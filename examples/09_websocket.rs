//! A chat by WebSockets: what one says, all hear; the page at `/` is a client.
//!
//! One task for each client, which waits for two things at once: what its client says, and what the
//! others have said. All on one thread, so the room is a list in an `Rc`. When the server stops, each
//! client is told so, and has time to say goodbye.
//!
//! ```text
//! cargo run --package bucle --example 09_websocket -- 127.0.0.1:8080
//! ```

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use bucle::server::{Message, Request, Response, Routes, Server, WebSocket, WebSocketOptions};
use bucle::sync::Queue;
use futures_util::future::{Either, select};

const PAGE: &str = "<!DOCTYPE html>
<title>A chat</title>
<form><input autofocus></form>
<ul></ul>
<script>
const socket = new WebSocket(location.href.replace(/^http/, 'ws') + 'chat');
socket.onmessage = event => {
    const line = document.createElement('li');
    line.textContent = event.data;
    document.querySelector('ul').append(line);
};
document.querySelector('form').onsubmit = event => {
    const input = document.querySelector('input');
    socket.send(input.value);
    input.value = '';
    event.preventDefault();
};
</script>
";

/// The longest line of chat, in bytes.
const LONGEST: usize = 1024;

/// A client that has not heard so many lines misses further ones.
const BACKLOG: usize = 100;

/// One queue for each client, of what it has not heard yet.
#[derive(Clone, Default)]
struct Room(Rc<RefCell<Vec<Rc<Queue<String>>>>>);

impl Room {
    fn say(&self, line: &str) {
        for queue in &*self.0.borrow() {
            let _ = queue.put_nowait(line.to_owned());
        }
    }

    fn enter(&self) -> Guest {
        let queue = Rc::new(Queue::new(BACKLOG));
        self.0.borrow_mut().push(queue.clone());
        self.say("somebody came");
        Guest {
            room: self.clone(),
            queue,
        }
    }
}

struct Guest {
    room: Room,
    queue: Rc<Queue<String>>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let ours = &self.queue;
        self.room
            .0
            .borrow_mut()
            .retain(|queue| !Rc::ptr_eq(queue, ours));
        self.room.say("somebody left");
    }
}

/// What comes first: what the client says, or what it is to hear.
enum Next {
    Said(Message),
    Heard(String),
}

async fn next(socket: &mut WebSocket, guest: &Guest) -> Option<Next> {
    // The one that is not first is dropped, and has taken nothing.
    match select(pin!(socket.recv()), pin!(guest.queue.get())).await {
        Either::Left((said, _)) => said?.ok().map(Next::Said),
        Either::Right((heard, _)) => heard.ok().map(Next::Heard),
    }
}

async fn chat(mut socket: WebSocket, room: Room) {
    let guest = room.enter();
    while let Some(next) = next(&mut socket, &guest).await {
        match next {
            Next::Said(Message::Text(line)) => room.say(&line),
            // Pings are answered already, and after a close there is nothing more.
            Next::Said(_) => {}
            Next::Heard(line) => {
                if socket.send(line).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn page(_: Request) -> Response {
    Response::html(PAGE)
}

fn routes() -> Routes {
    let room = Room::default();
    let enter = move |request: Request| {
        let room = room.clone();
        let options = WebSocketOptions::new().max_message(LONGEST);
        options.upgrade(request, move |socket| chat(socket, room))
    };
    Routes::new().get("/", page).get("/chat", enter)
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let server = Server::builder().listen(address)?.bind()?;
    println!("listening at http://{}", server.addresses()[0]);
    server.run(routes)?;
    Ok(())
}
