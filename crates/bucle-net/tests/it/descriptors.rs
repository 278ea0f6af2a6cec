//! Running out of descriptors, and leaking none. Both need a process of their own: the tests start
//! this very binary again for one test, with a variable that makes it the child.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{EventLoop, get_running_loop, sleep};
use bucle_net::{
    ServerOptions, Transport, create_connection, create_server, open_connection, start_server,
};

use crate::support::*;

const CHILD: &str = "BUCLE_NET_TEST_CHILD";

/// Whether this process is the child of a test.
fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Starts the child of the test `name`, with `limit` open files.
fn child(name: &str, limit: u32) -> Child {
    Command::new("sh")
        .args(["-c", "ulimit -n \"$1\" && shift && exec \"$@\"", "sh"])
        .arg(limit.to_string())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a child that is left behind by a failing test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with few descriptors: echoes, and tells its turns and what it reported when asked.
fn exhausted_child() {
    bucle_loop::run(async {
        let told = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let told = told.clone();
            move |_, context| told.borrow_mut().push(context.to_string())
        });
        let done = Rc::new(Cell::new(false));
        let record = Record::new().on_data({
            let done = done.clone();
            move |transport, data| match data {
                b"turns" => {
                    let turns = get_running_loop().counters().turns;
                    transport.write(format!("{turns}\n").as_bytes());
                }
                b"told" => transport.write(format!("{:?}\n", told.borrow()).as_bytes()),
                b"end" => done.set(true),
                data => transport.write(data),
            }
        });
        let (_server, address) = serve(&record);
        println!("at {address}");
        record.until(|_| done.get()).await;
    })
    .unwrap();
}

fn ask(client: &mut TcpStream, question: &str) -> String {
    client.write_all(question.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(client).read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

#[test]
fn running_out_of_descriptors_pauses_accepting() {
    const NAME: &str = "descriptors::running_out_of_descriptors_pauses_accepting";
    if is_child() {
        return exhausted_child();
    }
    within(|| {
        let mut child = Guard(child(NAME, 40));
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let address: SocketAddr = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, address)) = line.split_once("at ") {
                break address.parse().unwrap();
            }
        };
        let connect = || {
            let client = TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(WATCHDOG)).unwrap();
            client
        };
        let mut first = connect();
        let mut clients: Vec<_> = (0..60).map(|_| connect()).collect();
        let before: u64 = ask(&mut first, "turns").parse().unwrap();
        // All are served or refused; nobody hangs.
        let mut served = Vec::new();
        let mut refused = 0;
        for mut client in clients.drain(..) {
            let mut answer = [0; 4];
            match client
                .write_all(b"ping")
                .and_then(|()| client.read_exact(&mut answer))
            {
                Ok(()) => served.push(client),
                Err(_) => refused += 1,
            }
        }
        assert!(served.len() >= 20, "{} served", served.len());
        assert!(refused > 0, "some there was no descriptor for");
        // It did not spin over the listener that was ready all the while.
        let turns = ask(&mut first, "turns").parse::<u64>().unwrap() - before;
        assert!(turns < 2000, "{turns} turns");
        // One line.
        let told = ask(&mut first, "told");
        assert_eq!(told.matches("is paused").count(), 1, "{told}");
        assert!(told.contains("ulimit"), "{told}");
        // What closes makes room for what comes.
        served.truncate(served.len() / 2);
        for _ in 0..5 {
            let mut late = connect();
            assert_eq!(ask(&mut late, "hello\n"), "hello");
            served.push(late);
        }
        first.write_all(b"end").unwrap();
        assert!(child.0.wait().unwrap().success());
    });
}

/// A server that keeps descriptors back, and tells how many files it can open.
fn sparing_child() {
    bucle_loop::run(async {
        get_running_loop().set_exception_handler(|_, _| {});
        let done = Rc::new(Cell::new(false));
        let record = Record::new().on_data({
            let done = done.clone();
            move |transport, data| match data {
                b"files" => {
                    let open = |_| std::fs::File::open("/dev/null").ok();
                    let files: Vec<_> = (0..100).map_while(open).collect();
                    transport.write(format!("{}\n", files.len()).as_bytes());
                }
                b"end" => done.set(true),
                data => transport.write(data),
            }
        });
        let options = ServerOptions::default().spare_descriptors(64);
        let theirs = record.clone();
        let server = create_server("127.0.0.1:0", options, move || theirs.protocol()).unwrap();
        println!("at {}", server.sockets()[0]);
        record.until(|_| done.get()).await;
    })
    .unwrap();
}

