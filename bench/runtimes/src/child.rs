//! The command line of the measuring processes, and which type each name stands for.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

use crate::peers::bucle::Bucle;
#[cfg(feature = "uring")]
use crate::peers::{compio::Compio, glommio::Glommio, monoio::Monoio};
use crate::peers::{floor::Floor, smol::Smol, tokio::Tokio};
use crate::plan::Figures;
use crate::{cases, echo};

/// Measures one case of one runtime in this process, and prints the figures as one line of JSON. `runtime echo SERVER` serves
/// instead, until it is killed: bare, bucle-protocol, bucle-stream, tokio.
#[derive(Debug, Parser)]
struct Arguments {
    /// bucle, floor, tokio, smol, monoio, glommio, compio
    runtime: String,
    /// The case, as in the tables of bucle-bench
    case: String,
    /// Operations in a repetition, instead of the case's own number
    #[arg(long)]
    count: Option<u64>,
    /// Repetitions, of which the best counts, instead of the case's own number
    #[arg(long)]
    repetitions: Option<u32>,
}

/// Reads the command line, measures, prints. `live_bytes` tells what the allocator has given out, where that is counted.
pub fn main(live_bytes: Option<fn() -> usize>) -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.runtime == "echo"
        && let Err(error) = echo::serve(&arguments.case)
    {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    match run(&arguments, live_bytes) {
        Ok(figures) => {
            println!("{}", serde_json::json!(figures));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, live_bytes: Option<fn() -> usize>) -> Result<Figures> {
    let case = arguments.case.as_str();
    let Some(mut plan) = cases::plan(case) else {
        bail!("there is no case {case:?}");
    };
    plan.count = arguments.count.unwrap_or(plan.count);
    plan.repetitions = arguments.repetitions.unwrap_or(plan.repetitions);
    if plan.count == 0 || plan.repetitions == 0 {
        bail!("nothing is measured with no operation");
    }
    let done = match arguments.runtime.as_str() {
        "floor" => cases::bare::<Floor>(case, plan),
        "bucle" => cases::own(case, plan).or_else(|| cases::full::<Bucle>(case, plan, live_bytes)),
        "tokio" => cases::full::<Tokio>(case, plan, live_bytes),
        "smol" => cases::full::<Smol>(case, plan, live_bytes),
        #[cfg(feature = "uring")]
        "monoio" => cases::full::<Monoio>(case, plan, live_bytes),
        #[cfg(feature = "uring")]
        "glommio" => cases::full::<Glommio>(case, plan, live_bytes),
        #[cfg(feature = "uring")]
        "compio" => cases::full::<Compio>(case, plan, live_bytes),
        other => bail!("{other} is no runtime, or it is not built in"),
    };
    match done {
        Some(figures) => Ok(figures),
        None => bail!("{} has no {case}", arguments.runtime),
    }
}
