//! The command `bucle`.
//!
//! | file | what |
//! |---|---|
//! | `serve` | `bucle serve [DIR]`: serves a folder over HTTP |
//! | `certificate` | the one of `--tls-self-signed` |
//! | `bench` | `bucle bench`: measures the machine, the loop, servers and executors (the feature `bench`) |
//! | `limits` | its limits, one flag each |
//! | `units` | times and sizes as people write them |
//!
//! Exit codes: 0 after a clean stop, 1 when something failed, 2 for a wrong command line. What went
//! wrong is one line on standard error, which says what to do.
#![forbid(unsafe_code)]

#[cfg(all(feature = "bench", target_os = "linux"))]
mod bench;
mod certificate;
mod limits;
mod serve;
mod units;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

/// A wrong command line.
const USAGE: u8 = 2;

/// An event loop in the shape of asyncio, and a web server on it.
#[derive(Parser)]
#[command(name = "bucle", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a folder of files over HTTP.
    Serve(Box<serve::Serve>),
    /// Measure: the machine, the loop, a server, executors.
    #[cfg(all(feature = "bench", target_os = "linux"))]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    // The workers of `bucle bench` are this program, and end here.
    #[cfg(all(feature = "bench", target_os = "linux"))]
    bucle::process::init();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.exit_code() == 0 => {
            // `--help` and `--version` are answers.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            tell(&one_line(&error, &named_command()));
            return ExitCode::from(USAGE);
        }
    };
    let result = match arguments.command {
        Command::Serve(serve) => serve.run(),
        #[cfg(all(feature = "bench", target_os = "linux"))]
        Command::Bench(bench) => bench.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tell(&message);
            ExitCode::FAILURE
        }
    }
}

/// Standard error may be closed, which changes nothing.
fn tell(message: &str) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

/// The command that the command line names, as far as there is such a one: `bucle bench http`.
fn named_command() -> String {
    let commands = Arguments::command();
    let (mut command, mut name) = (&commands, commands.get_name().to_owned());
    for word in std::env::args_os().skip(1) {
        let Some(found) = command.find_subcommand(&word) else {
            break;
        };
        command = found;
        name = format!("{name} {}", found.get_name());
    }
    name
}

/// What clap has to say, on one line: what is wrong, what was meant perhaps, where to read on.
fn one_line(error: &clap::Error, command: &str) -> String {
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        if command == "bucle bench" {
            return "no benchmark was named, such as os or http; see: bucle bench --help".into();
        }
        return "no command was given; to serve a folder: bucle serve DIR".into();
    }
    if let Some(folder) = named(error, ContextKind::InvalidSubcommand)
        && command == "bucle"
        && Path::new(folder).is_dir()
    {
        return format!("`{folder}` is no command; to serve that folder: bucle serve {folder}");
    }
    let text = error.to_string();
    let said = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:"))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .map(|line| line.trim_start_matches("error: "))
        // Hardly ever what was meant.
        .filter(|line| !(line.starts_with("tip: to pass ") && line.contains("as a value")))
        .collect::<Vec<_>>()
        .join("; ")
        // A list follows.
        .replace(":; ", ": ");
    let unknown = named(error, ContextKind::InvalidArg).filter(|_| command == "bucle serve");
    if error.kind() == ErrorKind::UnknownArgument
        && unknown.is_some_and(|flag| PORTS.contains(&flag))
    {
        return format!(
            "{said}; the port goes with --listen, such as --listen 8080; see: {command} --help"
        );
    }
    format!("{said}; see: {command} --help")
}

/// How other servers' flags are called that say where to listen.
const PORTS: [&str; 8] = [
    "--port",
    "-p",
    "--bind",
    "-b",
    "--address",
    "-a",
    "--addr",
    "--host",
];

/// What the command line has there that clap has no use for.
fn named(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(name) => Some(name),
        _ => None,
    }
}
