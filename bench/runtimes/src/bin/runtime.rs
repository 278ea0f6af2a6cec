//! `runtime NAME CASE`: one case of one runtime, on the system's allocator, timed.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench_runtimes::main(None)
}
