//! The simulated sockets against the kernel's: the same scripts, the same results, errors and
//! readiness included.

use std::cell::Cell;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::sim::{SimOptions, SimSocket};
use bucle_loop::{AsPollable, EventLoop, Interest, Readiness, Source};
use bucle_sys::socket;
use proptest::prelude::*;

use crate::new_loop;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize),
    Recv(usize),
    Shutdown(Shutdown),
    Close,
    Abort,
    TakeError,
    Poll(Interest),
}

/// What a call came to: a count, or the number of an error.
type Outcome = Result<usize, Option<i32>>;

fn outcome(result: std::io::Result<usize>) -> Outcome {
    result.map_err(|error| error.raw_os_error())
}

trait World {
    fn send(&mut self, end: usize, bytes: &[u8]) -> Outcome;
    fn recv(&mut self, end: usize, buffer: &mut [u8]) -> Outcome;
    fn shutdown(&mut self, end: usize, how: Shutdown) -> Outcome;
    fn close(&mut self, end: usize, abort: bool);
    fn take_error(&mut self, end: usize) -> Outcome;
    fn poll(&mut self, end: usize, interest: Interest) -> Readiness;
    /// Waits until everything has arrived.
    fn settle(&mut self);
    fn is_open(&self, end: usize) -> bool;
}

fn play(world: &mut dyn World, script: &[(bool, Step)]) -> Vec<String> {
    let mut log = Vec::new();
    for &(second, step) in script {
        let end = usize::from(second);
        if !world.is_open(end) {
            continue;
        }
        let result = match step {
            Step::Send(count) => format!("{:?}", world.send(end, &vec![7; count])),
            Step::Recv(count) => format!("{:?}", world.recv(end, &mut vec![0; count])),
            Step::Shutdown(how) => format!("{:?}", world.shutdown(end, how)),
            Step::TakeError => format!("{:?}", world.take_error(end)),
            Step::Poll(interest) => format!("{:?}", world.poll(end, interest)),
            Step::Close | Step::Abort => {
                world.close(end, matches!(step, Step::Abort));
                String::new()
            }
        };
        world.settle();
        log.push(format!("{end} {step:?}: {result}"));
    }
    log
}

struct Poller(Cell<Readiness>);

impl Source for Poller {
    fn ready(&self, readiness: Readiness) {
        self.0.set(readiness);
    }
}

fn poll(event_loop: &EventLoop, what: impl AsPollable, interest: Interest) -> Readiness {
    let poller = Rc::new(Poller(Cell::new(Readiness::NONE)));
    let registration = event_loop
        .register(what.as_pollable(), interest, poller.clone())
        .unwrap();
    event_loop.call_soon(|| {});
    event_loop.turn();
    event_loop.deregister(what.as_pollable(), registration);
    poller.0.get()
}

struct Kernel {
    event_loop: EventLoop,
    ends: [Option<OwnedFd>; 2],
    settle: Duration,
}

impl Kernel {
    fn new(tcp: bool, settle: Duration) -> Kernel {
        let (a, b) = if tcp {
            let listener = socket::bind_tcp(&"127.0.0.1:0".parse().unwrap(), false).unwrap();
            socket::listen(&listener, 4).unwrap();
            let address = SocketAddr::try_from(socket::local_address(&listener).unwrap()).unwrap();
            let client = socket::connect_tcp(&address).unwrap();
            let server = loop {
                match socket::accept(&listener) {
                    Ok(server) => break server,
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            };
            (client, server)
        } else {
            socket::pair().unwrap()
        };
        Kernel {
            event_loop: new_loop(),
            ends: [Some(a), Some(b)],
            settle,
        }
    }

    fn end(&self, end: usize) -> &OwnedFd {
        self.ends[end].as_ref().unwrap()
    }
}

impl World for Kernel {
    fn send(&mut self, end: usize, bytes: &[u8]) -> Outcome {
        outcome(socket::send(self.end(end), bytes))
    }

    fn recv(&mut self, end: usize, buffer: &mut [u8]) -> Outcome {
        outcome(socket::recv(self.end(end), buffer))
    }

    fn shutdown(&mut self, end: usize, how: Shutdown) -> Outcome {
        let how = match how {
            Shutdown::Read => socket::Shutdown::Read,
            Shutdown::Write => socket::Shutdown::Write,
            Shutdown::Both => socket::Shutdown::Both,
        };
        outcome(socket::shutdown(self.end(end), how).map(|()| 0))
    }

