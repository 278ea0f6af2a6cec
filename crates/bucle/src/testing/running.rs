//! One run of one body, and how it ended.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::rc::Rc;

use bucle_loop::sim::SimEvent;
use bucle_loop::{EventLoop, SimOptions, TaskError};

use super::failure::Failure;
use super::quiet::is_quiet;
use super::{SEED_VARIABLE, TRACE_VARIABLE, World};

/// How many of the last events a failure tells.
const TAIL: usize = 25;

/// What a loop says of a circle of tasks that wait for each other.
const CIRCLE: &str = "deadlock: tasks wait for each other";

/// How a run ended.
pub(super) struct Ended<T> {
    pub(super) result: Result<T, Ending>,
    /// What reached the exception handler.
    pub(super) told: Vec<String>,
    /// As much of it as was asked for; nothing of the real world.
    pub(super) trace: Vec<SimEvent>,
}

/// How it ended badly.
pub(super) enum Ending {
    /// By a panic, which the panic hook has told of.
    Panicked(Box<dyn Any + Send>),
    /// Otherwise; nobody has told of it yet.
    Failed(String),
}

impl Ending {
    fn failed(message: String) -> Ending {
        Ending::Failed(message)
    }

    pub(super) fn into_failure(self, seed: u64, told: Vec<String>) -> Failure {
        let failure = match self {
            Ending::Panicked(payload) => Failure::panic(seed, &*payload),
            Ending::Failed(message) => Failure::other(seed, message),
        };
        Failure { told, ..failure }
    }

    #[track_caller]
    fn raise(self) -> ! {
        match self {
            Ending::Panicked(payload) => resume_unwind(payload),
            Ending::Failed(message) => panic!("{message}"),
        }
    }
}

/// Runs `body` to its end, and drops what is left.
pub(super) fn once<F>(simulation: Option<SimOptions>, body: F) -> Ended<F::Output>
where
    F: Future + 'static,
{
    let mut builder = EventLoop::builder();
    if let Some(options) = simulation {
        builder = builder.simulated(options);
    }
    let event_loop = match builder.build() {
        Ok(event_loop) => event_loop,
        Err(error) => {
            return Ended {
                result: Err(Ending::failed(format!(
                    "the event loop can't be made: {error}"
                ))),
                told: Vec::new(),
                trace: Vec::new(),
            };
        }
    };
    let errors = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let errors = errors.clone();
        move |_, context| {
            if !is_quiet() {
                eprintln!("bucle: {context}");
            }
            errors.borrow_mut().push(context.to_string());
        }
    });
    // Named, since its place of spawning, here, tells nobody anything.
    let main = event_loop.spawn_named("test", body);
    let result = event_loop.run_task(main);
    let network = event_loop.sim_network();
    let trace = network.map_or_else(Vec::new, |network| network.take_trace());
    if result.is_ok() && event_loop.wait_graph().cycles().is_empty() {
        // A circle that a time-out or a cancellation has opened since is nobody's fault.
        errors
            .borrow_mut()
            .retain(|told: &String| !told.contains(CIRCLE));
    }
    // What is left is dropped now, so that an error in a destructor counts too.
    let closed = catch_unwind(AssertUnwindSafe(|| event_loop.close()));
    let told = errors.take();
    let result = match result {
        Err(TaskError::Panicked(panic)) => Err(match panic.take_payload() {
            Some(payload) => Ending::Panicked(payload),
            None => Ending::failed(panic.to_string()),
        }),
        Err(error) => Err(Ending::failed(format!("the test did not end: {error}"))),
        Ok(value) => match (closed, told.first()) {
            (Err(payload), _) => Err(Ending::Panicked(payload)),
            (Ok(()), Some(first)) => Err(Ending::failed(format!(
                "an error reached the loop's exception handler: {first}"
            ))),
            (Ok(()), None) => Ok(value),
        },
    };
    Ended {
        result,
        told,
        trace,
    }
}

/// A run whose end is the test's.
pub(super) struct Run<'a> {
    simulation: Option<SimOptions>,
    name: Option<&'a str>,
    /// Where the whole trace is to be written.
    trace_file: Option<PathBuf>,
}

impl<'a> Run<'a> {
    /// A run in `world` of the test `name`, a path that begins with its crate.
    pub(super) fn of(world: World, name: Option<&'a str>) -> Run<'a> {
        let trace_file = std::env::var_os(TRACE_VARIABLE).map(PathBuf::from);
        let mut simulation = world.simulation;
        if let Some(options) = &mut simulation {
            if trace_file.is_some() {
                options.trace = true;
                options.trace_limit = usize::MAX;
            } else if !options.trace {
                options.trace = true;
                options.trace_limit = TAIL;
            }
        }
        Run {
            simulation,
            name,
            trace_file,
        }
    }

    /// Runs `body`. If it fails, or `is_failure` says so of what it came to, this is told with the
    /// way to have it again.
    #[track_caller]
    pub(super) fn complete<F>(self, body: F, is_failure: impl Fn(&F::Output) -> bool) -> F::Output
    where
        F: Future + 'static,
    {
        let Ended { result, trace, .. } = once(self.simulation.clone(), body);
        self.write_trace(&trace);
        let mut postscript = Postscript {
            run: &self,
            trace,
            failed: true,
        };
        match result {
            // Behind what the panic hook says.
            Err(ending) => ending.raise(),
            Ok(value) => {
                postscript.failed = is_failure(&value);
                value
            }
        }
    }

    fn write_trace(&self, trace: &[SimEvent]) {
        if let (Some(path), Some(_)) = (&self.trace_file, &self.simulation)
            && let Err(error) = std::fs::write(path, text(trace))
        {
            let path = path.display();
            eprintln!("bucle: the trace can't be written to {path}: {error}");
        }
    }
}

/// A trace as text, one event a line.
pub(super) fn text(trace: &[SimEvent]) -> String {
    trace.iter().map(|event| format!("{event}\n")).collect()
}

/// Tells the last events and the seed when dropped, as it is when a test fails by a panic.
struct Postscript<'a> {
    run: &'a Run<'a>,
    trace: Vec<SimEvent>,
    failed: bool,
}

impl Drop for Postscript<'_> {
    fn drop(&mut self) {
        let Some(options) = &self.run.simulation else {
            return;
        };
        if !self.failed {
            return;
        }
        let seed = options.seed;
        let tail = &self.trace[self.trace.len().saturating_sub(TAIL)..];
        if !tail.is_empty() {
            eprint!("the last that happened:\n{}", text(tail));
        }
        let again = format!("{SEED_VARIABLE}={seed}");
        match self.run.name.and_then(|name| name.split_once("::")) {
            Some((_, test)) => {
                eprintln!("failed with seed {seed}; again: {again} cargo test {test} -- --exact");
            }
            None => eprintln!("failed with seed {seed}; {again} runs the same again"),
        }
    }
}
