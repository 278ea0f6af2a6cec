//! The operating system as Bucle sees it, behind safe functions.
//!
//! File descriptors, readiness, sockets, datagrams, pipes, `sendfile`, child processes, memory they
//! share, the wake-up descriptor, process limits, what the allocator keeps, and what is for measurements only ([`fork`],
//! [`pages`]). Nothing here knows of loops, tasks or protocols; nothing here
//! allocates on a hot path, starts a thread or keeps global state. Most of it is a thin layer over
//! [`rustix`]; what rustix lacks is the only `unsafe` code of the workspace outside the task cell.
//!
//! Every socket made here is non-blocking and close-on-exec from its first moment.

#[cfg(target_os = "linux")]
pub mod channel;
pub mod clock;
#[cfg(target_os = "linux")]
pub mod epoll;
pub mod file;
pub mod fork;
#[cfg(not(target_os = "linux"))]
pub mod kqueue;
pub mod limits;
pub mod memory;
pub mod pages;
pub mod pipe;
pub mod plain;
pub mod poll;
pub mod process;
pub mod resolve;
#[cfg(target_os = "linux")]
pub mod shared;
pub mod socket;
pub mod udp;
pub mod wake;
#[cfg(target_os = "linux")]
pub mod worker;

pub use rustix::io::Errno;
