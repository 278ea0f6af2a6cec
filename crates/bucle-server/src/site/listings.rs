//! [`Listings`]: pages of folders, written by threads and kept for a moment.
//!
//! A folder may have so many names that listing it takes longer than a loop can be without its
//! other connections. Requests for the same page wait for the same thread, and what it has written
//! is good for [`KEPT_FOR`], as long as the folder itself doesn't change: what lies in it may, so a
//! size or time can be as old as that. For who takes it, a page is compressed once, and that is kept
//! with it.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bucle_loop::sync::{Event, Semaphore};
use bucle_loop::{get_running_loop, to_thread};
use bytes::Bytes;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::site::coding::{CODINGS, Coding};
use crate::site::compress::{self, Source};
use crate::site::entity;
use crate::site::listing;
use crate::site::path::SitePath;
use crate::site::root::{Facts, Root};

/// How long a page is good for.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// How many pages are kept.
const KEPT: usize = 16;

/// How many threads of a loop write or compress pages at the same time.
const AT_ONCE: usize = 2;

/// The page of a folder.
pub(crate) struct Listed {
    path: SitePath,
    facts: Facts,
    written: Instant,
    /// Whether the folder can be told from any later state of it.
    settled: bool,
    pub(crate) page: Bytes,
    /// A strong tag, without its quotes: of the page itself.
    mark: String,
    coded: RefCell<[Coded; CODINGS]>,
}

/// The page in one coding.
#[derive(Clone, Default)]
enum Coded {
    #[default]
    None,
    Made(Bytes),
    /// Being compressed; set when that has ended.
    Making(Rc<Event>),
    /// Compressed it would not be shorter.
    Useless,
}

/// A page that is being written.
struct Writing {
    path: SitePath,
    facts: Facts,
    written: Event,
    result: RefCell<Option<Result<Rc<Listed>, Errno>>>,
}

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct Listings(Rc<State>);

struct State {
    kept: RefCell<Vec<Rc<Listed>>>,
    writing: RefCell<Vec<Rc<Writing>>>,
    at_once: Rc<Semaphore>,
    /// How many compressions were begun and have not ended.
    compressions: Cell<usize>,
}

impl Default for State {
    fn default() -> State {
        State {
            kept: RefCell::default(),
            writing: RefCell::default(),
            at_once: Rc::new(Semaphore::new(AT_ONCE)),
            compressions: Cell::new(0),
        }
    }
}

impl Listings {
    /// The page of a folder in this state, if it was written a moment ago.
    pub(crate) fn kept(&self, path: &SitePath, facts: &Facts, now: Instant) -> Option<Rc<Listed>> {
        let kept = self.0.kept.borrow();
        let listed = kept.iter().find(|listed| listed.path == *path)?;
        (listed.is_young(now) && listed.facts == *facts).then(|| listed.clone())
    }

    /// Has the page of a folder written, or waits for who does already.
    pub(crate) async fn page(
        &self,
        root: Arc<Root>,
        prefix: String,
        path: SitePath,
        facts: Facts,
    ) -> Result<Rc<Listed>, Errno> {
        // A folder that changed just now may have changed again since somebody began to read it.
        let shared = entity::settled(&facts, SystemTime::now());
        let joined = self.0.writing.borrow().iter().find_map(|writing| {
            let same = shared && writing.path == path && writing.facts == facts;
            same.then(|| writing.clone())
        });
        let writing = joined.unwrap_or_else(|| {
            let writing = Rc::new(Writing {
                path,
                facts,
                written: Event::new(),
                result: RefCell::default(),
            });
            self.0.writing.borrow_mut().push(writing.clone());
            // A task of its own: who asked first may leave while others wait for it too.
            let job = self.clone().write(writing.clone(), root, prefix);
            get_running_loop().spawn_named("listing", job).detach();
            writing
        });
        writing.written.wait().await;
        writing.result.borrow().clone().unwrap_or(Err(Errno::IO))
    }

