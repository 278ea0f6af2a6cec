//! What a run tells of itself, and that the same seed is the same run.

use super::*;

fn trace_of(options: SimOptions) -> Vec<SimEvent> {
    let event_loop = simulated(SimOptions {
        trace: true,
        ..options
    });
    event_loop
        .run_until_complete(echo_among_many(5, 5_000))
        .unwrap();
    event_loop.sim_network().unwrap().take_trace()
}

#[test]
fn the_same_seed_is_the_same_run() {
    within(WATCHDOG, || {
        let mut traces = Vec::new();
        for seed in 0..8 {
            let options = SimOptions {
                shuffle_ready_tasks: seed % 2 == 1,
                ..SimOptions::seeded(seed)
            };
            let trace = trace_of(options.clone());
            assert!(trace.len() > 50);
            assert!(trace == trace_of(options), "seed {seed}");
            traces.push(trace);
        }
        for (n, trace) in traces.iter().enumerate() {
            assert!(!traces[..n].contains(trace), "seed {n} is like another");
        }
    });
}

#[test]
fn what_a_program_draws_is_the_seeds_and_does_not_disturb_the_network() {
    let draw = |seed| {
        run(SimOptions::seeded(seed), async {
            let event_loop = get_running_loop();
            (0..4).map(|_| event_loop.random_u64()).collect::<Vec<_>>()
        })
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let real = new_loop();
    assert_ne!(real.random_u64(), real.random_u64());

    let with_draws = simulated(SimOptions {
        trace: true,
        ..SimOptions::seeded(3)
    });
    with_draws.random_u64();
    with_draws
        .run_until_complete(echo_among_many(5, 5_000))
        .unwrap();
    let network = with_draws.sim_network().unwrap();
    let trace = network.take_trace();
    assert!(matches!(trace[0].kind, SimEventKind::Drew(_)));
    let of_network = |trace: Vec<SimEvent>| {
        let events = trace.into_iter();
        let events = events.filter(|event| event.connection.is_some());
        events.collect::<Vec<_>>()
    };
    let without = trace_of(SimOptions::seeded(3));
    assert!(of_network(trace) == of_network(without));
}

#[test]
fn the_trace_reads_as_what_happened() {
    let event_loop = simulated(SimOptions {
        trace: true,
        ..SimOptions::calm()
    });
    let network = event_loop.sim_network().unwrap();
    let (a, b) = network.pair().unwrap();
    a.send(b"hello").unwrap();
    event_loop.call_soon(|| {});
    event_loop.turn();
    b.recv(&mut [0; 9]).unwrap();
    drop(a);
    event_loop.call_soon(|| {});
    event_loop.turn();
    let trace = network.take_trace();
    let of_network = trace.iter().filter(|event| event.connection.is_some());
    let kinds: Vec<_> = of_network.map(|event| event.kind.clone()).collect();
    let to_server = true;
    assert_eq!(
        kinds,
        [
            SimEventKind::Established,
            SimEventKind::Sent {
                to_server,
                bytes: 5
            },
            SimEventKind::Arrived {
                to_server,
                bytes: 5
            },
            SimEventKind::Received {
                to_server,
                bytes: 5
            },
            SimEventKind::Eof { to_server },
        ]
    );
    let lines: Vec<String> = trace.iter().map(ToString::to_string).collect();
    assert!(lines[1].ends_with(" #1 -> sent 5"), "{lines:?}");
    let callback = format!(" callback of {}:", file!());
    assert!(lines[3].contains(&callback), "{lines:?}");
}

#[test]
fn the_trace_tells_what_ran_in_which_order() {
    let event_loop = simulated(SimOptions {
        trace: true,
        ..SimOptions::calm()
    });
    let named = event_loop.spawn_named("reader", async {
        let (a, b) = network().pair().unwrap();
        a.send(b"x").unwrap();
        wait(&b, Interest::READ).await;
    });
    event_loop.call_soon(|| {}).cancel();
    event_loop.run_until_complete(named).unwrap().unwrap();
    let trace = event_loop.sim_network().unwrap().take_trace();
    let lines: Vec<String> = trace.iter().map(ToString::to_string).collect();
    let place = format!("from {}:", file!());
    assert!(lines[0].contains("task `reader` "), "{lines:#?}");
    assert!(lines[0].contains(&place), "{lines:#?}");
    // Numbers begin anew in each simulated loop.
    assert!(lines[3].contains("task `Task-2` "), "{lines:#?}");
    assert!(lines[5].ends_with("socket 1 is readable"), "{lines:#?}");
    let tasks = lines.iter().filter(|line| line.contains("`reader`"));
    assert_eq!(
        tasks.count(),
        2,
        "the cancelled callback ran not: {lines:#?}"
    );
}

#[test]
fn of_a_long_trace_the_end_can_be_kept() {
    let of = |trace_limit| {
        let event_loop = simulated(SimOptions {
            trace: true,
            trace_limit,
            ..SimOptions::default()
        });
        event_loop
            .run_until_complete(echo_among_many(2, 100))
            .unwrap();
        event_loop.sim_network().unwrap().take_trace()
    };
    let all = of(usize::MAX);
    assert!(all.len() > 20);
    assert_eq!(of(10), all[all.len() - 10..]);
    assert_eq!(of(0), []);
}
