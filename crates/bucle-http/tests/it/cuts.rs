//! Events are equal however the bytes are cut: over random messages, mutated ones, random cuts.

use bucle_http::{Limits, Method};
use proptest::prelude::*;

use crate::drive::{Outcome, answers_cut, equal_however_cut, serve_cut};
use crate::generator::{Random, mutate, request, response};

/// Some messages one after the other, with some mutations.
fn messages(seed: u64, mutations: usize, one: fn(&mut Random, &mut Vec<u8>)) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut input = Vec::new();
    for _ in 0..1 + random.below(3) {
        one(&mut random, &mut input);
    }
    for _ in 0..mutations {
        mutate(&mut random, &mut input);
    }
    input
}

fn serve(input: &[u8], cuts: &[usize]) -> Outcome {
    serve_cut(input, cuts, &Limits::default())
}

fn answers(input: &[u8], cuts: &[usize]) -> Outcome {
    answers_cut(input, &[Method::Get; 4], cuts, &Limits::default())
}

fn ascending(mut cuts: Vec<prop::sample::Index>, length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.drain(..).map(|cut| cut.index(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests(seed: u64, mutations in 0..4usize, cuts: Vec<prop::sample::Index>) {
        let input = messages(seed, mutations, request);
        let whole = serve(&input, &[]);
        prop_assert_eq!(&whole.said, &serve(&input, &ascending(cuts, input.len())).said);
        if mutations == 0 {
            prop_assert_eq!(whole.error(), None);
        }
    }

    #[test]
    fn responses(seed: u64, mutations in 0..4usize, cuts: Vec<prop::sample::Index>) {
        let input = messages(seed, mutations, response);
        let whole = answers(&input, &[]);
        prop_assert_eq!(&whole.said, &answers(&input, &ascending(cuts, input.len())).said);
        if mutations == 0 {
            prop_assert_eq!(whole.error(), None);
        }
    }

    #[test]
    fn bytes_that_are_nearly_heads(
        input in "(GET|POST) [/*a-c?#%]{1,6} HTTP/1[.][0-3]\r\n([A-Ca-c: \t\"]{0,5}[:\r\n\\x00-\\x7f]{1,3}){0,6}\r\n\r\n",
        cuts: Vec<prop::sample::Index>,
    ) {
        let input = input.as_bytes();
        prop_assert_eq!(serve(input, &[]).said, serve(input, &ascending(cuts, input.len())).said);
    }

    #[test]
    fn long_lines_with_one_byte_changed(
        lines in prop::collection::vec("[A-Za-z-]{1,20}:[ \t]{0,2}[ -~\t]{0,250}\r\n", 0..6),
        change: (prop::sample::Index, u8),
        cuts: Vec<prop::sample::Index>,
    ) {
        let mut input = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines.concat()).into_bytes();
        for byte in [change.1, b'\r', b'\n', b'\t', b':'] {
            let at = change.0.index(input.len());
            input[at] = byte;
            let cuts = ascending(cuts.clone(), input.len());
            prop_assert_eq!(serve(&input, &[]).said, serve(&input, &cuts).said);
        }
    }
}

#[test]
fn at_every_offset() {
    for seed in 0..60 {
        for mutations in 0..3 {
            let input = messages(seed, mutations, request);
            equal_however_cut(|cuts| serve(&input, cuts), input.len());
            let input = messages(seed, mutations, response);
            equal_however_cut(|cuts| answers(&input, cuts), input.len());
        }
    }
}
