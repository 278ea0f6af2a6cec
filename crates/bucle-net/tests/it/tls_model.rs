//! TLS under arbitrary commands: protocols are told as without it, and what was written arrives.

use std::time::Duration;

use bucle_loop::{sleep, yield_now};
use bucle_net::Transport;
use proptest::prelude::*;

use crate::support::*;
use crate::tls::both;
use crate::transports_model::{check, command};

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Pause,
    Resume,
    Limits(usize, usize),
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![1..20usize, 1..40_000usize, 1..300_000usize];
    prop_oneof![
        4 => size.prop_map(Step::Write),
        2 => Just(Step::Pause),
        3 => Just(Step::Resume),
        1 => (0..100_000usize, 0..100_000usize).prop_map(|(a, b)| Step::Limits(a, b)),
        4 => Just(Step::Wait),
    ]
}

/// Runs the steps on both ends, then ends both in order; all that was written has to arrive.
async fn converse(steps: Vec<(bool, Step)>) {
    let ends = [Record::new().keep_open(), Record::new().keep_open()];
    let (left, right, _server) = both(&ends[0], &ends[1]).await;
    let transports = [left, right];
    let content = pattern(300_000);
    let mut written = [Vec::new(), Vec::new()];
    for (right, step) in steps {
        let side = usize::from(right);
        let transport: &Transport = &transports[side];
        match step {
            Step::Write(size) => {
                let start = written[side].len() % 1000;
                let piece = &content[start..(start + size).min(content.len())];
                written[side].extend_from_slice(piece);
                transport.write(piece);
            }
            Step::Pause => transport.pause_reading(),
            Step::Resume => transport.resume_reading(),
            Step::Limits(high, low) => transport.set_write_buffer_limits(high, low),
            Step::Wait => {
                yield_now().await;
                sleep(Duration::from_micros(50)).await;
            }
        }
    }
    for transport in &transports {
        transport.resume_reading();
        transport.write_eof();
    }
    for end in &ends {
        end.until(|end| end.saw(&Told::Eof)).await;
    }
    for transport in &transports {
        transport.close();
    }
    for (side, end) in ends.iter().enumerate() {
        end.lost().await;
        let mut told = end.told();
        told.retain(|told| !matches!(told, Told::Pause | Told::Resume));
        let data: Vec<u8> = told
            .iter()
            .filter_map(|told| match told {
                Told::Data(data) => Some(&data[..]),
                _ => None,
            })
            .collect::<Vec<_>>()
            .concat();
        assert!(data == written[1 - side], "{} bytes", data.len());
        told.retain(|told| !matches!(told, Told::Data(_)));
        assert_eq!(told, [Told::Made, Told::Eof, Told::Lost(None)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn protocols_are_told_in_order(
        outside in prop::collection::vec((any::<bool>(), command()), 0..30),
        inside in prop::collection::vec(command(), 0..20),
        keep_open: bool,
    ) {
        within(move || {
            let connect = async |left: &Record, right: &Record| both(left, right).await;
            bucle_loop::run(check(connect, outside, inside, keep_open)).unwrap();
        });
    }

    #[test]
    fn what_is_written_arrives(
        steps in prop::collection::vec((any::<bool>(), step()), 0..40),
    ) {
        within(move || bucle_loop::run(converse(steps)).unwrap());
    }
}
