//! [`Desk`]: from a request for a file to its answer, on one loop.
//!
//! What is at hand is answered at once. What isn't makes a [`Step`] that something has to be waited
//! for, outside the loop: the disk, a compression, the listing of a large folder.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CString;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bucle_http::{Method, StatusCode};
use bucle_loop::sync::{Event, Semaphore};
use bucle_loop::{LoopRef, get_running_loop, to_thread};
use bytes::Bytes;
use rustix::io::Errno;

use crate::echo;
use crate::site::coding::{Accepted, Coding};
use crate::site::compress;
use crate::site::files::{self, Files, Found};
use crate::site::listing;
use crate::site::listings::{Listed, Listings};
use crate::site::opened::{Moment, Opened};
use crate::site::path::{Refused, SitePath};
use crate::site::preconditions::{Asked, List, Verdict};
use crate::site::range::{self, Wanted};
use crate::site::root::{Facts, Root};
use crate::site::variants::{Variant, Variants};
use crate::site::{Compression, Site};
use crate::{Request, Response};

/// What a folder answers with when it is asked for itself.
const INDEX: &[u8] = b"index.html";

/// What may be asked of a file or folder.
const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// How often a loop looks whether the path of the root leads to another folder now.
const ROOT_AGAIN: Duration = Duration::from_secs(1);

/// A site as one loop serves it.
pub(crate) struct Desk {
    site: Site,
    here: RefCell<Rc<Here>>,
    event_loop: OnceCell<LoopRef>,
    /// The turn that `now` was read in.
    turn: Cell<u64>,
    now: Cell<Option<Instant>>,
    /// When the root was last looked for.
    root_seen: Cell<Option<Instant>>,
    compressing: Rc<Semaphore>,
    /// How many compressions were begun and have not ended.
    compressions: Cell<usize>,
    parts: range::Boundaries,
    /// The `Accept-Encoding` that was read last, and what it says.
    accepted_last: RefCell<(Vec<u8>, Accepted)>,
}

/// What is known of one root.
struct Here {
    files: Files,
    listings: Listings,
}

impl Here {
    fn new(root: Arc<Root>, site: &Site) -> Here {
        Here {
            files: Files::new(root, Arc::new(site.policy.clone())),
            listings: Listings::default(),
        }
    }
}

/// Where the answer to a request stands.
pub(crate) enum Step {
    Done(Response),
    /// What was sent is the answer.
    Echo,
    /// These are to be looked up first, by who may wait for a disk.
    Look(Vec<CString>),
    /// The file is to be compressed first, so that it can be sent in this coding.
    Compress(Chosen, Coding),
    /// The page of the folder is to be written, or compressed, first.
    List(SitePath, Facts),
}

/// The file that answers a request, whatever its coding.
#[derive(Clone)]
pub(crate) struct Chosen {
    opened: Rc<Opened>,
    /// It answers in the place of what isn't there.
    instead: bool,
}

/// What may be waited for.
#[derive(Clone, Copy)]
struct Leave {
    disk: bool,
    compress: bool,
}

