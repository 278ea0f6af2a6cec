//! How fast answers leave, by the exact clock of a simulated world.

use std::io::Write;
use std::time::Duration;

use bucle_loop::sim::SimOptions;
use bucle_loop::{get_running_loop, spawn};
use bucle_server::{Body, Options, Request, Response, Server};

use crate::support::Answer;
use crate::worlds::{connect, run, seconds};

const RATE: usize = 100_000;

fn serve() -> Server {
    async fn handler(request: Request) -> Response {
        let (kind, length) = request.path()[1..].split_once('/').unwrap();
        let length = length.parse().unwrap();
        let body = match kind {
            "bytes" => Body::from("x".repeat(length)),
            "stream" => Body::from_writer(move |mut writer| async move {
                for _ in 0..length / 1000 {
                    writer.write("x".repeat(1000)).await?;
                }
                Ok(())
            }),
            _ => {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&vec![b'x'; length]).unwrap();
                Body::from_file(file).unwrap()
            }
        };
        Response::text(body)
    }
    let mut options = Options::default();
    options.limit_rate = Some(RATE as u64);
    Server::bind("127.0.0.1:0", handler, options).unwrap()
}

fn request(target: &str) -> Vec<u8> {
    format!("GET /{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into_bytes()
}

/// A world in which nothing but the limit takes time.
fn sim() -> Option<SimOptions> {
    Some(SimOptions::calm())
}

/// Asks for what `sent` asks for; all that came, and the time it took.
async fn ask(server: &Server, sent: &[u8]) -> (Vec<u8>, f64) {
    let (mut reader, writer) = connect(server).await;
    writer.write(sent);
    let mut all = Vec::new();
    let took = seconds(async { all = reader.read_to_end().await.unwrap() }).await;
    drop(writer);
    (all, took)
}

#[test]
fn no_byte_leaves_before_its_time_and_none_long_after() {
    run(sim(), async {
        let server = serve();
        for target in [
            "bytes/10000",
            "bytes/1000000",
            "stream/1000000",
            "file/1000000",
        ] {
            let (all, took) = ask(&server, &request(target)).await;
            let length: usize = target.split_once('/').unwrap().1.parse().unwrap();
            assert_eq!(Answer::all(&all)[0].body.len(), length, "{target}");
            // A second's share is there at the beginning.
            let due = (all.len().saturating_sub(RATE)) as f64 / RATE as f64;
            assert!(
                (due..due + 0.5).contains(&took),
                "{target}: {took} for {due}"
            );
        }
        // Many small answers are one long one.
        let mut sent = "GET /bytes/1000 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
        sent.push_str(std::str::from_utf8(&request("bytes/1000")).unwrap());
        let (all, took) = ask(&server, sent.as_bytes()).await;
        assert_eq!(Answer::all(&all).len(), 501);
        let due = (all.len() - RATE) as f64 / RATE as f64;
        assert!((due..due + 0.5).contains(&took), "{took} for {due}");
    });
}

#[test]
fn a_second_s_bytes_leave_at_once_and_one_more_does_not() {
    run(sim(), async {
        let server = serve();
        let (all, _) = ask(&server, &request("bytes/90000")).await;
        let head = all.len() - 90_000;
        for (total, at_once) in [(RATE, true), (RATE + 1, false)] {
            let (all, took) = ask(&server, &request(&format!("bytes/{}", total - head))).await;
            assert_eq!(all.len(), total);
            assert_eq!(took < 0.09, at_once, "{took}");
        }
    });
}

#[test]
fn each_connection_has_the_rate_for_itself() {
    run(sim(), async {
        let server = std::rc::Rc::new(serve());
        let begun = get_running_loop().time();
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let server = server.clone();
                spawn(async move { ask(&server, &request("file/500000")).await.1 })
            })
            .collect();
        for client in clients {
            let took = client.await.unwrap();
            assert!((4.0..4.6).contains(&took), "{took}");
        }
        let gone = get_running_loop().time() - begun;
        assert!(gone < Duration::from_secs(5), "{gone:?}");
    });
}

#[test]
fn who_may_get_no_more_is_not_slow() {
    run(sim(), async {
        async fn long(_: Request) -> Response {
            Response::text("x".repeat(500_000))
        }
        let mut options = Options::default();
        options.limit_rate = Some(1024);
        options.min_send_rate = Some(100_000);
        let server = Server::bind("127.0.0.1:0", long, options).unwrap();
        let (all, took) = ask(&server, &request("")).await;
        assert_eq!(Answer::all(&all)[0].body.len(), 500_000);
        assert!((480.0..490.0).contains(&took), "{took}");
    });
}
