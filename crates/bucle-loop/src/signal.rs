//! The numbers of signals, by their names: what
//! [`add_signal_handler`](crate::LoopRef::add_signal_handler) and a child's `send_signal` take.
//! Python's `signal.SIGINT` and the others.

pub use signal_hook::consts::signal::{
    SIGABRT, SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSEGV,
    SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH,
};
