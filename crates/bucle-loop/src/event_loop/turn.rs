//! The turn: [`LoopRef::turn`] and its phases, and what is around them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use super::asking::{ASK_AFTER, ASK_AFTER_SHORT};
use super::debugging::described;
use super::{Core, LoopRef, State};
use crate::exceptions::ExceptionContext;
use crate::fds::{Interest, Owner, Readiness, Source, Watcher, split_token};
use crate::handles::HandleCell;
use crate::inbox::Message;
use crate::ready::Entry;
use crate::running;
use crate::sim::SimNetwork;
use crate::slow::Slow;
use crate::task::cell::{TaskRef, prefetch_woken};
use crate::timers::Due;

/// How many timers that are due are taken at once: so many tasks are asked for from memory before the
/// first is woken.
const DUE_AT_ONCE: usize = 32;

/// Where there are more tasks than this, those that are run next are asked for from memory, so many at
/// a time.
const MANY_TASKS: usize = 16 * 1024;
const ASKED_FOR: usize = 16;

/// A turn that is cut short because timers have come due, or the system is to be asked, runs at least
/// one entry more before it is cut again for so many that ran in between.
const ONE_FOR: usize = 4;

/// Running: the turn and its phases.
impl LoopRef {
    /// Runs until [`stop`](LoopRef::stop) is called.
    ///
    /// # Panics
    /// If the loop is closed, or a loop is running in this thread already.
    #[track_caller]
    pub fn run_forever(&self) {
        let _entered = self.enter();
        let core = &*self.core;
        if core.sim.is_none() {
            core.ask_after.set(ASK_AFTER);
            core.slow.start(true);
        }
        loop {
            if !self.run_short_turn() {
                self.turn();
            } else if core.at_end.get() {
                self.flush();
            }
            if core.at_end.get() && core.stopping.replace(false) {
                break;
            }
        }
        self.end_group_of_steps();
    }

    /// A turn with few entries and nothing else, as most are: it finds so by one look at each thing
    /// that a turn may have to do. False if there is more, and nothing was done. Only under
    /// `run_forever`; the turn's end is left to the caller.
    #[inline(always)]
    fn run_short_turn(&self) -> bool {
        let core = &*self.core;
        let count = core.ready.len();
        // One comparison for none and for many. What has arrived was put there by a turn that ran it
        // too, and events are left by asking the system only.
        if count.wrapping_sub(1) >= ASK_AFTER as usize
            || !self.asked_lately()
            || core.inbox.has_pending()
            || core.timers.len() != 0
            || core.ready.rest() != 0
        {
            return false;
        }
        core.counters.turns.add(1);
        self.run_entries(count);
        core.counters.ran.add(count as u64);
        true
    }

    /// Makes this loop the running one of its thread for as long as the returned guard lives: for
    /// embedders, who take its turns themselves. [`run_forever`](LoopRef::run_forever) does it for
    /// everybody else.
    ///
    /// ```
    /// let event_loop = bucle_loop::EventLoop::new()?;
    /// let task = event_loop.spawn(bucle_loop::sleep(std::time::Duration::from_millis(1)));
    /// let entered = event_loop.enter();
    /// while !task.done() {
    ///     event_loop.select();
    ///     event_loop.dispatch();
    ///     event_loop.expire();
    ///     event_loop.run_ready();
    ///     event_loop.flush();
    /// }
    /// drop(entered);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the loop is closed, or a loop is running in this thread already.
    #[track_caller]
    pub fn enter(&self) -> Entered {
        match self.core.state.get() {
            State::Idle => {}
            State::Running => panic!("this event loop is running already"),
            State::Closing | State::Closed => panic!("this event loop is closed"),
        }
        let entered = running::enter(self.clone());
        self.core.state.set(State::Running);
        Entered {
            core: self.core.clone(),
            _running: entered,
        }
    }

