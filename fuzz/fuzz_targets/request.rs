//! Any bytes through `ServerConnection`, whole, cut in places that the bytes themselves choose, and
//! byte by byte: the events are equal, each step gets on, nothing panics (`drive` asserts it).
#![no_main]

#[path = "../cuts.rs"]
mod cuts;
#[path = "../../crates/bucle-http/tests/it/drive.rs"]
#[allow(dead_code)]
mod drive;

use bucle_http::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Small enough for the fuzzer to reach them.
    let mut limits = Limits::default();
    limits.target_bytes = 60;
    limits.head_bytes = 300;
    limits.fields = 8;
    limits.chunk_extension_bytes = 20;
    limits.trailer_bytes = 40;
    let whole = drive::serve_cut(input, &[], &limits);
    for cuts in [cuts::some(input), cuts::all(input)] {
        let cut = drive::serve_cut(input, &cuts, &limits);
        assert_eq!(whole.said, cut.said, "cut at {cuts:?}");
    }
});
