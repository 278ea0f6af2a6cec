//! The conformance table (`conformance/`), played against the command. With `BUCLE_BINARY` in the
//! environment it is played against that binary, a release for one.

use conformance::play::{Cuts, WATCHDOG, play};
use conformance::{cases, site};

use crate::support::Serving;

fn plays(cuts: Cuts) {
    let folder = tempfile::tempdir().unwrap();
    site::make(folder.path()).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--echo", "--access-log", "off"];
    let serving = Serving::start(folder.path(), &arguments);
    let (connections, failures) = play(&cases(), cuts, serving.address, WATCHDOG).unwrap();
    for failure in failures.iter().take(50) {
        eprintln!("{failure}");
    }
    assert_eq!(failures.len(), 0, "of {connections} connections");
}

#[test]
fn every_row_whole() {
    plays(Cuts::Whole);
}

#[test]
fn every_row_byte_by_byte() {
    plays(Cuts::EveryByte);
}

#[test]
fn every_row_cut_at_each_offset() {
    plays(Cuts::EachOffset);
}