    /// One turn. An embedder may call the phases one by one instead, in this order.
    #[inline]
    pub fn turn(&self) {
        self.select();
        self.dispatch();
        self.expire();
        self.run_ready();
        self.flush();
    }

    /// Phase 1: waits for the operating system; not at all if something is ready, else until the
    /// next timer is due.
    ///
    /// Under [`run_forever`](LoopRef::run_forever) the system is not even asked where something is
    /// ready and it was asked a moment ago: fewer than 64 entries of the ready queue (512 as long as
    /// they take under 200 ns each; the events that it gave then don't count, and as many may follow
    /// them) and not one tick of the system's clock (a few milliseconds) before. Asking costs more
    /// than ten short steps of a task do.
    #[inline]
    pub fn select(&self) {
        // Here, so that an embedder's turns count too.
        self.core.counters.turns.add(1);
        if self.core.ready.is_empty() || !self.asked_lately() {
            self.ask();
        }
    }

    /// Phase 2: puts what `select` saw, and what other threads sent, into the ready queue.
    #[inline]
    pub fn dispatch(&self) {
        let core = &*self.core;
        if core.inbox.has_pending() || !core.events.borrow().is_empty() {
            self.dispatch_events();
        }
    }

    #[inline(never)]
    fn dispatch_events(&self) {
        let core = &*self.core;
        let arriving = self.lets_overtake().then(|| core.ready.arriving());
        for event in core.events.borrow_mut().drain(..) {
            if let Some(entry) = Entry::io(event.token, event.readiness) {
                core.ready.push(entry);
            }
        }
        if core.inbox.has_pending() {
            let mut messages = core.messages.take();
            core.inbox.drain(&mut messages);
            for message in messages.drain(..) {
                match message {
                    Message::Task(task) => task.wake_from_inbox(),
                    // A trace says where each came from.
                    Message::Call(callback, location) if core.sim.is_some() => core.ready.push(
                        Entry::Callback(HandleCell::new(Box::new(|| callback.run()), location)),
                    ),
                    Message::Call(callback, location) => {
                        core.calls.borrow_mut().push_back((callback, location));
                        core.ready.push(Entry::Call);
                    }
                }
            }
            core.messages.replace(messages);
        }
        drop(arriving);
    }

    /// Whether a long turn may be cut for what arrives meanwhile: not one that an embedder takes,
    /// who was promised all of it, nor in the simulated world, where a turn takes no time.
    #[inline]
    fn lets_overtake(&self) -> bool {
        self.core.ask_after.get() != 0
    }

    /// Phase 3: puts the timers that are due into the ready queue, in the order of their deadlines
    /// and, where these are equal, of arming: the callbacks, and the tasks whose sleeps have ended.
    /// What becomes due meanwhile is for the next turn.
    #[inline]
    pub fn expire(&self) {
        // The clock is not read when nothing can be due.
        if self.core.timers.len() != 0 {
            self.expire_timers();
        }
    }

    #[inline(never)]
    fn expire_timers(&self) {
        let core = &*self.core;
        let now = core.clock.now();
        if !core.timers.may_be_due(now) {
            return;
        }
        let arriving = self.lets_overtake().then(|| core.ready.arriving());
        let mut batch = core.due.take();
        batch.reserve_exact(DUE_AT_ONCE);
        loop {
            core.timers.take_due(now, &mut batch);
            if batch.is_empty() {
                break;
            }
            for due in &batch {
                if let Due::Sleep(waker) = due {
                    prefetch_woken(waker);
                }
            }
            for due in batch.drain(..) {
                match due {
                    // A sleep wakes its task here; a callback goes through the queue like any other.
                    Due::Sleep(waker) => self.guard("waker", None, || waker.wake()),
                    Due::Callback(cell) => core.ready.push(Entry::Callback(cell)),
                }
            }
        }
        core.due.replace(batch);
        drop(arriving);
    }

