//! `cargo run -p conformance -- COMMAND`: see the usage.
#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use conformance::mutants::{self, repository};
use conformance::play::{Cuts, WATCHDOG, play};
use conformance::{cases, document, peers, site};

/// Longer rows are no seeds.
const SEED: usize = 700;

const USAGE: &str = "usage: conformance COMMAND

  site FOLDER              make the folder that the rows are about
  play ADDRESS             play all rows against a `bucle serve --echo` of that folder
  peer [--without-files] NAME ADDRESS
                           play them once against another server, and print what it does
  seeds FOLDER             write what the short rows send, a file each
  document                 write docs/conformance.md
  mutants                  take the checks away one at a time, and write docs/results/conformance-mutants.txt";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["site", folder] => fs::create_dir_all(folder).and_then(|()| site::make(folder.as_ref())),
        ["play", address] => played(address),
        ["peer", name, address] => parsed(address)
            .and_then(|address| peers::play(name, address, true))
            .map(|told| print!("{told}")),
        ["peer", "--without-files", name, address] => parsed(address)
            .and_then(|address| peers::play(name, address, false))
            .map(|told| print!("{told}")),
        ["seeds", folder] => write_seeds(folder.as_ref()),
        ["document"] => write_document(),
        ["mutants"] => write_mutants(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parsed(address: &str) -> io::Result<SocketAddr> {
    address
        .parse()
        .map_err(|_| io::Error::other(format!("`{address}` is no ADDRESS:PORT")))
}

fn played(address: &str) -> io::Result<()> {
    let address = parsed(address)?;
    let mut failed = 0;
    for cuts in [Cuts::Whole, Cuts::EveryByte, Cuts::EachOffset] {
        let (connections, failures) = play(&cases(), cuts, address, WATCHDOG)?;
        for failure in &failures {
            println!("{failure}");
        }
        failed += failures.len();
        println!(
            "{cuts:?}: {connections} connections, {} failures",
            failures.len()
        );
    }
    if failed > 0 {
        return Err(io::Error::other(format!("{failed} failures")));
    }
    Ok(())
}

/// What the fuzz targets begin with.
fn write_seeds(folder: &Path) -> io::Result<()> {
    for case in cases().iter().filter(|case| case.sent.len() <= SEED) {
        fs::write(folder.join(case.id), &case.sent)?;
    }
    Ok(())
}

fn write_document() -> io::Result<()> {
    let docs = repository().join("docs");
    let peers = fs::read_to_string(docs.join("results/conformance-peers.txt")).unwrap_or_default();
    fs::write(docs.join("conformance.md"), document::document(&peers))
}

fn write_mutants() -> io::Result<()> {
    let (report, survivors) = mutants::run(&repository())?;
    print!("{report}");
    fs::write(
        repository().join("docs/results/conformance-mutants.txt"),
        report,
    )?;
    if !survivors.is_empty() {
        return Err(io::Error::other(
            "a check that can be taken away without a row that fails",
        ));
    }
    Ok(())
}
