//! Errors that reached the loop, slow callbacks, and what can be asked of a loop.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::LoopRef;
use crate::exceptions::{ExceptionContext, panic_message};
use crate::fds::{Interest, Owner, Source};
use crate::slow::Slow;
use crate::task::discard;
use crate::wait_graph::{Needs, Survey, WaitKind, WatchedDescriptor, What};

impl LoopRef {
    /// Sets who is told of panics and errors that reach the loop; without one they are printed to
    /// standard error. The loop goes on either way, also when the handler itself panics.
    pub fn set_exception_handler(&self, handler: impl Fn(&LoopRef, ExceptionContext) + 'static) {
        let old = self
            .core
            .exception_handler
            .borrow_mut()
            .replace(Rc::new(handler));
        drop(old);
    }

    /// Goes back to printing.
    pub fn reset_exception_handler(&self) {
        let old = self.core.exception_handler.borrow_mut().take();
        drop(old);
    }

    /// Tells the exception handler of `context`.
    pub fn call_exception_handler(&self, context: ExceptionContext) {
        self.core.counters.exceptions.add(1);
        let handler = self.core.exception_handler.borrow().clone();
        let Some(handler) = handler else {
            eprintln!("bucle: {context}");
            if let Some(payload) = context.panic {
                discard(payload);
            }
            return;
        };
        let told = context.to_string();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler(self, context))) {
            eprintln!(
                "bucle: the exception handler panicked ({}) when told: {told}",
                panic_message(&*payload)
            );
            discard(payload);
        }
    }

    /// Switches debug mode: with it on, slow callbacks are measured to the nanosecond instead of to
    /// the system's tick (a few milliseconds), and each task that a cancellation ended is told of on
    /// standard error, with the biography of the cancellation.
    pub fn set_debug(&self, on: bool) {
        self.core.debug.set(on);
        self.core.slow.set_precise(on);
    }

    /// Whether debug mode is on.
    #[doc(alias = "get_debug")]
    pub fn debug(&self) -> bool {
        self.core.debug.get()
    }

    /// Sets how long a callback or a step of a task may run before it is reported to standard
    /// error; 100 ms until set. [`Duration::MAX`] switches the report off.
    ///
    /// While steps take under 10 us on average, eight are timed together, under 200 ns 32, and the
    /// report says so ("or one of the 7 short steps before it"); under 50 ms, or in debug mode, never.
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.core.slow.set_threshold(duration);
    }

    /// How long a callback may run before it is reported.
    pub fn slow_callback_duration(&self) -> Duration {
        self.core.slow.threshold()
    }

    #[cold]
    pub(super) fn report_slow(
        &self,
        source: &'static str,
        name: Option<String>,
        location: Option<&'static Location<'static>>,
        slow: Slow,
    ) {
        self.core.counters.slow_callbacks.add(1);
        let who = match slow.steps {
            1 => String::new(),
            steps => format!("or one of the {} short steps before it ", steps - 1),
        };
        let context = ExceptionContext {
            name,
            location,
            ..ExceptionContext::new(
                source,
                format!(
                    "{who}held the loop for {} ms; move long work to a thread, or yield in between",
                    slow.took.as_millis()
                ),
            )
        };
        let handler = self.core.slow.handler.borrow().clone();
        match handler {
            Some(handler) => self.guard("slow callback handler", None, move || handler(&context)),
            None => eprintln!("bucle: slow {context}"),
        }
    }

    /// Sets who is told of slow callbacks, in place of standard error.
    pub fn set_slow_callback_handler(&self, handler: impl Fn(&ExceptionContext) + 'static) {
        let old = self
            .core
            .slow
            .handler
            .borrow_mut()
            .replace(Rc::new(handler));
        drop(old);
    }

    /// The name of the selector in use: `epoll`, `poll`, `sim`.
    pub fn selector_name(&self) -> &'static str {
        self.core.fds.borrow().selector.name()
    }

    /// The descriptors that are watched, for a graph.
    pub(crate) fn watched_descriptors(&self) -> Vec<WatchedDescriptor> {
        let all = self.core.fds.borrow().all();
        all.into_iter()
            .map(|(number, interest, owner)| WatchedDescriptor {
                number,
                reads: interest.reads(),
                writes: interest.writes(),
                owner: match owner {
                    Owner::Source(source) => {
                        described(&*source).unwrap_or_else(|| "a transport".to_owned())
                    }
                    Owner::Callbacks { reader, writer } => {
                        let added = reader.or(writer).map(|watcher| watcher.location);
                        added.map_or_else(String::new, |at| format!("a callback added at {at}"))
                    }
                },
            })
            .collect()
    }

    /// Tells of the tasks that wait for a descriptor. Runs the transports' code.
    pub(crate) fn tell_of_descriptors(&self, survey: &mut Survey) {
        let all = self.core.fds.borrow().all();
        for (number, _, owner) in all {
            if let Owner::Source(source) = owner {
                let mut tell = |waker: &Waker, interest: Interest| {
                    let side = match interest.reads() {
                        true => "readable",
                        false => "writable",
                    };
                    let mut text = format!("fd {number} to be {side}");
                    if let Some(owner) = described(&*source) {
                        text = format!("{text}, of {owner}");
                    }
                    let mut what = What::new(WaitKind::Descriptor, "fd");
                    what.name = Some(text.into());
                    survey.waits(waker, what, Needs::Anyone);
                };
                self.guard("transport", None, || source.waiting(&mut tell));
            }
        }
    }

    /// How many descriptors are watched, the loop's own one not counted.
    pub fn watched_fds(&self) -> usize {
        let own = usize::from(self.core.sim.is_none());
        self.core.fds.borrow().watched().saturating_sub(own)
    }
}

/// What a source says it is; a panic says nothing.
pub(super) fn described(source: &dyn Source) -> Option<String> {
    let described = catch_unwind(AssertUnwindSafe(|| source.describe()));
    described.unwrap_or_else(|payload| {
        discard(payload);
        None
    })
}