    /// Phase 4: runs the entries that are in the ready queue now; what they add runs next turn.
    ///
    /// Under [`run_forever`](LoopRef::run_forever) a long turn is cut: where a timer has come due, or
    /// the system's clock has ticked, after 64 entries (512, as in [`select`](LoopRef::select)), what
    /// has arrived from outside (events, messages, timers) goes before the rest. The rest is still
    /// this turn's: it runs before what has been added, and goes on by a quarter of what overtakes
    /// it, or more.
    #[inline]
    pub fn run_ready(&self) {
        let core = &*self.core;
        let ran = match &core.sim {
            None => {
                let count = core.ready.len();
                let ran = if count <= ASK_AFTER as usize && core.ready.rest() == 0 {
                    self.run_entries(count);
                    count
                } else {
                    self.run_long_turn()
                };
                match core.ready.len_arrived() {
                    0 => ran,
                    arrived => ran + self.run_arrived(arrived),
                }
            }
            Some(network) => {
                let count = core.ready.len();
                self.run_simulated(count, network);
                count
            }
        };
        core.counters.ran.add(ran as u64);
    }

    /// Runs so many entries, or what there is.
    #[inline(always)]
    fn run_entries(&self, count: usize) {
        for _ in 0..count {
            match self.core.ready.pop() {
                Some(Entry::Task(task)) => self.run_ready_task(&task),
                Some(entry) => self.run_entry(entry),
                None => break,
            }
        }
    }

    /// Runs what a turn has to run that has more than a part, all or some. How many entries.
    #[inline(never)]
    fn run_long_turn(&self) -> usize {
        let core = &*self.core;
        let count = core.ready.rest_of_turn();
        let mut left = count;
        let mut part = core.ready.least().max(self.part());
        loop {
            let now = part.min(left);
            self.run_entries(now);
            left -= now;
            if left == 0 || self.is_to_make_way() {
                break;
            }
            part = self.part();
        }
        core.ready.cut(left, 0);
        count - left
    }

    /// How many entries run before a turn may be cut.
    #[inline]
    fn part(&self) -> usize {
        match self.core.ask_after.get() {
            0 => usize::MAX,
            ASK_AFTER if self.core.slow.finds_steps_short() => ASK_AFTER_SHORT as usize,
            after => after as usize,
        }
    }

    /// Whether a turn of which more than a part has run makes way for what has arrived meanwhile.
    #[inline(never)]
    fn is_to_make_way(&self) -> bool {
        let core = &*self.core;
        // What was stopped ends with a whole turn.
        if !self.lets_overtake() || core.stopping.get() {
            return false;
        }
        // It was cut before, for this.
        let arrived = core.ready.rest() != 0 && core.ready.len_arrived() != 0;
        arrived
            || core.slow.ask_at.get() == 0
            || core.timers.len() != 0 && core.timers.may_be_due(core.clock.now())
    }

    /// Runs what has arrived from outside, so many entries.
    #[inline(never)]
    fn run_arrived(&self, count: usize) -> usize {
        let core = &*self.core;
        if core.tasks.len() > MANY_TASKS {
            self.run_arrived_of_many(count);
        } else {
            for _ in 0..count {
                match core.ready.pop_arrived() {
                    Some(Entry::Readable(token)) => self.run_io(token, Readiness::READ),
                    Some(entry) => self.run_entry(entry),
                    None => break,
                }
            }
        }
        if let rest @ 1.. = core.ready.rest() {
            core.ready.cut(rest, count / ONE_FOR);
        }
        count
    }

    /// The same, where the memory of tasks is asked for some time before they run.
    #[inline(never)]
    fn run_arrived_of_many(&self, count: usize) {
        let core = &*self.core;
        let mut next = Vec::with_capacity(ASKED_FOR);
        let mut left = count;
        while left > 0 {
            let together = ASKED_FOR.min(left);
            next.extend((0..together).map_while(|_| core.ready.pop_arrived()));
            for entry in &next {
                if let Entry::Task(task) = entry {
                    core.tasks.prefetch(task);
                }
            }
            for entry in next.drain(..) {
                self.run_entry(entry);
            }
            left -= together;
        }
    }

