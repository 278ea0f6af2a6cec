//! [`Site`]: a folder served over HTTP.
//!
//! | file | what |
//! |---|---|
//! | `answering` | from a request to its answer, step by step |
//! | `path` | what a request's path may name |
//! | `root` | opening beneath the root, and nowhere else |
//! | `files`, `opened`, `variants` | what is kept of files, and when it still counts |
//! | `entity`, `caching` | types, tags, times, how long they may be kept |
//! | `preconditions`, `range` | conditional requests, byte ranges |
//! | `coding`, `compress` | content codings |
//! | `listing`, `listings` | the page of a folder without an index |
//!
//! The loop never waits for a disk here if the system lets it know beforehand (Linux 5.12): what is
//! not at hand is first looked up or read by a thread.

mod answering;
mod caching;
mod coding;
mod compress;
mod entity;
mod files;
mod listing;
mod listings;
mod opened;
mod path;
mod preconditions;
mod range;
mod root;
mod variants;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::echo::echo;
use crate::handler::Handler;
use crate::{Request, Response};
use answering::{Desk, Step};
use caching::Caching;
use entity::Gain;
use root::Root;

pub use caching::FINGERPRINT;
pub use compress::{COMPRESS_FROM, COMPRESS_UP_TO};
pub use files::{KEPT_BYTES, KEPT_DESCRIPTORS, KEPT_FILES};
pub use listing::LISTED_NAMES;
pub use opened::SMALL_FILE;
pub(crate) use opened::{Opened, Place};
pub use range::RANGES;

/// What files are sent compressed, to clients that take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None.
    Off,
    /// Those that were compressed beforehand: beside `a.js` lies `a.js.br`, `a.js.zst` or `a.js.gz`,
    /// which is not older.
    Precompressed,
    /// These, and text is compressed by the server, once for each state of a file, and kept. (The
    /// default.)
    #[default]
    On,
}

/// What a site says of its files, and does with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) compression: Compression,
    pub(crate) caching: Caching,
}

impl Policy {
    /// Whether what is sent of a file of this type depends on `Accept-Encoding`.
    pub(crate) fn negotiates(&self, content_type: &str) -> bool {
        self.compression != Compression::Off && entity::gain(content_type) != Gain::Packed
    }

    /// Whether the server itself compresses a file of this type and size, in bytes.
    pub(crate) fn compresses(&self, content_type: &str, size: u64) -> bool {
        self.compression == Compression::On
            && entity::gain(content_type) == Gain::Text
            && (COMPRESS_FROM..=COMPRESS_UP_TO).contains(&size)
    }
}

/// A folder to be served: GET and HEAD of the files in it.
///
/// Paths are resolved beneath the folder, which nothing leads out of: no `..` in whatever encoding,
/// no symbolic link. Files and folders whose name begins with a dot are not there, but
/// `/.well-known/`, and no link leads to them; neither are FIFOs, sockets and devices. A folder
/// answers with its `index.html`, or a listing; asked for without the slash at its end, it redirects
/// there.
///
/// Conditional requests and byte ranges are answered as RFC 9110 has it. Pages are `no-cache`, files
/// with a fingerprint in their name `immutable`, all others `no-cache` until set otherwise. Files
/// are sent compressed to who takes it ([`Compression`]).
///
/// What is kept in memory is compared with the disk before it is sent, so a changed file is seen
/// by the next request, and a folder put in the place of the root (by moving it, or by pointing a
/// symbolic link elsewhere) within a second.
///
/// ```no_run
/// use bucle_server::{Server, Site};
///
/// bucle_loop::run(async {
///     let site = Site::open("public")?;
///     let server = Server::builder().listen("127.0.0.1:8080")?.serve(site.handler())?;
///     server.serve_forever().await;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Site {
    path: PathBuf,
    root: Arc<Root>,
    prefix: String,
    echo: bool,
    listing: bool,
    spa: bool,
    policy: Policy,
}

