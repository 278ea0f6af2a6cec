//! [`Site`]: a folder served over HTTP.
//!
//! | file | what |
//! |---|---|
//! | `path` | what a request's path may name |
//! | `root` | opening beneath the root, and nowhere else |
//! | `files` | what is kept of files, and when it still counts |
//! | `entity` | types, tags, times, preconditions |
//! | `listing` | the page of a folder without an index |

mod entity;
mod files;
mod listing;
mod path;
mod root;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bucle_http::{Method, StatusCode};
use bucle_loop::{LoopRef, get_running_loop};
use rustix::io::Errno;

use crate::echo::{self, echo};
use crate::handler::Handler;
use crate::{Request, Response};
use entity::Verdict;
use files::{Files, Found};
use path::{Refused, SitePath};
use root::Root;

pub(crate) use files::Opened;
pub use files::{KEPT_BYTES, KEPT_DESCRIPTORS, KEPT_FILES, SMALL_FILE};
pub use listing::LISTED_NAMES;

/// What a folder answers with when it is asked for itself.
const INDEX: &[u8] = b"index.html";

/// What may be asked of a file or folder.
const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// How often a loop looks whether the path of the root leads to another folder now.
const ROOT_AGAIN: Duration = Duration::from_secs(1);

/// A folder to be served: GET and HEAD of the files in it.
///
/// Paths are resolved beneath the folder, which nothing leads out of: no `..` in whatever encoding,
/// no symbolic link. Files and folders whose name begins with a dot are not there, but
/// `/.well-known/`; neither are FIFOs, sockets and devices. A folder answers with its `index.html`,
/// or a listing; asked for without the slash at its end, it redirects there.
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

    /// A handler for one loop.
    pub fn handler(&self) -> SiteHandler {
        SiteHandler {
            files: RefCell::new(Rc::new(Files::new(self.root.clone()))),
            site: self.clone(),
            event_loop: OnceCell::new(),
            turn: Cell::new(u64::MAX),
            now: Cell::new(None),
            root_seen: Cell::new(None),
        }
    }
}

/// A [`Site`] as one loop serves it; made by [`Site::handler`].
pub struct SiteHandler {
    site: Site,
    files: RefCell<Rc<Files>>,
    event_loop: OnceCell<LoopRef>,
    /// The turn that `now` was read in.
    turn: Cell<u64>,
    now: Cell<Option<Instant>>,
    /// When the root was last looked for.
    root_seen: Cell<Option<Instant>>,
}

impl std::fmt::Debug for SiteHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SiteHandler").field(&self.site).finish()
    }
}

impl Handler for SiteHandler {
    type Future = SiteAnswer;

    #[inline]
    fn call(&self, request: Request) -> SiteAnswer {
        if self.site.echo && request.path() == "/echo" {
            return SiteAnswer::Echo(Box::pin(echo(request)));
        }
        SiteAnswer::Ready(Some(self.answer(request)))
    }
}

/// The answer of a [`SiteHandler`]: ready at once, but for a body that is sent back.
pub enum SiteAnswer {
    #[doc(hidden)]
    Ready(Option<Response>),
    #[doc(hidden)]
    Echo(Pin<Box<dyn Future<Output = Response>>>),
}

impl std::fmt::Debug for SiteAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteAnswer").finish_non_exhaustive()
    }
}

impl Future for SiteAnswer {
    type Output = Response;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match &mut *self {
            SiteAnswer::Ready(response) => match response.take() {
                Some(response) => Poll::Ready(response),
                None => Poll::Pending,
            },
            SiteAnswer::Echo(echo) => echo.as_mut().poll(cx),
        }
    }
}

impl SiteHandler {
    fn answer(&self, request: Request) -> Response {
        let mut path = request.path();
        match request.method() {
            Method::Get | Method::Head => {}
            Method::Options => return self.options(path),
            Method::Other => return error(StatusCode::NOT_IMPLEMENTED),
            _ => return plain(Response::method_not_allowed(ALLOWED)),
        }
        if !self.site.prefix.is_empty() {
            path = match path.strip_prefix(&*self.site.prefix) {
                Some(path) if path.starts_with('/') => path,
                Some("") => return redirect(format!("{}/", self.site.prefix), request.query()),
                _ => return error(StatusCode::NOT_FOUND),
            };
        }
        let turn = self.event_loop.get_or_init(get_running_loop).turn_number();
        if turn != self.turn.get() {
            self.turn_began(turn);
        }
        let files = self.files.borrow().clone();
        match files.kept(path, turn, || self.now()) {
            Some(opened) => self.file(&request, opened),
            None => self.find(&files, &request, path, turn),
        }
    }