    /// Writes a page in a thread, unless nobody waits for it any more when its turn comes.
    async fn write(self, writing: Rc<Writing>, root: Arc<Root>, prefix: String) {
        let permit = self.0.at_once.clone().acquire_owned().await;
        // Held here and by the list alone: all who waited have left.
        let wanted = Rc::strong_count(&writing) > 2;
        let result = if wanted {
            let path = writing.path.clone();
            to_thread(move || written(&root, &prefix, &path)).await
        } else {
            Ok(Err(Errno::CANCELED))
        };
        drop(permit);
        let now = get_running_loop().time();
        let result = match result {
            Ok(Ok((facts, keep, page))) => {
                let listed = Rc::new(Listed::new(writing.path.clone(), facts, now, page, keep));
                if keep {
                    self.keep(&listed, now);
                }
                Ok(listed)
            }
            Ok(Err(errno)) => Err(errno),
            Err(_) => Err(Errno::IO),
        };
        self.0
            .writing
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, &writing));
        writing.result.replace(Some(result));
        writing.written.set();
    }

    /// Waits until a page is compressed; `None` where it is sent as it is: it would not get shorter, or
    /// too many wait for a compression.
    pub(crate) async fn coded(&self, listed: &Rc<Listed>, coding: Coding) -> Option<Bytes> {
        let made = match listed.coded(coding) {
            Coded::Made(bytes) => return Some(bytes),
            Coded::Useless => return None,
            Coded::Making(made) => made,
            Coded::None if self.0.compressions.get() >= compress::WAITING => return None,
            Coded::None => {
                let made = Rc::new(Event::new());
                listed.set(coding, Coded::Making(made.clone()));
                self.0.compressions.set(self.0.compressions.get() + 1);
                // A task of its own: who asked first may leave while others wait for it too.
                let job = self.clone().make(listed.clone(), coding, made.clone());
                get_running_loop().spawn_named("compression", job).detach();
                made
            }
        };
        made.wait().await;
        match listed.coded(coding) {
            Coded::Made(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Compresses a page in a thread, unless nobody waits for it any more when its turn comes, and
    /// tells who waits.
    async fn make(self, listed: Rc<Listed>, coding: Coding, made: Rc<Event>) {
        let permit = self.0.at_once.clone().acquire_owned().await;
        // Held here and by the page alone: all who waited have left.
        let wanted = Rc::strong_count(&made) > 2;
        let compressed = if wanted {
            let source = Source::Bytes(listed.page.to_vec());
            to_thread(move || compress::compress(source, coding))
                .await
                .ok()
        } else {
            None
        };
        drop(permit);
        self.0.compressions.set(self.0.compressions.get() - 1);
        let coded = match compressed {
            Some(Ok(Some(mut bytes))) => {
                bytes.shrink_to_fit();
                Coded::Made(bytes.into())
            }
            Some(Ok(None)) => Coded::Useless,
            // It may be tried again.
            Some(Err(_)) | None => Coded::None,
        };
        listed.set(coding, coded);
        made.set();
    }

    fn keep(&self, listed: &Rc<Listed>, now: Instant) {
        let mut kept = self.0.kept.borrow_mut();
        kept.retain(|other| other.path != listed.path && other.is_young(now));
        if kept.len() == KEPT {
            return;
        }
        kept.push(listed.clone());
        drop(kept);
        // It may be a mebibyte, and nobody may ask again.
        let state = Rc::downgrade(&self.0);
        get_running_loop().call_at(now + KEPT_FOR, move || {
            let Some(state) = state.upgrade() else { return };
            let now = get_running_loop().time();
            state
                .kept
                .borrow_mut()
                .retain(|listed| listed.is_young(now));
        });
    }
}

impl Listed {
    fn new(path: SitePath, facts: Facts, now: Instant, page: String, settled: bool) -> Listed {
        Listed {
            path,
            facts,
            written: now,
            settled,
            mark: mark(&page),
            page: page.into(),
            coded: RefCell::default(),
        }
    }

    /// Whether it is worth compressing: one of a folder that changed just now is sent once, most
    /// likely.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Its tag, in a coding or as it is.
    pub(crate) fn etag(&self, coding: Option<Coding>) -> String {
        let (dash, coding) = coding.map_or(("", ""), |coding| ("-", coding.name()));
        format!("\"{}{dash}{coding}\"", self.mark)
    }

    fn coded(&self, coding: Coding) -> Coded {
        self.coded.borrow()[coding.index()].clone()
    }

    fn set(&self, coding: Coding, coded: Coded) {
        let before = std::mem::replace(&mut self.coded.borrow_mut()[coding.index()], coded);
        drop(before);
    }

    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.written) < KEPT_FOR
    }
}

/// The folder's state, whether it can be told from any later one, and its page.
fn written(root: &Root, prefix: &str, path: &SitePath) -> Result<(Facts, bool, String), Errno> {
    let folder = root.open_beneath(&path.relative())?;
    let facts = Facts::of_open(&folder)?;
    if facts.kind != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    let keep = entity::settled(&facts, SystemTime::now());
    let mut page = listing::page(root, prefix, path, folder)?;
    // It was written with room for more, and is kept.
    page.shrink_to_fit();
    Ok((facts, keep, page))
}

/// What stands for a page in its tags.
fn mark(page: &str) -> String {
    let mut hasher = DefaultHasher::new();
    page.hash(&mut hasher);
    format!("{:x}-{:016x}", page.len(), hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_let_go_when_it_is_good_no_more() {
        /// Within this it is.
        const WATCHDOG: Duration = Duration::from_secs(60);
        let listed = |now| {
            let path = SitePath::decode("/folder/").unwrap();
            let facts = Facts::of_open(std::fs::File::open("/").unwrap()).unwrap();
            Rc::new(Listed::new(path, facts, now, "a page".to_owned(), true))
        };
        bucle_loop::run(async move {
            let listings = Listings::default();
            let begun = get_running_loop().time();
            listings.keep(&listed(begun), begun);
            assert_eq!(listings.0.kept.borrow().len(), 1);
            while !listings.0.kept.borrow().is_empty() {
                let now = get_running_loop().time();
                assert!(now < begun + WATCHDOG, "it is still kept");
                bucle_loop::sleep(Duration::from_millis(10)).await;
            }
            assert!(get_running_loop().time() >= begun + KEPT_FOR);
        })
        .unwrap();
    }
}