#[test]
fn some_descriptors_are_not_for_connections() {
    const NAME: &str = "descriptors::some_descriptors_are_not_for_connections";
    if is_child() {
        return sparing_child();
    }
    within(|| {
        // An eighth of them is less than was asked for.
        let mut child = Guard(child(NAME, 80));
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let address: SocketAddr = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, address)) = line.split_once("at ") {
                break address.parse().unwrap();
            }
        };
        let connect = || {
            let client = TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(WATCHDOG)).unwrap();
            client
        };
        let mut first = connect();
        let mut served = Vec::new();
        let mut refused = 0;
        // In two waves: the second meets a server that is full already.
        for count in [90, 30] {
            let clients: Vec<_> = (0..count).map(|_| connect()).collect();
            for mut client in clients {
                let mut answer = [0; 4];
                let asked = client.write_all(b"ping");
                match asked.and_then(|()| client.read_exact(&mut answer)) {
                    Ok(()) => served.push(client),
                    Err(_) => refused += 1,
                }
            }
            let files: usize = ask(&mut first, "files").parse().unwrap();
            assert!(
                (10..20).contains(&files),
                "{files} files, {} served",
                served.len()
            );
        }
        assert!(
            served.len() >= 40 && refused >= 50,
            "{} served",
            served.len()
        );
        // What closes makes room for what comes.
        served.truncate(served.len() / 2);
        for _ in 0..5 {
            let mut late = connect();
            assert_eq!(ask(&mut late, "hello\n"), "hello");
            served.push(late);
        }
        first.write_all(b"end").unwrap();
        assert!(child.0.wait().unwrap().success());
    });
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Connections ended in every way there is, and a loop closed over open ones.
fn leak_round() {
    let event_loop = EventLoop::new().unwrap();
    let kept: Vec<Transport> = event_loop
        .run_until_complete(async {
            let server = start_server("127.0.0.1:0", async |mut reader, writer| {
                while let Ok(line) = reader.readline().await
                    && !line.is_empty()
                {
                    writer.write(&line);
                }
            })
            .unwrap();
            let address = server.sockets()[0].clone();
            let mut kept = Vec::new();
            for round in 0..30 {
                let (mut reader, writer) = open_connection(&address).await.unwrap();
                writer.write(b"x\n");
                assert_eq!(reader.readline().await.unwrap(), b"x\n");
                let transport = writer.transport().clone();
                match round % 5 {
                    0 => writer.close(),
                    1 => transport.abort(),
                    2 => {
                        writer.write_eof();
                        assert_eq!(reader.read(1).await.unwrap(), b"");
                    }
                    3 => {
                        // Stays open, streams and all.
                        std::mem::forget((reader, writer));
                        kept.push(transport);
                        continue;
                    }
                    _ => {}
                }
                kept.push(transport);
            }
            // Attempts that fail, or that are given up.
            let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let closed = nobody.local_addr().unwrap();
            drop(nobody);
            for _ in 0..5 {
                assert!(open_connection(closed).await.is_err());
                let attempt = create_connection(&address, || Record::new().protocol());
                let mut attempt = Box::pin(attempt);
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(attempt.as_mut().poll(&mut cx).is_pending());
                drop(attempt);
            }
            sleep(Duration::from_millis(5)).await;
            std::mem::forget(server);
            kept
        })
        .unwrap();
    event_loop.close();
    drop(kept);
}

#[test]
fn no_descriptor_is_leaked() {
    const NAME: &str = "descriptors::no_descriptor_is_leaked";
    if is_child() {
        leak_round();
        let before = open_descriptors();
        for _ in 0..3 {
            leak_round();
        }
        assert_eq!(open_descriptors(), before);
        println!("none leaked");
        return;
    }
    within(|| {
        let mut child = Guard(child(NAME, 256));
        let mut output = String::new();
        let mut stdout = child.0.stdout.take().unwrap();
        stdout.read_to_string(&mut output).unwrap();
        let mut errors = String::new();
        let mut stderr = child.0.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        assert!(child.0.wait().unwrap().success(), "{output}{errors}");
        assert!(output.contains("none leaked"), "{output}{errors}");
    });
}