    /// [`run_ready`](LoopRef::run_ready) in an order of the seed, where that is asked for, and with
    /// a trace of what ran.
    #[cold]
    fn run_simulated(&self, count: usize, network: &SimNetwork) {
        let core = &*self.core;
        if let Some(rng) = &core.shuffle {
            core.ready.shuffle(&mut rng.borrow_mut());
        }
        for _ in 0..count {
            let Some(entry) = core.ready.pop() else {
                break;
            };
            if network.net.borrow().is_traced()
                && let Some(kind) = entry.traced()
            {
                network.net.borrow_mut().note_of_loop(kind);
            }
            self.run_entry(entry);
        }
    }

    /// Phase 5: lets the sources that asked for it write what they gathered during the turn.
    #[inline]
    pub fn flush(&self) {
        if self.core.at_end.get() {
            self.flush_sources();
        }
    }

    #[inline(never)]
    fn flush_sources(&self) {
        let core = &*self.core;
        let mut sources = core.to_flush.take();
        core.spent_at_end.set(0);
        for source in sources.drain(..) {
            self.guard_source(&*source, || source.flush());
            self.let_go("transport", source);
        }
        // The vector keeps its capacity, unless flushing asked for more flushing.
        let mut place = core.to_flush.borrow_mut();
        if place.is_empty() {
            *place = sources;
            core.at_end.set(core.stopping.get());
        }
    }

    #[inline(always)]
    fn run_ready_task(&self, task: &TaskRef) {
        let core = &*self.core;
        core.tasks.run(self, task);
        if let Some(slow) = core.slow.check() {
            self.report_slow_task(task, slow);
        }
    }

    #[cold]
    fn report_slow_task(&self, task: &TaskRef, slow: Slow) {
        let name = Some(task.tag().to_string());
        self.report_slow("task", name, Some(task.location()), slow);
    }

    #[inline(never)]
    fn run_entry(&self, entry: Entry) {
        match entry {
            Entry::Task(task) => self.run_ready_task(&task),
            Entry::Callback(cell) => self.run_callback(&cell),
            Entry::Call => self.run_call(),
            Entry::Readable(token) => self.run_io(token, Readiness::READ),
            Entry::Writable(token) => self.run_io(token, Readiness::WRITE),
            Entry::Both(token) => self.run_io(token, Readiness::BOTH),
        }
    }

    fn run_callback(&self, cell: &HandleCell) {
        let Some(action) = cell.take() else {
            return;
        };
        self.run_action(action, cell.location());
    }

    /// The next callback of another thread.
    fn run_call(&self) {
        let call = self.core.calls.borrow_mut().pop_front();
        if let Some((callback, location)) = call {
            self.run_action(|| callback.run(), location);
        }
    }

    #[inline]
    fn run_action(&self, action: impl FnOnce(), location: &'static Location<'static>) {
        self.guard("callback", Some(location), action);
        if let Some(slow) = self.core.slow.check() {
            self.report_slow("callback", None, Some(location), slow);
        }
    }

    /// Hands an event to the owner of its descriptor.
    fn run_io(&self, token: u64, readiness: Readiness) {
        let core = &*self.core;
        let (fd, generation) = split_token(token);
        // The table is not borrowed while the owner runs.
        let source = core.fds.borrow().source(fd, generation);
        let Some(source) = source else {
            return self.run_callbacks(token, readiness);
        };
        self.guard_source(&*source, || source.ready(readiness));
        if let Some(slow) = core.slow.check() {
            self.report_slow_source(&*source, slow);
        }
        self.let_go("transport", source);
    }

    #[cold]
    fn report_slow_source(&self, source: &dyn Source, slow: Slow) {
        self.report_slow("transport", described(source), None, slow);
    }

