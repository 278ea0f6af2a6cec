//! Any bytes through `ClientConnection`, as the target `request` does it for requests.
#![no_main]

#[path = "../cuts.rs"]
mod cuts;
#[path = "../../crates/bucle-http/tests/it/drive.rs"]
#[allow(dead_code)]
mod drive;

use bucle_http::{Limits, Method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut limits = Limits::default();
    limits.head_bytes = 300;
    limits.fields = 8;
    limits.chunk_extension_bytes = 20;
    limits.trailer_bytes = 40;
    limits.interim_responses = 3;
    let methods = [
        Method::Get,
        Method::Head,
        Method::Get,
        Method::Get,
        Method::Connect,
    ];
    let whole = drive::answers_cut(input, &methods, &[], &limits);
    for cuts in [cuts::some(input), cuts::all(input)] {
        let cut = drive::answers_cut(input, &methods, &cuts, &limits);
        assert_eq!(whole.said, cut.said, "cut at {cuts:?}");
    }
});