impl Desk {
    pub(crate) fn new(site: Site) -> Desk {
        Desk {
            here: RefCell::new(Rc::new(Here::new(site.root.clone(), &site))),
            site,
            event_loop: OnceCell::new(),
            turn: Cell::new(u64::MAX),
            now: Cell::new(None),
            root_seen: Cell::new(None),
            compressing: Rc::new(Semaphore::new(compress::AT_ONCE)),
            compressions: Cell::new(0),
            parts: range::Boundaries::default(),
            accepted_last: RefCell::default(),
        }
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Answers, as far as it can be done without waiting.
    #[inline]
    pub(crate) fn begin(self: &Rc<Self>, request: &Request) -> Step {
        let leave = Leave {
            disk: false,
            compress: true,
        };
        self.step(request, leave)
    }

    /// Waits for what `step` asks for, and answers.
    pub(crate) async fn finish(self: Rc<Self>, request: Request, mut step: Step) -> Response {
        let mut leave = Leave {
            disk: false,
            compress: true,
        };
        loop {
            step = match step {
                Step::Done(response) => return response,
                Step::Echo => return error(StatusCode::NOT_FOUND),
                // It was looked up, and still isn't at hand; the loop doesn't wait for ever.
                Step::Look(_) if leave.disk => return error(StatusCode::SERVICE_UNAVAILABLE),
                Step::Look(paths) => {
                    let root = self.here().files.root().clone();
                    // Where it can't be done in a thread, the loop has to wait itself.
                    let _ = to_thread(move || root.warm(&paths)).await;
                    leave.disk = true;
                    self.step(&request, leave)
                }
                Step::Compress(chosen, coding) => {
                    self.compress(&chosen.opened, coding).await;
                    leave.compress = false;
                    self.file(&self.here(), &request, chosen, leave)
                }
                Step::List(path, facts) => return self.list(&request, path, facts).await,
            };
        }
    }

    fn step(self: &Rc<Self>, request: &Request, leave: Leave) -> Step {
        let mut path = request.path();
        if self.site.echo && path == "/echo" {
            return Step::Echo;
        }
        match request.method() {
            Method::Get | Method::Head => {}
            Method::Options => return Step::Done(self.options(path)),
            Method::Other => return Step::Done(error(StatusCode::NOT_IMPLEMENTED)),
            _ => return Step::Done(plain(Response::method_not_allowed(ALLOWED))),
        }
        if !self.site.prefix.is_empty() {
            path = match path.strip_prefix(&*self.site.prefix) {
                Some(path) if path.starts_with('/') => path,
                Some("") => {
                    let location = format!("{}/", self.site.prefix);
                    return Step::Done(redirect(location, request.query()));
                }
                _ => return Step::Done(error(StatusCode::NOT_FOUND)),
            };
        }
        let turn = self.event_loop.get_or_init(get_running_loop).turn_number();
        if turn != self.turn.get() {
            self.turn_began(turn);
        }
        let here = self.here();
        match self.kept(&here, path) {
            Some(opened) => {
                request.tally().kept_files.add(1);
                let chosen = Chosen {
                    opened,
                    instead: false,
                };
                self.file(&here, request, chosen, leave)
            }
            None => {
                // Asked once more when it was looked up.
                if !leave.disk {
                    request.tally().other_files.add(1);
                }
                match self.find(&here, request, path, leave) {
                    Ok(step) => step,
                    Err(errno) => Step::Done(refuse(errno)),
                }
            }
        }
    }

    /// The file that is kept for a path, however that is spelled: each spelling would else be another file to keep, and to
    /// compress.
    #[inline]
    fn kept(&self, here: &Here, raw: &str) -> Option<Rc<Opened>> {
        let turn = self.turn.get();
        let kept = |name: &str| here.files.kept(name, turn, || self.now());
        kept(raw).or_else(|| {
            let name = SitePath::decode(raw).ok()?.url();
            (name != raw).then(|| kept(&name))?
        })
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

    fn here(&self) -> Rc<Here> {
        self.here.borrow().clone()
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

    fn moment(&self) -> Moment {
        Moment {
            turn: self.turn.get(),
            now: self.now(),
            wall: SystemTime::now(),
        }
    }

    /// Serves the folder that is at the root's path now. While there is none, the old one is as
    /// good as any.
    fn look_for_root(&self) {
        let moved = !self.here().files.root().is_at(&self.site.path);
        if moved && let Ok(root) = Root::open(&self.site.path) {
            self.here
                .replace(Rc::new(Here::new(Arc::new(root), &self.site)));
        }
    }

    /// Answers with a file, in the coding that suits best; or with less, if the client has it
    /// already or wants only a part.
    #[inline]
    fn file(&self, here: &Here, request: &Request, chosen: Chosen, leave: Leave) -> Step {
        let asked = Asked::of(request.head());
        let mut selected = None;
        if let Some(variants) = &chosen.opened.variants
            && let Some(accepted) = self.accepted(request, &asked)
        {
            selected = match self.select(here, accepted, &chosen, variants, leave) {
                Ok(selected) => selected,
                Err(step) => return step,
            };
        }
        let Chosen { opened, instead } = chosen;
        let opened = selected.unwrap_or(opened);
        let response = self.selected(request, &asked, opened);
        if instead {
            // A client that takes no pages gets 404.
            return Step::Done(response.field("Vary", "Accept"));
        }
        Step::Done(response)
    }

    /// Answers with this very representation.
    #[inline]
    fn selected(&self, request: &Request, asked: &Asked<'_>, opened: Rc<Opened>) -> Response {
        let head = request.head();
        match asked.verdict(head, opened.etag(), opened.modified()) {
            Verdict::Send => {}
            Verdict::NotModified => return Response::not_modified(opened),
            Verdict::Failed => return instead_of(&opened, StatusCode::PRECONDITION_FAILED),
        }
        let Some(range) = asked.range(head, opened.etag(), opened.modified()) else {
            return Response::opened(opened);
        };
        let length = opened.length();
        match range::wanted(range, length) {
            Wanted::Whole => Response::opened(opened),
            Wanted::One(part) => range::one(opened, part),
            Wanted::Several(parts) => range::several(opened, parts, &self.parts),
            Wanted::Unsatisfiable => instead_of(&opened, StatusCode::RANGE_NOT_SATISFIABLE)
                .field("Content-Range", &range::unsatisfied_range(length)),
        }
    }

    /// What codings a client takes, if any.
    #[inline]
    fn accepted(&self, request: &Request, asked: &Asked<'_>) -> Option<Accepted> {
        let accepted = match asked.accept_encoding {
            List::Absent => return None,
            List::Several => Accepted::parse(request.head().header_all("accept-encoding")),
            List::One(value) => {
                // Most requests say what the one before said.
                let mut last = self.accepted_last.borrow_mut();
                if last.0 != value {
                    last.0.clear();
                    last.0.extend_from_slice(value);
                    last.1 = Accepted::parse([value].into_iter());
                }
                last.1
            }
        };
        accepted.any().then_some(accepted)
    }

    /// The variant that suits the client best; `None` for the file as it is.
    fn select(
        &self,
        here: &Here,
        accepted: Accepted,
        chosen: &Chosen,
        variants: &Variants,
        leave: Leave,
    ) -> Result<Option<Rc<Opened>>, Step> {
        let opened = &chosen.opened;
        // A file of less than two seconds may change under its tag; it is sent as it is.
        let makes = opened.is_settled();
        loop {
            let coding = accepted.choose(|coding| {
                let ready = || matches!(variants.get(coding), Variant::Made(_));
                if variants.is_beside(coding) {
                    return Some(0);
                }
                let can_make = makes && compress::is_there(coding) && variants.can_make(coding);
                (can_make && (leave.compress || ready())).then_some(1)
            });
            let Some(coding) = coding else {
                return Ok(None);
            };
            if variants.is_beside(coding) {
                match here.files.beside(opened, coding, self.moment(), leave.disk) {
                    Ok(Some(variant)) => return Ok(Some(variant)),
                    // Gone since it was seen, or it can't be read.
                    Ok(None) => variants.set_beside(coding, false),
                    Err(_) => {
                        return Err(Step::Look(vec![
                            opened.path().to_owned(),
                            files::beside(opened.path(), coding),
                        ]));
                    }
                }
                continue;
            }
            return match variants.get(coding) {
                Variant::Made(variant) => Ok(Some(variant)),
                Variant::None if self.compressions.get() >= compress::WAITING => Ok(None),
                _ => Err(Step::Compress(chosen.clone(), coding)),
            };
        }
    }

    /// Waits until a file is compressed, or can't be.
    async fn compress(self: &Rc<Self>, opened: &Rc<Opened>, coding: Coding) {
        let Some(variants) = &opened.variants else {
            return;
        };
        let made = match variants.get(coding) {
            Variant::Making(made) => made,
            Variant::Made(_) | Variant::Useless => return,
            Variant::None | Variant::Beside(_) => {
                let made = Rc::new(Event::new());
                variants.set(coding, Variant::Making(made.clone()));
                self.compressions.set(self.compressions.get() + 1);
                // A task of its own: who asked first may leave while others wait for it too.
                let job = self.clone().make(opened.clone(), coding, made.clone());
                get_running_loop().spawn_named("compression", job).detach();
                made
            }
        };
        made.wait().await;
    }

    /// Compresses a file, and tells who waits for it.
    async fn make(self: Rc<Self>, opened: Rc<Opened>, coding: Coding, made: Rc<Event>) {
        let permit = self.compressing.clone().acquire_owned().await;
        // Held here and by the variants alone: all who waited have left.
        let wanted = Rc::strong_count(&made) > 2;
        let result = match Files::source(&opened) {
            Ok(source) if wanted => {
                let job = to_thread(move || compress::compress(source, coding));
                Some(job.await)
            }
            _ => None,
        };
        drop(permit);
        self.compressions.set(self.compressions.get() - 1);
        if let Some(variants) = &opened.variants {
            match result {
                Some(Ok(Ok(Some(bytes)))) => {
                    let here = self.here();
                    here.files.made(&opened, coding, bytes, self.moment());
                }
                Some(Ok(Ok(None))) => variants.set(coding, Variant::Useless),
                Some(_) => {
                    variants.set(coding, Variant::None);
                    variants.give_up();
                }
                None => variants.set(coding, Variant::None),
            }
        }
        made.set();
    }

    /// Looks for what is not kept.
    fn find(
        self: &Rc<Self>,
        here: &Here,
        request: &Request,
        raw: &str,
        leave: Leave,
    ) -> Result<Step, Errno> {
        let path = match SitePath::decode(raw) {
            Ok(path) => path,
            Err(Refused::Hidden) => return Ok(Step::Done(error(StatusCode::NOT_FOUND))),
            Err(Refused::Malformed(why)) => return Ok(Step::Done(malformed(why))),
        };
        let (name, moment) = (path.url(), self.moment());
        let open = |path: &CString| here.files.open(&name, path, moment, leave.disk);
        let mut looked = vec![path.relative()];
        let mut folder = None;
        if path.slash {
            let index = path.join(INDEX);
            looked.push(index.clone());
            match open(&index) {
                Ok(Found::File(opened)) => {
                    let chosen = Chosen {
                        opened,
                        instead: false,
                    };
                    return Ok(self.file(here, request, chosen, leave));
                }
                Ok(Found::Folder) => {}
                Err(Errno::AGAIN) => return Ok(Step::Look(with_variants(looked))),
                Err(errno) if is_missing(errno) => {}
                Err(errno) => return Err(errno),
            }
        }
        let relative = path.relative();
        if path.slash {
            match here.files.folder(&relative, leave.disk) {
                Ok(facts) => folder = facts,
                Err(Errno::AGAIN) => return Ok(Step::Look(with_variants(looked))),
                Err(errno) if is_missing(errno) => {}
                Err(errno) => return Err(errno),
            }
        } else {
            match open(&relative) {
                Ok(Found::File(opened)) => {
                    let chosen = Chosen {
                        opened,
                        instead: false,
                    };
                    return Ok(self.file(here, request, chosen, leave));
                }
                Ok(Found::Folder) => {
                    let location = path.folder_url(&self.site.prefix);
                    return Ok(Step::Done(redirect(location, request.query())));
                }
                Err(Errno::AGAIN) => return Ok(Step::Look(with_variants(looked))),
                Err(errno) if is_missing(errno) => {}
                Err(errno) => return Err(errno),
            }
        }
        if self.site.spa {
            return self.instead(here, request, &path, leave);
        }
        match folder {
            Some(facts) if self.site.listing => Ok(self.listing(here, request, path, facts)),
            _ => Ok(Step::Done(error(StatusCode::NOT_FOUND))),
        }
    }

    /// Answers in the place of what isn't there: with the root's page, if it is a page that is asked
    /// for.
    fn instead(
        &self,
        here: &Here,
        request: &Request,
        path: &SitePath,
        leave: Leave,
    ) -> Result<Step, Errno> {
        let missing = error(StatusCode::NOT_FOUND);
        let last = path.segments().last().unwrap_or_default();
        if last.contains(&b'.') {
            return Ok(Step::Done(missing));
        }
        let missing = missing.field("Vary", "Accept");
        if !takes_pages(request) {
            return Ok(Step::Done(missing));
        }
        let moment = self.moment();
        let index = CString::new(INDEX).unwrap_or_default();
        let opened = match here.files.kept("/", moment.turn, || moment.now) {
            Some(opened) => opened,
            None => match here.files.open("/", &index, moment, leave.disk) {
                Ok(Found::File(opened)) => opened,
                Ok(Found::Folder) => return Ok(Step::Done(missing)),
                Err(Errno::AGAIN) => {
                    return Ok(Step::Look(with_variants(vec![path.relative(), index])));
                }
                Err(errno) if is_missing(errno) => return Ok(Step::Done(missing)),
                Err(errno) => return Err(errno),
            },
        };
        let chosen = Chosen {
            opened,
            instead: true,
        };
        Ok(self.file(here, request, chosen, leave))
    }

    /// Answers with a folder's page, if it is kept and is sent as it is.
    fn listing(&self, here: &Here, request: &Request, path: SitePath, facts: Facts) -> Step {
        match here.listings.kept(&path, &facts, self.now()) {
            Some(listed) if self.page_coding(request, &listed).is_none() => {
                Step::Done(self.listed(request, &listed, None))
            }
            _ => Step::List(path, facts),
        }
    }

    async fn list(self: Rc<Self>, request: &Request, path: SitePath, facts: Facts) -> Response {
        let here = self.here();
        let now = get_running_loop().time();
        let listed = match here.listings.kept(&path, &facts, now) {
            Some(listed) => listed,
            None => {
                let root = here.files.root().clone();
                let prefix = self.site.prefix.clone();
                match here.listings.page(root, prefix, path, facts).await {
                    Ok(listed) => listed,
                    Err(errno) => return refuse(errno),
                }
            }
        };
        let coded = match self.page_coding(request, &listed) {
            Some(coding) => {
                let bytes = here.listings.coded(&listed, coding).await;
                bytes.map(|bytes| (coding, bytes))
            }
            None => None,
        };
        self.listed(request, &listed, coded)
    }

    /// The coding to send a folder's page in.
    fn page_coding(&self, request: &Request, listed: &Listed) -> Option<Coding> {
        let size = listed.page.len() as u64;
        if !listed.is_settled() || !self.site.policy.compresses(listing::CONTENT_TYPE, size) {
            return None;
        }
        let accepted = self.accepted(request, &Asked::of(request.head()))?;
        accepted.choose(|coding| compress::is_there(coding).then_some(0))
    }

    /// The answer with a folder's page: with these bytes in a coding, or as it is.
    fn listed(
        &self,
        request: &Request,
        listed: &Listed,
        coded: Option<(Coding, Bytes)>,
    ) -> Response {
        let head = request.head();
        let coding = coded.as_ref().map(|(coding, _)| *coding);
        let etag = listed.etag(coding);
        let response = match Asked::of(head).verdict(head, etag.as_bytes(), None) {
            Verdict::Send => {
                let page = coded.map_or_else(|| listed.page.clone(), |(_, bytes)| bytes);
                let response = plain(Response::html(page))
                    .field("Content-Security-Policy", listing::CONTENT_SECURITY_POLICY);
                match coding {
                    Some(coding) => response.field("Content-Encoding", coding.name()),
                    None => response,
                }
            }
            Verdict::NotModified => Response::new(StatusCode::NOT_MODIFIED),
            Verdict::Failed => return self.varying(error(StatusCode::PRECONDITION_FAILED)),
        };
        self.varying(response.field("Cache-Control", "no-cache"))
            .field("ETag", &etag)
    }

    /// Says of an answer with a folder's page, or in its place, what it depended on.
    fn varying(&self, response: Response) -> Response {
        match self.site.policy.compression == Compression::On {
            true => response.field("Vary", "Accept-Encoding"),
            false => response,
        }
    }
}

/// These paths, and where their variants would be.
fn with_variants(paths: Vec<CString>) -> Vec<CString> {
    let mut all = paths.clone();
    for path in paths {
        all.extend(Coding::ALL.map(|coding| files::beside(&path, coding)));
    }
    all
}

/// Whether a client asks for a page: it names one of its types, and doesn't only take anything.
fn takes_pages(request: &Request) -> bool {
    let lines = request.head().header_all("accept");
    lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .any(|range| {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                let part = part.to_ascii_lowercase();
                part.strip_prefix(b"q=0").is_some_and(|rest| {
                    let mut rest = rest.strip_prefix(b".").unwrap_or(rest).iter();
                    rest.all(|digit| *digit == b'0')
                })
            });
            let page = kind.eq_ignore_ascii_case(b"text/html")
                || kind.eq_ignore_ascii_case(b"application/xhtml+xml");
            page && !refused
        })
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

/// An error that this representation was selected for, and another would not have been perhaps.
fn instead_of(opened: &Opened, status: StatusCode) -> Response {
    match opened.is_negotiated() {
        true => error(status).field("Vary", "Accept-Encoding"),
        false => error(status),
    }
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