impl Site {
    /// The site in the folder at `path`.
    ///
    /// # Errors
    /// The system's: there is no such folder, or it can't be read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Site> {
        let path = path.as_ref();
        Ok(Site {
            // Whatever becomes of the working directory.
            path: std::path::absolute(path)?,
            root: Arc::new(Root::open(path)?),
            prefix: String::new(),
            echo: false,
            listing: true,
            spa: false,
            policy: Policy::default(),
        })
    }

    /// Serves the folder below a path of its own, as it stands in URLs: with `/static`, the file
    /// `a.css` is `/static/a.css`, and whatever is not below `/static/` is not there.
    #[must_use]
    pub fn at(mut self, prefix: &str) -> Site {
        let prefix = prefix.trim_matches('/');
        self.prefix = match prefix {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        };
        self
    }

    /// Whether `/echo` tells the request: GET its request line, POST its body; off until set.
    #[must_use]
    pub fn echo(mut self, on: bool) -> Site {
        self.echo = on;
        self
    }

    /// Whether a folder without `index.html` shows what is in it, or isn't there; on until set.
    #[must_use]
    pub fn listing(mut self, on: bool) -> Site {
        self.listing = on;
        self
    }

    /// Whether paths that lead to nothing are the routes of an application in one page: a page that
    /// is asked for (`Accept` names `text/html`) by a path whose last segment has no dot is then
    /// answered with the root's `index.html`. What else is missing is 404, as it is without; folders
    /// are not listed. Off until set.
    #[must_use]
    pub fn spa(mut self, on: bool) -> Site {
        self.spa = on;
        self
    }

    /// What is sent compressed; [`Compression::On`] until set.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Site {
        self.policy.compression = compression;
        self
    }

    /// Whether a file with a fingerprint in its name (`app-5LWNQJ3V.js`, `main.4e1243bd.css`) is
    /// called immutable, so that it isn't asked for again for a year; on until set.
    #[must_use]
    pub fn immutable(mut self, on: bool) -> Site {
        self.policy.caching.immutable = on;
        self
    }

    /// The `Cache-Control` of files that are neither pages nor fingerprinted; `no-cache` until set,
    /// no such field with an empty value.
    ///
    /// # Errors
    /// `InvalidInput` for what can't be the value of a header field.
    pub fn cache_control(mut self, value: &str) -> io::Result<Site> {
        let mut line = Vec::new();
        bucle_http::write_field(&mut line, "Cache-Control", value.as_bytes())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        self.policy.caching.other = value.to_owned();
        Ok(self)
    }

    /// A handler for one loop.
    pub fn handler(&self) -> SiteHandler {
        SiteHandler(Rc::new(Desk::new(self.clone())))
    }
}

/// A [`Site`] as one loop serves it; made by [`Site::handler`].
pub struct SiteHandler(Rc<Desk>);

impl fmt::Debug for SiteHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SiteHandler").field(self.0.site()).finish()
    }
}

impl Handler for SiteHandler {
    type Future = SiteFuture;

    #[inline]
    fn call(&self, request: Request) -> SiteFuture {
        SiteFuture(match self.0.begin(&request) {
            Step::Done(response) => Answer::Ready(Some(response)),
            Step::Echo => Answer::Later(Box::pin(echo(request))),
            step => Answer::Later(Box::pin(self.0.clone().finish(request, step))),
        })
    }
}

/// The answer of a [`SiteHandler`]: there at once, unless a disk or a compression has to be waited
/// for.
#[must_use = "it does nothing unless awaited"]
pub struct SiteFuture(Answer);

enum Answer {
    Ready(Option<Response>),
    Later(Pin<Box<dyn Future<Output = Response>>>),
}

impl Future for SiteFuture {
    type Output = Response;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match &mut self.0 {
            Answer::Ready(response) => match response.take() {
                Some(response) => Poll::Ready(response),
                None => Poll::Pending,
            },
            Answer::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for SiteFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = matches!(self.0, Answer::Ready(_));
        f.debug_struct("SiteFuture").field("ready", &ready).finish()
    }
}
