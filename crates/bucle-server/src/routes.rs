//! [`Routes`]: which handler answers what, by path and method, and nothing more. Who wants patterns,
//! extractors or layers brings a router: see [`TowerHandler`](crate::TowerHandler).

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bucle_http::{Method, StatusCode};

use crate::handler::Handler;
use crate::into_response::IntoResponse;
use crate::{Request, Response};

/// More idle places for futures than these are not kept, for each route.
const KEPT_PLACES: usize = 64;

/// Handlers by path and method; one [`Handler`] made of several.
///
/// ```
/// use bucle_server::{BodyError, Request, Response, Routes};
///
/// fn index(_: Request) -> Response {
///     Response::html("<h1>Hello</h1>")
/// }
///
/// async fn shout(mut request: Request) -> Result<Vec<u8>, BodyError> {
///     let mut body = request.body().collect(64 * 1024).await?;
///     body.make_ascii_uppercase();
///     Ok(body)
/// }
///
/// let routes = Routes::new()
///     .get("/", index)
///     .post("/shout", shout)
///     .prefix("/old", |_: Request| async { (bucle_server::StatusCode::GONE, "moved away\n") });
/// ```
///
/// A path is compared as it is sent, percent-encoded: a way to find handlers, not a fence. An exact
/// path goes before a prefix, the longest prefix before shorter ones.
///
/// Without being told:
///
/// - HEAD is answered by the handler of GET, without the body (RFC 9110 section 9.3.2);
/// - OPTIONS is answered with 204 and `Allow`, for a path or for `*`;
/// - a method that a path doesn't have is 405 with `Allow`; one that nobody knows, and CONNECT, 501;
/// - a path that is not there is 404, unless there is a [`fallback`](Routes::fallback).
#[derive(Default)]
pub struct Routes {
    /// Sorted by path.
    exact: Vec<Entry>,
    /// The longest first.
    prefixes: Vec<(Box<str>, Rc<dyn Route>)>,
    fallback: Option<Rc<dyn Route>>,
    /// What `OPTIONS *` is told.
    allow: String,
}

/// What one path has.
struct Entry {
    path: Box<str>,
    methods: Vec<(Method, Rc<dyn Route>)>,
    /// For all other methods.
    any: Option<Rc<dyn Route>>,
    allow: String,
}

impl Routes {
    /// None.
    pub fn new() -> Routes {
        Routes {
            allow: "OPTIONS".into(),
            ..Routes::default()
        }
    }

    /// Answers GET, and HEAD, of `path`.
    ///
    /// # Panics
    /// As [`route`](Routes::route).
    #[must_use]
    #[track_caller]
    pub fn get(self, path: &str, handler: impl Handler) -> Routes {
        self.route(Method::Get, path, handler)
    }

    /// Answers POST to `path`.
    ///
    /// # Panics
    /// As [`route`](Routes::route).
    #[must_use]
    #[track_caller]
    pub fn post(self, path: &str, handler: impl Handler) -> Routes {
        self.route(Method::Post, path, handler)
    }

    /// Answers PUT of `path`.
    ///
    /// # Panics
    /// As [`route`](Routes::route).
    #[must_use]
    #[track_caller]
    pub fn put(self, path: &str, handler: impl Handler) -> Routes {
        self.route(Method::Put, path, handler)
    }

    /// Answers PATCH of `path`.
    ///
    /// # Panics
    /// As [`route`](Routes::route).
    #[must_use]
    #[track_caller]
    pub fn patch(self, path: &str, handler: impl Handler) -> Routes {
        self.route(Method::Patch, path, handler)
    }

    /// Answers DELETE of `path`.
    ///
    /// # Panics
    /// As [`route`](Routes::route).
    #[must_use]
    #[track_caller]
    pub fn delete(self, path: &str, handler: impl Handler) -> Routes {
        self.route(Method::Delete, path, handler)
    }