    /// What may be asked of a path, whether there is anything at it or not; of the whole server for
    /// `*`.
    fn options(&self, path: &str) -> Response {
        if path == "*" {
            let all = if self.site.echo {
                echo::ALLOWED
            } else {
                ALLOWED
            };
            return Response::options(all);
        }
        match SitePath::decode(path) {
            Err(Refused::Malformed(why)) => malformed(why),
            Ok(_) | Err(Refused::Hidden) => Response::options(ALLOWED),
        }
    }

    fn turn_began(&self, turn: u64) {
        self.turn.set(turn);
        let now = match self.event_loop.get() {
            Some(event_loop) => event_loop.time(),
            None => Instant::now(),
        };
        self.now.set(Some(now));
        let seen = self.root_seen.get().get_or_insert(now).to_owned();
        self.root_seen.set(Some(seen));
        if now.saturating_duration_since(seen) >= ROOT_AGAIN {
            self.root_seen.set(Some(now));
            self.look_for_root();
        }
    }

    fn now(&self) -> Instant {
        self.now.get().unwrap_or_else(Instant::now)
    }

    /// Serves the folder that is at the root's path now. While there is none, the old one is as
    /// good as any.
    fn look_for_root(&self) {
        let moved = !self.files.borrow().root().is_at(&self.site.path);
        if moved && let Ok(root) = Root::open(&self.site.path) {
            self.files.replace(Rc::new(Files::new(Arc::new(root))));
        }
    }

    /// Answers with a file, or with less if the client has it already or wants another.
    #[inline]
    fn file(&self, request: &Request, opened: Rc<Opened>) -> Response {
        match entity::evaluate(request.head(), opened.etag(), opened.modified()) {
            Verdict::Perform => Response::opened(opened),
            Verdict::NotModified => Response::not_modified(opened),
            Verdict::Failed => error(StatusCode::PRECONDITION_FAILED),
        }
    }

    /// Looks for what is not kept.
    fn find(&self, files: &Files, request: &Request, raw: &str, turn: u64) -> Response {
        let path = match SitePath::decode(raw) {
            Ok(path) => path,
            Err(Refused::Hidden) => return error(StatusCode::NOT_FOUND),
            Err(Refused::Malformed(why)) => return malformed(why),
        };
        let open =
            |path: &std::ffi::CStr| files.open(raw, path, turn, self.now(), SystemTime::now());
        if !path.slash {
            return match open(&path.relative()) {
                Ok(Found::File(opened)) => self.file(request, opened),
                Ok(Found::Folder(_)) => {
                    redirect(path.folder_url(&self.site.prefix), request.query())
                }
                Err(errno) => refuse(errno),
            };
        }
        match open(&path.join(INDEX)) {
            Ok(Found::File(opened)) => return self.file(request, opened),
            Ok(Found::Folder(_)) => {}
            Err(errno) if is_missing(errno) => {}
            Err(errno) => return refuse(errno),
        }
        // With a dot, so that a file is not found, nor kept for the next request.
        match open(&path.join(b".")) {
            Ok(Found::Folder(folder)) if self.site.listing => {
                match listing::page(files.root(), &self.site.prefix, &path, folder) {
                    Ok(page) => listed(page),
                    Err(errno) => refuse(errno),
                }
            }
            Ok(_) => error(StatusCode::NOT_FOUND),
            Err(errno) => refuse(errno),
        }
    }
}

/// Whether the system says that something isn't there, or what we treat as if it weren't: a way out
/// of the root, a name that can't be, a device.
fn is_missing(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::XDEV
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::ILSEQ
            | Errno::NXIO
            | Errno::NODEV
    )
}

fn refuse(errno: Errno) -> Response {
    error(match errno {
        errno if is_missing(errno) => StatusCode::NOT_FOUND,
        Errno::ACCESS | Errno::PERM => StatusCode::FORBIDDEN,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

fn error(status: StatusCode) -> Response {
    plain(Response::error(status))
}

/// For a path that no well-behaved client would send.
fn malformed(why: &str) -> Response {
    let text = format!("400 Bad Request: {why}\n");
    plain(Response::text(text).with_status(StatusCode::BAD_REQUEST))
}

/// What it says is its type, whatever a browser may see in it.
fn plain(response: Response) -> Response {
    response.field("X-Content-Type-Options", "nosniff")
}

/// To `folder`, the same with a slash at its end, where its relative links mean what they should.
fn redirect(folder: String, query: Option<&str>) -> Response {
    let mut location = folder;
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let text = format!("The folder is at {location}\n");
    plain(Response::text(text).with_status(StatusCode::MOVED_PERMANENTLY))
        // A folder may become a file one day.
        .field("Cache-Control", "no-cache")
        .field("Location", &location)
}

fn listed(page: String) -> Response {
    plain(Response::html(page))
        .field("Cache-Control", "no-cache")
        .field("Content-Security-Policy", listing::CONTENT_SECURITY_POLICY)
}