    /// [`run_io`](LoopRef::run_io) for a descriptor of callbacks, or of nobody any more.
    #[inline(never)]
    fn run_callbacks(&self, token: u64, readiness: Readiness) {
        let core = &*self.core;
        let (fd, generation) = split_token(token);
        let owner = core.fds.borrow().owner(fd, generation);
        match owner {
            None | Some(Owner::Source(_)) => core.counters.stale_events.add(1),
            Some(Owner::Callbacks { reader, writer }) => {
                if let Some(reader) = &reader
                    && readiness.readable()
                {
                    self.run_watcher("reader", fd, generation, Interest::READ, reader);
                }
                if let Some(writer) = &writer
                    && readiness.writable()
                {
                    self.run_watcher("writer", fd, generation, Interest::WRITE, writer);
                }
                for watcher in [reader, writer].into_iter().flatten() {
                    self.let_go("watcher", watcher.callback);
                }
            }
        }
    }

    /// Drops what was called, which may have taken itself out of its table: then this is the last
    /// reference, and its destructor may panic.
    #[inline]
    fn let_go<T: ?Sized>(&self, source: &'static str, called: Rc<T>) {
        if Rc::strong_count(&called) == 1 {
            self.let_go_of_last(source, called);
        }
    }

    #[cold]
    fn let_go_of_last<T: ?Sized>(&self, source: &'static str, called: Rc<T>) {
        self.guard(source, None, || drop(called));
    }

    /// Runs one reader or writer callback, unless the callback before it has taken it away.
    fn run_watcher(
        &self,
        source: &'static str,
        fd: i32,
        generation: u32,
        side: Interest,
        watcher: &Watcher,
    ) {
        let core = &*self.core;
        if !core.fds.borrow().watches(fd, generation, side, watcher) {
            return;
        }
        self.guard(source, Some(watcher.location), || {
            // A callback that runs the loop inside itself finds itself borrowed: it is skipped, and
            // reported again by the next, level-triggered wait.
            if let Ok(mut callback) = watcher.callback.try_borrow_mut() {
                callback();
            }
        });
        if let Some(slow) = core.slow.check() {
            self.report_slow(source, None, Some(watcher.location), slow);
        }
    }

    /// Runs `body`; a panic goes to the exception handler and no further.
    pub(crate) fn guard(
        &self,
        source: &'static str,
        location: Option<&'static Location<'static>>,
        body: impl FnOnce(),
    ) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
            self.call_exception_handler(ExceptionContext::panic(source, location, payload));
        }
    }

    /// [`guard`](LoopRef::guard) for a source, which knows who it is.
    fn guard_source(&self, source: &dyn Source, body: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
            self.report_panic_of_source(source, payload);
        }
    }

    #[cold]
    fn report_panic_of_source(&self, source: &dyn Source, payload: Box<dyn Any + Send>) {
        self.call_exception_handler(ExceptionContext {
            name: described(source),
            ..ExceptionContext::panic("transport", None, payload)
        });
    }

    /// Makes [`run_forever`](LoopRef::run_forever) return at the end of the current turn, or of the
    /// next one if the loop is not running.
    pub fn stop(&self) {
        self.core.stopping.set(true);
        self.core.at_end.set(true);
    }

    /// Whether the loop is running now.
    pub fn is_running(&self) -> bool {
        self.core.state.get() == State::Running
    }
}

/// While it lives, its loop is the running one: see [`LoopRef::enter`].
#[must_use = "dropping it leaves the loop again"]
pub struct Entered {
    core: Rc<Core>,
    _running: running::Entered,
}

impl std::fmt::Debug for Entered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entered")
            .field("loop_id", &self.core.id)
            .finish()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.core.state.set(State::Idle);
        self.core.ask_after.set(0);
        self.core.slow.ask_at.set(0);
    }
}
