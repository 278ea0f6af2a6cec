//! What a primitive is called in reports: its kind, its name if it has one, and where it was made.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use super::waiters::Waiters;
use crate::wait_graph::{WaitKind, What};

#[derive(Clone)]
pub(super) struct Label {
    kind: &'static str,
    name: Option<Rc<str>>,
    location: &'static Location<'static>,
}

impl Label {
    /// A label for what the caller's caller makes.
    #[track_caller]
    pub(super) fn new(kind: &'static str, name: Option<&str>) -> Label {
        Label {
            kind,
            name: name.map(Rc::from),
            location: Location::caller(),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// What somebody waits for who waits in this way.
    pub(super) fn what(&self, kind: WaitKind) -> What {
        let mut what = What::new(kind, self.kind).at(self.location);
        what.name = self.name.clone();
        what
    }

    /// Begins the primitive's `Debug` output.
    pub(super) fn debug<'a, 'f>(&self, f: &'a mut fmt::Formatter<'f>) -> fmt::DebugStruct<'a, 'f> {
        let mut out = f.debug_struct(self.kind);
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out
    }

    /// Ends it: who waits, if anybody does, and where the primitive was made.
    pub(super) fn finish(
        &self,
        mut out: fmt::DebugStruct<'_, '_>,
        waiters: &[(&str, &Waiters)],
    ) -> fmt::Result {
        for (what, waiters) in waiters {
            if !waiters.is_empty() {
                out.field(what, waiters);
            }
        }
        out.field("made_at", &format_args!("{}", self.location));
        out.finish()
    }
}
