use std::future::{Ready, ready};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use bucle_loop::{get_running_loop, sleep, timeout};

use super::*;
use crate::options::Options;
use crate::{Request, Response};

const WATCHDOG: Duration = Duration::from_secs(60);

/// All that an idle connection has on the heap: with the allocator's word, 128 bytes of it.
#[test]
fn a_connection_is_small() {
    let counts = 2 * size_of::<usize>();
    let size = size_of::<Embedded<Inner<Plain>>>() + counts;
    assert!(size <= 120, "{size}");
}

type Plain = fn(Request) -> Ready<Response>;

/// A worker that answers nothing of note.
fn worker(options: Options) -> Rc<Worker<Plain>> {
    let handler: Plain = |_| ready(Response::text(""));
    Worker::new(get_running_loop(), handler, options, None, Arc::default())
}

/// A connection of a worker's; the client's end of it.
fn connect(worker: &Rc<Worker<Plain>>) -> UnixStream {
    let (client, server) = UnixStream::pair().unwrap();
    Embedded::from_connected(server.into(), Inner::new(worker)).unwrap();
    client
}

/// Deadlines are looked at a few at a time, and all of them in the end.
#[test]
fn patience_ends_with_each_of_many() {
    bucle_loop::run(async {
        let options = Options {
            header_timeout: Duration::from_millis(20),
            ..Options::default()
        };
        let worker = worker(options);
        let mut clients: Vec<_> = (0..100).map(|_| connect(&worker)).collect();
        // Places in the middle that nobody is at.
        clients.drain(30..60);
        timeout(WATCHDOG, worker.emptied()).await.unwrap();
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
    })
    .unwrap();
}

/// What was seen in a tick (a file in the system's memory, for one) does not hold for as long as nobody is connected.
#[test]
fn a_tick_does_not_last_while_there_are_no_connections() {
    bucle_loop::run(async {
        let options = Options {
            idle_timeout: Duration::from_millis(4),
            ..Options::default()
        };
        let tick = options.tick();
        let worker = worker(options);
        drop(connect(&worker));
        assert_eq!(worker.len(), 1);
        worker.emptied().await;
        // By then nothing ticks any more.
        sleep(4 * tick).await;
        let before = worker.after(0);
        sleep(4 * tick).await;
        let _client = connect(&worker);
        assert_ne!(worker.after(0), before);
    })
    .unwrap();
}

/// The longest times and the highest rates are no limits, not small ones.
#[test]
fn no_time_is_too_long_and_no_rate_too_high() {
    let mut options = Options::default();
    for time in [
        &mut options.header_timeout,
        &mut options.idle_timeout,
        &mut options.body_timeout,
        &mut options.write_timeout,
        &mut options.linger_timeout,
    ] {
        *time = Duration::MAX;
    }
    options.handler_timeout = Some(Duration::MAX);
    options.min_receive_rate = Some(u64::MAX);
    options.min_send_rate = Some(u64::MAX);
    let patience = Patience::new(&options);
    assert_eq!(patience.send(), u32::MAX / 2);
}