    /// Answers one method of exactly `path`.
    ///
    /// # Panics
    /// If the path does not begin with `/` or has a `?` in it, or has a handler for this method
    /// already; [`Method::Other`] is no single method, [`any`](Routes::any) is for those.
    #[must_use]
    #[track_caller]
    pub fn route(mut self, method: Method, path: &str, handler: impl Handler) -> Routes {
        assert!(
            method != Method::Other,
            "`Method::Other` is no single method; use `any`, and look at `method_str`"
        );
        let entry = self.entry(path);
        assert!(
            entry.methods.iter().all(|(other, _)| *other != method),
            "{method} {path} has a handler already"
        );
        entry.methods.push((method, route(handler)));
        entry.describe();
        self.describe();
        self
    }

    /// Answers the methods of exactly `path` that have no handler of their own, whatever they are.
    ///
    /// # Panics
    /// If the path does not begin with `/` or has a `?` in it, or has such a handler already.
    #[must_use]
    #[track_caller]
    pub fn any(mut self, path: &str, handler: impl Handler) -> Routes {
        let entry = self.entry(path);
        assert!(
            entry.any.is_none(),
            "{path} has a handler for any method already"
        );
        entry.any = Some(route(handler));
        self
    }

    /// Answers all methods of `path` and of everything below it: `/a` has `/a`, `/a/` and `/a/b`,
    /// not `/ab`. The handler gets the whole path.
    ///
    /// # Panics
    /// If the path does not begin with `/` or has a `?` in it, or has such a handler already.
    #[must_use]
    #[track_caller]
    pub fn prefix(mut self, path: &str, handler: impl Handler) -> Routes {
        check(path);
        let path = path.trim_end_matches('/');
        assert!(
            self.prefixes.iter().all(|(other, _)| **other != *path),
            "{path}/ has a handler already"
        );
        let place = self
            .prefixes
            .partition_point(|(other, _)| other.len() >= path.len());
        self.prefixes.insert(place, (path.into(), route(handler)));
        self
    }

    /// Answers what nothing else does, instead of 404.
    #[must_use]
    pub fn fallback(mut self, handler: impl Handler) -> Routes {
        self.fallback = Some(route(handler));
        self
    }

    #[track_caller]
    fn entry(&mut self, path: &str) -> &mut Entry {
        check(path);
        let place = match self.find(path) {
            Ok(place) => place,
            Err(place) => {
                let entry = Entry {
                    path: path.into(),
                    methods: Vec::new(),
                    any: None,
                    allow: String::new(),
                };
                self.exact.insert(place, entry);
                place
            }
        };
        &mut self.exact[place]
    }

    #[inline]
    fn find(&self, path: &str) -> Result<usize, usize> {
        self.exact
            .binary_search_by(|entry| entry.path.as_bytes().cmp(path.as_bytes()))
    }

    fn describe(&mut self) {
        let methods = self.exact.iter().flat_map(|entry| &entry.methods);
        self.allow = allow(methods.map(|(method, _)| *method));
    }

