//! The simulated world: time that jumps, a network decided by a seed, replay.

mod network;
mod retransmission;
mod trace;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bucle_loop::sim::{SimAddress, SimEvent, SimEventKind, SimNetwork, SimOptions, SimSocket};
use bucle_loop::{
    EventLoop, Interest, LoopBuilder, Readiness, Source, get_running_loop, sleep, spawn, timeout,
    yield_now,
};

use crate::{WATCHDOG, new_loop, within};

fn simulated(options: SimOptions) -> EventLoop {
    EventLoop::builder().simulated(options).build().unwrap()
}

fn run<T: 'static>(options: SimOptions, body: impl Future<Output = T> + 'static) -> T {
    simulated(options).run_until_complete(body).unwrap()
}

fn network() -> SimNetwork {
    get_running_loop().sim_network().unwrap()
}

fn address(text: &str) -> SimAddress {
    text.parse().unwrap()
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 % 251) as u8).collect()
}

#[derive(Default)]
struct Waiting {
    seen: Cell<Option<Readiness>>,
    waker: RefCell<Option<Waker>>,
}

impl Source for Waiting {
    fn ready(&self, readiness: Readiness) {
        self.seen.set(Some(readiness));
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

async fn wait(socket: &SimSocket, interest: Interest) -> Readiness {
    let event_loop = get_running_loop();
    let waiting = Rc::new(Waiting::default());
    let registration = event_loop
        .register(socket, interest, waiting.clone())
        .unwrap();
    let readiness = poll_fn(|cx| match waiting.seen.get() {
        Some(readiness) => Poll::Ready(readiness),
        None => {
            *waiting.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }
    })
    .await;
    event_loop.deregister(socket, registration);
    readiness
}

async fn retry<T>(
    socket: &SimSocket,
    interest: Interest,
    mut call: impl FnMut(&SimSocket) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match call(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(socket, interest).await,
            result => return result,
        };
    }
}

async fn accept(listener: &SimSocket) -> SimSocket {
    let accepted = retry(listener, Interest::READ, SimSocket::accept).await;
    accepted.unwrap().0
}

async fn connect(address: &SimAddress) -> io::Result<SimSocket> {
    let socket = network().connect(address)?;
    wait(&socket, Interest::WRITE).await;
    socket.take_error()?;
    Ok(socket)
}

async fn send_all(socket: &SimSocket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = retry(socket, Interest::WRITE, |socket| socket.send(bytes)).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}

async fn recv_to_end(socket: &SimSocket) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match retry(socket, Interest::READ, |socket| socket.recv(&mut buffer)).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A server that sends back what it reads, and clients that check it.
async fn echo_among_many(clients: usize, bytes: usize) {
    let address = address("127.0.0.1:7");
    let listener = network().listen(&address, 64).unwrap();
    let server = spawn(async move {
        loop {
            let connection = accept(&listener).await;
            spawn(async move {
                let all = recv_to_end(&connection).await.unwrap();
                send_all(&connection, &all).await.unwrap();
            })
            .detach();
        }
    })
    .cancel_on_drop();
    let clients: Vec<_> = (0..clients)
        .map(|n| {
            let address = address.clone();
            spawn(async move {
                let socket = connect(&address).await.unwrap();
                let sent = pattern(bytes + n);
                send_all(&socket, &sent).await.unwrap();
                socket.shutdown(Shutdown::Write).unwrap();
                assert_eq!(recv_to_end(&socket).await.unwrap(), sent);
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    drop(server);
}

#[test]
fn a_builder_is_send() {
    fn check<T: Send>() {}
    check::<LoopBuilder>();
}

#[test]
fn a_day_passes_at_once_and_to_the_nanosecond() {
    within(WATCHDOG, || {
        run(SimOptions::default(), async {
            let event_loop = get_running_loop();
            assert_eq!(event_loop.selector_name(), "sim");
            let begun = event_loop.time();
            let day = Duration::from_secs(86_400) + Duration::from_nanos(1);
            sleep(day).await;
            assert_eq!(event_loop.time() - begun, day);
            let early = timeout(Duration::from_secs(5), sleep(day)).await;
            assert!(early.is_err());
            assert_eq!(event_loop.time() - begun, day + Duration::from_secs(5));
        });
    });
}

#[test]
fn timers_and_traffic_come_in_the_order_of_their_times() {
    run(
        SimOptions {
            latency: Duration::from_millis(5)..=Duration::from_millis(5),
            ..SimOptions::calm()
        },
        async {
            let (a, b) = network().pair().unwrap();
            let log = Rc::new(RefCell::new(Vec::new()));
            let note = |what: &'static str, millis| {
                let log = log.clone();
                async move {
                    sleep(Duration::from_millis(millis)).await;
                    log.borrow_mut().push(what);
                }
            };
            spawn(note("before", 4)).detach();
            spawn(note("after", 6)).detach();
            a.send(b"x").unwrap();
            wait(&b, Interest::READ).await;
            log.borrow_mut().push("arrival");
            sleep(Duration::from_millis(9)).await;
            assert_eq!(*log.borrow(), ["before", "arrival", "after"]);
        },
    );
}

#[test]
fn ready_tasks_run_in_order_unless_the_seed_is_to_decide() {
    let order = |options| {
        run(options, async {
            let log = Rc::new(RefCell::new(Vec::new()));
            for n in 0..8 {
                let log = log.clone();
                spawn(async move { log.borrow_mut().push(n) }).detach();
            }
            sleep(Duration::from_millis(1)).await;
            log.take()
        })
    };
    assert_eq!(order(SimOptions::seeded(9)), (0..8).collect::<Vec<_>>());
    let shuffled = |seed| {
        order(SimOptions {
            shuffle_ready_tasks: true,
            ..SimOptions::seeded(seed)
        })
    };
    assert_eq!(shuffled(1), shuffled(1));
    assert!((0..8).any(|seed| shuffled(seed) != shuffled(8)));
    let mut all = shuffled(5);
    all.sort_unstable();
    assert_eq!(all, (0..8).collect::<Vec<_>>());
}

#[test]
fn callbacks_keep_their_order_under_any_seed() {
    for seed in 0..20 {
        let event_loop = simulated(SimOptions {
            shuffle_ready_tasks: true,
            ..SimOptions::seeded(seed)
        });
        let log = Rc::new(RefCell::new(Vec::new()));
        for n in 0..10 {
            let log = log.clone();
            event_loop.call_soon(move || log.borrow_mut().push(n));
            event_loop.spawn(async {}).detach();
        }
        event_loop.turn();
        assert_eq!(*log.borrow(), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn connections_that_are_ready_together_come_in_an_order_of_the_seed() {
    let order = |seed| {
        run(
            SimOptions {
                reorder_ready_sockets: true,
                seed,
                ..SimOptions::calm()
            },
            async {
                let log = Rc::new(RefCell::new(Vec::new()));
                let mut peers = Vec::new();
                for n in 0..6 {
                    let (a, b) = network().pair().unwrap();
                    let log = log.clone();
                    spawn(async move {
                        wait(&b, Interest::READ).await;
                        log.borrow_mut().push(n);
                    })
                    .detach();
                    peers.push(a);
                }
                yield_now().await;
                for peer in &peers {
                    peer.send(b"x").unwrap();
                }
                sleep(Duration::from_secs(1)).await;
                log.take()
            },
        )
    };
    assert_eq!(order(4), order(4));
    assert!((0..8).any(|seed| order(seed) != order(8)));
}

#[test]
fn nothing_that_can_happen_is_a_deadlock_and_says_who_waits() {
    let event_loop = simulated(SimOptions::default());
    let told = Rc::new(RefCell::new(String::new()));
    event_loop.set_exception_handler({
        let told = told.clone();
        move |_, context| *told.borrow_mut() = context.to_string()
    });
    let (_a, b) = event_loop.sim_network().unwrap().pair().unwrap();
    event_loop
        .spawn_named("reader", async move {
            wait(&b, Interest::READ).await;
        })
        .detach();
    let line = line!() - 4;
    let error = event_loop
        .run_until_complete(std::future::pending::<()>())
        .unwrap_err();
    let why = error.cancelled().unwrap().reason().to_owned();
    assert!(why.contains("deadlock"), "{why}");
    let told = told.borrow();
    assert!(told.contains("deadlock"), "{told}");
    assert!(told.contains("`reader`"), "{told}");
    assert!(told.contains(&format!("sim.rs:{line}")), "{told}");
    // The loop is as usable as before.
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
}

#[test]
fn what_is_real_is_refused_by_name() {
    let event_loop = simulated(SimOptions::default());
    let (a, _b) = UnixStream::pair().unwrap();
    let errors = [
        event_loop.add_reader(&a, || {}).unwrap_err(),
        event_loop.add_writer(&a, || {}).unwrap_err(),
        event_loop.add_signal_handler(10, || {}).unwrap_err(),
        event_loop
            .register(&a, Interest::NONE, Rc::new(Waiting::default()))
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string();
        assert!(text.contains("real; a simulated loop has none"), "{text}");
    }
    assert_eq!(event_loop.watched_fds(), 0);
    let (sim, _peer) = event_loop.sim_network().unwrap().pair().unwrap();
    let real = new_loop();
    assert!(real.sim_network().is_none());
    let error = real.add_reader(&sim, || {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let other = simulated(SimOptions::default());
    let error = other.add_reader(&sim, || {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn who_spins_sees_time_pass() {
    within(WATCHDOG, || {
        run(SimOptions::default(), async {
            let done = Rc::new(Cell::new(false));
            let flag = done.clone();
            let (a, b) = network().pair().unwrap();
            spawn(async move {
                sleep(Duration::from_millis(1)).await;
                a.send(b"x").unwrap();
                flag.set(true);
            })
            .detach();
            while !done.get() {
                yield_now().await;
            }
            while b.recv(&mut [0; 1]).is_err() {
                yield_now().await;
            }
        });
    });
}

#[test]
fn messages_of_other_threads_are_taken() {
    let event_loop = simulated(SimOptions::default());
    let remote = event_loop.remote();
    std::thread::spawn(move || {
        remote
            .call_soon_threadsafe(|| get_running_loop().stop())
            .unwrap();
    })
    .join()
    .unwrap();
    event_loop.run_forever();
    assert_eq!(event_loop.counters().exceptions, 0, "and it is no deadlock");
}

#[test]
fn two_simulated_loops_have_each_a_first_task_and_it_is_not_the_same() {
    let (one, two) = (simulated(SimOptions::calm()), simulated(SimOptions::calm()));
    let (first, second) = (one.spawn(async {}), two.spawn(async {}));
    assert_eq!(first.tag().id(), 1);
    assert_eq!(second.tag().id(), 1);
    assert!(first.handle() == first.handle());
    assert!(first.handle() != second.handle());
}

#[test]
fn the_worlds_of_a_sweep_differ_and_the_first_is_the_default() {
    assert_eq!(SimOptions::varied(0), SimOptions::default());
    assert_eq!(SimOptions::faulty(0), SimOptions::default());
    let worlds: Vec<SimOptions> = (1..200).map(SimOptions::faulty).collect();
    let default = SimOptions::default();
    for (seed, world) in (1..).zip(&worlds) {
        assert_eq!(*world, SimOptions::faulty(seed));
        assert!(world.shuffle_ready_tasks);
        assert!(world.latency.end() <= default.latency.end());
    }
    let some = |what: fn(&SimOptions) -> bool| {
        let count = worlds.iter().filter(|world| what(world)).count();
        assert!((10..190).contains(&count), "{count} of 199");
    };
    some(|world| world.reset_probability == 0.0);
    some(|world| world.loss_probability == 0.0);
    some(|world| world.cut_probability == 0.0);
    some(|world| world.latency.end().is_zero());
    some(|world| world.partial_probability == 0.0);
    some(|world| world.send_buffer < 64 * 1024);
}
