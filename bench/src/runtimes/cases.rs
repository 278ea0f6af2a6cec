//! The cases of runtimes, and what is compared in each.

/// A figure of a case: its name in what the measuring process prints, and how people read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The name.
    pub(crate) name: &'static str,
    /// The unit.
    pub(crate) unit: &'static str,
    /// Digits behind the point.
    pub(crate) digits: usize,
}

const CPU: Figure = Figure {
    name: "cpu",
    unit: "ns of CPU",
    digits: 1,
};
const WALL: Figure = Figure {
    name: "wall",
    unit: "ns",
    digits: 0,
};
const BYTES: Figure = Figure {
    name: "bytes",
    unit: "bytes",
    digits: 0,
};
const LATE: Figure = Figure {
    name: "late",
    unit: "ms late on average",
    digits: 2,
};
const LATEST: Figure = Figure {
    name: "latest",
    unit: "ms late at most",
    digits: 1,
};
const EARLY: Figure = Figure {
    name: "early",
    unit: "fired early",
    digits: 0,
};

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name, as the measuring process knows it.
    pub(crate) name: &'static str,
    /// What an operation is.
    pub(crate) about: &'static str,
    /// What it is compared by: the first; the others are only shown.
    pub(crate) figures: &'static [Figure],
    /// It takes seconds, so fewer rounds are made.
    pub(crate) slow: bool,
    /// More than one thread takes part, so it may use every CPU.
    pub(crate) threads: bool,
    /// It is measured by the executable whose allocator counts.
    pub(crate) counted: bool,
}

const fn case(name: &'static str, about: &'static str, figures: &'static [Figure]) -> Case {
    Case {
        name,
        about,
        figures,
        slow: false,
        threads: false,
        counted: false,
    }
}

/// Every case there is.
pub(crate) const CASES: &[Case] = &[
    case("spawn-one", "spawn a task and join it", &[CPU]),
    case(
        "spawn-batch",
        "the same, a thousand spawned before the first is joined",
        &[CPU],
    ),
    case("yield-one", "a yield of the only task", &[CPU]),
    case("yield-hundred", "a yield among 100 tasks", &[CPU]),
    case(
        "slot",
        "a value from one task to another over a cell and its waker",
        &[CPU],
    ),
    case("oneshot", "the same over a new oneshot each time", &[CPU]),
    case("lock", "a lock handed on among 8 tasks", &[CPU]),
    case("queue", "an item through a queue with room for one", &[CPU]),
    Case {
        slow: true,
        ..case(
            "sleep-fired",
            "a million tasks at once, each sleeping for up to a second: spawn, arm, fire, join",
            &[CPU, LATE, LATEST, EARLY],
        )
    },
    Case {
        slow: true,
        ..case(
            "sleep-cancelled",
            "a million sleeps armed, then all dropped",
            &[CPU],
        )
    },
    Case {
        counted: true,
        ..case("memory-pending", "a task that waits for nothing", &[BYTES])
    },
    Case {
        counted: true,
        ..case("memory-sleeping", "a task that sleeps", &[BYTES])
    },
    Case {
        threads: true,
        ..case(
            "thread-items",
            "an item from another thread, by the runtime's own means",
            &[WALL],
        )
    },
    Case {
        threads: true,
        ..case(
            "thread-channel",
            "an item from another thread over async-channel",
            &[WALL],
        )
    },
    Case {
        threads: true,
        ..case(
            "thread-latency",
            "from sending on another thread to running on the sleeping one",
            &[WALL],
        )
    },
];

/// Every runtime there is, in the order of the tables.
pub(crate) const RUNTIMES: &[&str] = &[
    "floor", "bucle", "tokio", "smol", "monoio", "glommio", "compio",
];

/// Whether the floor has what the case needs.
pub(crate) fn floor_has(case: &Case) -> bool {
    matches!(
        case.name,
        "spawn-one" | "spawn-batch" | "yield-one" | "yield-hundred" | "slot"
    )
}
