//! Any bytes to a whole server: its connections, its handlers, a folder of files, on the simulated
//! network and in virtual time. Whole and at once; cut at places and with pauses that the bytes
//! themselves choose; and with everything that may go wrong on the way.
//!
//! The answers must be what bucle-http's client takes for answers, and the same however the bytes came.
//! A client beside it must be answered as if it were alone. Nothing may panic, no connection may stay.
#![no_main]

#[path = "../cuts.rs"]
mod cuts;
#[path = "../../crates/bucle-http/tests/it/drive.rs"]
#[allow(dead_code)]
mod drive;
#[path = "../world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use world::{Client, Reading, run};

fuzz_target!(|input: &[u8]| {
    let hash = cuts::hash(input);
    let whole = run(input, Client::calm(hash)).answers(input);
    let cut = run(input, Client::patient(hash, cuts::some(input))).answers(input);
    // Whether a body that nobody reads is awaited depends on whether it was there already.
    let expects = input
        .windows(6)
        .any(|six| six.eq_ignore_ascii_case(b"expect"));
    if !expects && let (Some(whole), Some(cut)) = (whole, cut) {
        assert_eq!(whole, cut, "cut at {:?}", cuts::some(input));
    }
    for reading in [Reading::AtOnce, Reading::Slowly, Reading::Never] {
        if hash % 3 == reading as u64 {
            run(input, Client::hostile(hash, cuts::some(input), reading));
        }
    }
});
