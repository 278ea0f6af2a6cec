//! What no seed decides is refused in the simulated world, by name and with a way out; work for
//! threads is done by the loop itself.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bucle::net::subprocess::{SubprocessOptions, create_subprocess_exec, create_subprocess_shell};
use bucle::net::udp::UdpSocket;
use bucle::net::{getaddrinfo, getnameinfo, open_connection, open_read_pipe};
use bucle::{get_running_loop, to_thread};

#[track_caller]
fn refused<T>(result: io::Result<T>, name: &str) {
    let Err(error) = result else {
        panic!("it must not be had");
    };
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let text = error.to_string();
    assert!(text.contains(name), "{text}");
    assert!(text.contains("simulated"), "{text}");
}

#[bucle::test]
async fn what_is_real_is_refused_by_name() {
    let event_loop = get_running_loop();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    refused(event_loop.add_reader(&ours, || ()), "file descriptor");
    refused(event_loop.add_writer(&ours, || ()), "file descriptor");
    refused(event_loop.add_signal_handler(10, || ()), "signals");
    let options = SubprocessOptions::default;
    refused(
        create_subprocess_exec("true", [""; 0], options()),
        "child processes",
    );
    refused(
        create_subprocess_shell("true", options()),
        "child processes",
    );
    refused(UdpSocket::bind("127.0.0.1:0").await, "datagrams");
    refused(getaddrinfo("example.org", 80).await, "example.org");
    refused(open_connection("example.org:80").await, "example.org");
    refused(
        getnameinfo(([127, 0, 0, 1], 80).into()).await,
        "127.0.0.1:80",
    );
    let read = async { open_read_pipe(ours.into())?.read(1).await };
    refused(read.await, "file descriptor");
}

#[bucle::test]
async fn jobs_for_threads_run_on_the_loop_after_a_time_of_the_seed() {
    let here = std::thread::current().id();
    let begun = get_running_loop().time();
    let job = to_thread(|| std::thread::current().id()).await;
    assert_eq!(job.unwrap(), here);
    let took = get_running_loop().time() - begun;
    assert!(took > Duration::ZERO && took <= Duration::from_millis(2));
}