    /// Who answers, or the answer itself.
    fn choose(&self, request: &Request) -> Result<&Rc<dyn Route>, Response> {
        let (path, method) = (request.path(), request.method());
        if let Ok(place) = self.find(path) {
            return self.exact[place].choose(method);
        }
        let below = self.prefixes.iter().find(|(prefix, _)| {
            let rest = path.strip_prefix(&**prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if let Some((_, route)) = below {
            return Ok(route);
        }
        if let Some(route) = &self.fallback {
            return Ok(route);
        }
        Err(match method {
            Method::Options if path == "*" => allowed(StatusCode::NO_CONTENT, &self.allow),
            Method::Other | Method::Connect => Response::error(StatusCode::NOT_IMPLEMENTED),
            _ => Response::error(StatusCode::NOT_FOUND),
        })
    }
}

#[track_caller]
fn check(path: &str) {
    assert!(
        path.starts_with('/') && !path.contains(['?', '#']),
        "the path of a route begins with `/` and has no `?`, unlike {path:?}"
    );
}

impl Entry {
    fn describe(&mut self) {
        self.allow = allow(self.methods.iter().map(|(method, _)| *method));
    }

    fn of(&self, wanted: Method) -> Option<&Rc<dyn Route>> {
        let mut methods = self.methods.iter();
        methods
            .find(|(method, _)| *method == wanted)
            .map(|(_, route)| route)
    }

    fn choose(&self, method: Method) -> Result<&Rc<dyn Route>, Response> {
        let own = self.of(method);
        let own = own.or_else(|| match method {
            Method::Head => self.of(Method::Get),
            _ => None,
        });
        if let Some(route) = own.or(self.any.as_ref()) {
            return Ok(route);
        }
        Err(match method {
            Method::Options => allowed(StatusCode::NO_CONTENT, &self.allow),
            Method::Other | Method::Connect => Response::error(StatusCode::NOT_IMPLEMENTED),
            _ => allowed(StatusCode::METHOD_NOT_ALLOWED, &self.allow),
        })
    }
}

/// The methods that are answered, for `Allow`.
fn allow(methods: impl Iterator<Item = Method>) -> String {
    let mut known = vec![Method::Options];
    for method in methods {
        known.push(method);
        if method == Method::Get {
            known.push(Method::Head);
        }
    }
    let mut names: Vec<_> = known.into_iter().map(Method::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn allowed(status: StatusCode, allow: &str) -> Response {
    status.into_response().field("Allow", allow)
}

impl Handler for Routes {
    type Future = RouteFuture;

    fn call(&self, request: Request) -> RouteFuture {
        match self.choose(&request) {
            Ok(route) => route.clone().call(request),
            Err(response) => RouteFuture(State::Ready(Some(response))),
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.exact.iter().map(|entry| (&entry.path, &entry.allow));
        let prefixes = self.prefixes.iter().map(|(path, _)| (path, "below it"));
        f.debug_map().entries(exact).entries(prefixes).finish()
    }
}

/// A handler, whatever its type.
trait Route {
    fn call(self: Rc<Self>, request: Request) -> RouteFuture;
}

/// A handler with places for its futures, which are used again: a ready answer allocates nothing.
struct Kept<H: Handler> {
    handler: H,
    #[expect(clippy::vec_box, reason = "they are handed out as boxes")]
    places: RefCell<Vec<Box<Place<H>>>>,
}

fn route<H: Handler>(handler: H) -> Rc<dyn Route> {
    Rc::new(Kept {
        handler,
        places: RefCell::default(),
    })
}

/// Where the future of a handler lives.
struct Place<H: Handler> {
    future: Pin<Box<Option<H::Future>>>,
    /// None while it is kept there.
    home: Option<Rc<Kept<H>>>,
}

impl<H: Handler> Route for Kept<H> {
    fn call(self: Rc<Self>, request: Request) -> RouteFuture {
        let place = self.places.borrow_mut().pop();
        let mut place = place.unwrap_or_else(|| {
            Box::new(Place {
                future: Box::pin(None),
                home: None,
            })
        });
        place.future.set(Some(self.handler.call(request)));
        place.home = Some(self);
        RouteFuture(State::Running(Some(place)))
    }
}

/// A place with a future in it, whatever its type.
trait Running {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response>;
    /// Drops the future.
    fn end(self: Box<Self>);
}

impl<H: Handler> Running for Place<H> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        match self.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx).map(IntoResponse::into_response),
            None => Poll::Pending,
        }
    }

    fn end(mut self: Box<Self>) {
        self.future.set(None);
        if let Some(home) = self.home.take() {
            let mut places = home.places.borrow_mut();
            if places.len() < KEPT_PLACES {
                places.push(self);
            }
        }
    }
}

/// The answer of one of several handlers, which is to come.
pub struct RouteFuture(State);

enum State {
    Ready(Option<Response>),
    /// `None` only while it is dropped.
    Running(Option<Box<dyn Running>>),
}

impl Future for RouteFuture {
    type Output = Response;

    /// # Panics
    /// If it is polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match &mut self.0 {
            State::Ready(response) => match response.take() {
                Some(response) => Poll::Ready(response),
                None => panic!("a response was polled for after it was given out"),
            },
            State::Running(Some(running)) => running.poll(cx),
            State::Running(None) => Poll::Pending,
        }
    }
}

impl Drop for RouteFuture {
    fn drop(&mut self) {
        if let State::Running(running) = &mut self.0
            && let Some(running) = running.take()
        {
            running.end();
        }
    }
}

impl fmt::Debug for RouteFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteFuture").finish_non_exhaustive()
    }
}
