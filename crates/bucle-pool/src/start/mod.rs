//! How a child process starts, and what ties it to its parent; the same for a pool's workers and
//! for processes started by hand.
//!
//! ```text
//!   parent                                        child
//!   Launch::new(role) ── spawner thread ── exec /proc/self/exe ──▶ main: init()
//!     Hello, with descriptors, lies in the channel already          takes the variable out of
//!     (standard input of the child)                                 the environment, the channel
//!                                                                   off standard input, ties itself
//!     child::Ready ◀──────────────────────────────────────────────  to the parent, compares builds
//!                                                                   and plays its role
//! ```
//!
//! | file | what |
//! |---|---|
//! | `launch` | a child that is to be started; [`Child`]: one that was, which is killed and waited for when dropped |
//! | `spawner` | the one thread that starts children and buries those that nobody waits for |
//! | `hello` | what the two say to each other first, and the kinds of messages after |
//! | `entry` | the child's side: [`init`], the ties to the parent, roles |

mod entry;
mod hello;
mod launch;
mod spawner;

pub use entry::init;
pub(crate) use entry::{ChildSide, check_set_up};
pub use hello::BuildMismatch;
pub(crate) use hello::{Message, Role};
pub(crate) use launch::{Child, Launch, Output};

/// The variable by which a process knows that it is a child: `parent's pid`. Removed first thing.
const VARIABLE: &str = "BUCLE_CHILD_OF";

/// Where the test binaries of this program have their entry: see [`test_entry!`](crate::test_entry).
#[doc(hidden)]
#[linkme::distributed_slice]
pub static TEST_ENTRIES: [&'static str];
