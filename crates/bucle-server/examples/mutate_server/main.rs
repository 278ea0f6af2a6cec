//! Mutations of valid requests, and random bytes, through a whole server: nothing may panic, hang
//! or grow.
//!
//! ```text
//! cargo run --release -p bucle-server --example mutate_server -- --count 10000000 --random-bytes 100000000
//! ```
//!
//! Exits with 1 if something did, or if fewer than 30 % of the connections had their first request
//! accepted, which would mean that mutations hardly get past the request line.

mod drive;
#[path = "../../../bucle-http/examples/mutate/generator.rs"]
#[allow(dead_code)]
mod generator;

use std::process::ExitCode;

/// The share of connections that must have an accepted request, in percent.
const ACCEPTED_PERCENT: u64 = 30;

/// How much more memory may be resident at the end than after the first hundredth, in bytes.
const GROWTH: u64 = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let mut numbers = [100_000, 1_000_000, 1];
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let place = ["--count", "--random-bytes", "--seed"]
            .iter()
            .position(|known| *known == name);
        match (place, given.next().and_then(|value| value.parse().ok())) {
            (Some(place), Some(value)) => numbers[place] = value,
            _ => {
                eprintln!("{name}: use --count N, --random-bytes N or --seed N");
                return ExitCode::from(2);
            }
        }
    }
    match soak(numbers[0], numbers[1], numbers[2]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn soak(count: u64, random_bytes: u64, seed: u64) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("mutate-server-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("a/b")).map_err(|error| error.to_string())?;
    for name in ["index.html", "a/b/c"] {
        std::fs::write(folder.join(name), name).map_err(|error| error.to_string())?;
    }
    let result = (|| {
        // What is set aside at the beginning does not count.
        drive::mutations(count / 100 + 1, seed, &folder)?;
        drive::random_bytes(random_bytes / 100 + 1, seed, &folder)?;
        let before = resident();
        let totals = drive::mutations(count, seed, &folder)?;
        println!(
            "{count} mutations over {} connections, {} of which were accepted",
            totals.sent, totals.accepted
        );
        let random = drive::random_bytes(random_bytes, seed, &folder)?;
        println!(
            "{random_bytes} random bytes over {} connections",
            random.sent
        );
        let grown = resident().saturating_sub(before);
        println!("{grown} bytes grown");
        if grown > GROWTH {
            return Err(format!("grown by {grown} bytes, more than {GROWTH}"));
        }
        if totals.accepted * 100 < totals.sent * ACCEPTED_PERCENT {
            return Err(format!("fewer than {ACCEPTED_PERCENT} % were accepted"));
        }
        Ok(())
    })();
    let _ = std::fs::remove_dir_all(&folder);
    result
}

/// Resident bytes of this process; 0 where the system doesn't tell.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}