    fn close(&mut self, end: usize, abort: bool) {
        let fd = self.ends[end].take().unwrap();
        if abort {
            socket::reset_on_close(&fd).unwrap();
        }
    }

    fn take_error(&mut self, end: usize) -> Outcome {
        outcome(socket::take_error(self.end(end)).unwrap().map(|()| 0))
    }

    fn poll(&mut self, end: usize, interest: Interest) -> Readiness {
        poll(&self.event_loop, self.end(end), interest)
    }

    fn settle(&mut self) {
        std::thread::sleep(self.settle);
    }

    fn is_open(&self, end: usize) -> bool {
        self.ends[end].is_some()
    }
}

struct Simulated {
    event_loop: EventLoop,
    ends: [Option<SimSocket>; 2],
}

impl Simulated {
    fn new(tcp: bool) -> Simulated {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions::calm())
            .build()
            .unwrap();
        let network = event_loop.sim_network().unwrap();
        let (a, b) = if tcp {
            let address = "127.0.0.1:80".parse().unwrap();
            let listener = network.listen(&address, 4).unwrap();
            let client = network.connect(&address).unwrap();
            event_loop.call_soon(|| {});
            event_loop.turn();
            let (server, _) = listener.accept().unwrap();
            (client, server)
        } else {
            network.pair().unwrap()
        };
        Simulated {
            event_loop,
            ends: [Some(a), Some(b)],
        }
    }

    fn end(&self, end: usize) -> &SimSocket {
        self.ends[end].as_ref().unwrap()
    }
}

impl World for Simulated {
    fn send(&mut self, end: usize, bytes: &[u8]) -> Outcome {
        outcome(self.end(end).send(bytes))
    }

    fn recv(&mut self, end: usize, buffer: &mut [u8]) -> Outcome {
        outcome(self.end(end).recv(buffer))
    }

    fn shutdown(&mut self, end: usize, how: Shutdown) -> Outcome {
        outcome(self.end(end).shutdown(how).map(|()| 0))
    }

    fn close(&mut self, end: usize, abort: bool) {
        let socket = self.ends[end].take().unwrap();
        if abort {
            socket.reset_on_close().unwrap();
        }
    }

    fn take_error(&mut self, end: usize) -> Outcome {
        outcome(self.end(end).take_error().map(|()| 0))
    }

    fn poll(&mut self, end: usize, interest: Interest) -> Readiness {
        poll(&self.event_loop, self.end(end), interest)
    }

    fn settle(&mut self) {
        self.event_loop.call_soon(|| {});
        self.event_loop.turn();
    }

    fn is_open(&self, end: usize) -> bool {
        self.ends[end].is_some()
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..40).prop_map(Step::Send),
        6 => (0usize..50).prop_map(Step::Recv),
        1 => Just(Step::Shutdown(Shutdown::Read)),
        2 => Just(Step::Shutdown(Shutdown::Write)),
        1 => Just(Step::Shutdown(Shutdown::Both)),
        2 => Just(Step::Close),
        1 => Just(Step::Abort),
        1 => Just(Step::TakeError),
        2 => Just(Step::Poll(Interest::READ)),
        2 => Just(Step::Poll(Interest::WRITE)),
        2 => Just(Step::Poll(Interest::BOTH)),
    ]
}

fn script() -> impl Strategy<Value = Vec<(bool, Step)>> {
    prop::collection::vec((any::<bool>(), step()), 1..14)
}

/// The kernel may take its time on a busy machine: a difference counts only if it stays with more
/// of it.
fn compare(tcp: bool, script: &[(bool, Step)]) -> Result<(), TestCaseError> {
    let simulated = play(&mut Simulated::new(tcp), script);
    for settle in [0, 2, 20] {
        let mut kernel = Kernel::new(tcp, Duration::from_millis(settle));
        if play(&mut kernel, script) == simulated {
            return Ok(());
        }
    }
    let kernel = play(&mut Kernel::new(tcp, Duration::from_millis(100)), script);
    prop_assert_eq!(simulated, kernel, "simulated (left) and kernel (right)");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn tcp_does_what_the_kernel_does(script in script()) {
        compare(true, &script)?;
    }

    #[test]
    fn unix_streams_do_what_the_kernel_does(script in script()) {
        compare(false, &script)?;
    }
}
