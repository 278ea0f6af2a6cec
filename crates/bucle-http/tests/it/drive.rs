//! Drives a connection over input that is cut in any way, as a caller with a socket would, and
//! notes what it says.

use bucle_http::{
    ClientConnection, Error, Event, Limits, Method, RequestHead, ResponseHead, ServerConnection,
};

/// What a connection said, adjacent pieces of a body joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Of a request: its line, fields, and what the driver of a server asks.
    Request(Request),
    Response(Response),
    Body(Vec<u8>),
    Trailers(Vec<(String, Vec<u8>)>),
    End,
    Failed(Error),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) has_body: bool,
    pub(crate) content_length: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: Vec<u8>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) keep_alive: bool,
    pub(crate) content_length: Option<u64>,
}

/// The events of a whole input, and how much of it was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) said: Vec<Said>,
    pub(crate) left: usize,
}

impl Outcome {
    pub(crate) fn error(&self) -> Option<Error> {
        match self.said.last() {
            Some(Said::Failed(error)) => Some(*error),
            _ => None,
        }
    }

    pub(crate) fn requests(&self) -> Vec<&Request> {
        self.said
            .iter()
            .filter_map(|said| match said {
                Said::Request(request) => Some(request),
                _ => None,
            })
            .collect()
    }

    /// Messages that were received as a whole.
    pub(crate) fn ends(&self) -> usize {
        self.said.iter().filter(|said| **said == Said::End).count()
    }

    /// All bodies, one after the other.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.said
            .iter()
            .filter_map(|said| match said {
                Said::Body(bytes) => Some(bytes.as_slice()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .concat()
    }
}

fn owned<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, Vec<u8>)> {
    fields
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect()
}

impl Request {
    fn of(head: &RequestHead) -> Request {
        Request {
            line: format!("{} {} {}", head.method_str(), head.target(), head.version()),
            path: head.path().to_owned(),
            query: head.query().map(str::to_owned),
            host: head.host().map(str::to_owned),
            fields: owned(head.headers()),
            keep_alive: head.keep_alive(),
            expects_continue: head.expects_continue(),
            has_body: head.has_body(),
            content_length: head.content_length(),
        }
    }
}

/// One side of a connection, as the loop below sees it.
trait Side {
    fn receive(&mut self, input: &[u8], said: &mut Vec<Said>) -> Result<(usize, Event), Error>;
    fn proceed(&mut self) -> bool;
    fn limit(&self) -> usize;
}

struct Server<'a> {
    connection: ServerConnection,
    head: RequestHead,
    limits: &'a Limits,
}

impl Side for Server<'_> {
    fn receive(&mut self, input: &[u8], said: &mut Vec<Said>) -> Result<(usize, Event), Error> {
        let progress = self
            .connection
            .receive(input, &mut self.head, self.limits)?;
        match progress.event {
            Event::Head => said.push(Said::Request(Request::of(&self.head))),
            Event::Trailers => said.push(Said::Trailers(owned(self.head.trailers()))),
            _ => {}
        }
        Ok((progress.consumed, progress.event))
    }

    fn proceed(&mut self) -> bool {
        self.connection.next_request();
        true
    }

    fn limit(&self) -> usize {
        self.limits.head_bytes.max(self.limits.trailer_bytes)
    }
}

struct Client<'a> {
    connection: ClientConnection,
    head: ResponseHead,
    limits: &'a Limits,
    methods: std::iter::Copied<std::slice::Iter<'a, Method>>,
}

impl Side for Client<'_> {
    fn receive(&mut self, input: &[u8], said: &mut Vec<Said>) -> Result<(usize, Event), Error> {
        let progress = self
            .connection
            .receive(input, &mut self.head, self.limits)?;
        let head = &self.head;
        match progress.event {
            Event::Head => said.push(Said::Response(Response {
                status: head.status().as_u16(),
                reason: head.reason().to_vec(),
                fields: owned(head.headers()),
                keep_alive: head.keep_alive(),
                content_length: head.content_length(),
            })),
            Event::Trailers => said.push(Said::Trailers(owned(head.trailers()))),
            _ => {}
        }
        Ok((progress.consumed, progress.event))
    }

    fn proceed(&mut self) -> bool {
        match self.methods.next() {
            Some(method) if self.connection.keep_alive() => {
                self.connection.next_response(method);
                true
            }
            _ => false,
        }
    }

    fn limit(&self) -> usize {
        self.limits.head_bytes.max(self.limits.trailer_bytes)
    }
}

/// Feeds `input` in pieces that end at `cuts`, which ascend.
fn drive(side: &mut impl Side, input: &[u8], cuts: &[usize]) -> Outcome {
    let mut said = Vec::new();
    let (mut from, mut steps) = (0, 0);
    let mut ends = cuts.to_vec();
    ends.push(input.len());
    'pieces: for (i, &end) in ends.iter().enumerate() {
        loop {
            steps += 1;
            assert!(
                steps < 1000 + 16 * (input.len() + cuts.len()),
                "it goes round in circles"
            );
            let given = &input[from..end];
            let (consumed, event) = match side.receive(given, &mut said) {
                Ok(progress) => progress,
                Err(error) => {
                    assert_eq!(
                        side.receive(given, &mut Vec::new()),
                        Err(error),
                        "an error stays"
                    );
                    said.push(Said::Failed(error));
                    break 'pieces;
                }
            };
            assert!(consumed <= given.len());
            from += consumed;
            match event {
                Event::NeedInput => {
                    assert!(
                        end - from < side.limit(),
                        "{} bytes are carried over",
                        end - from
                    );
                    break;
                }
                Event::Head | Event::Trailers => assert!(consumed > 0),
                Event::Body(range) => {
                    assert!(!range.is_empty() && range.end == consumed);
                    let piece = &given[range];
                    match said.last_mut() {
                        Some(Said::Body(body)) => body.extend_from_slice(piece),
                        _ => said.push(Said::Body(piece.to_vec())),
                    }
                }
                Event::End => said.push(Said::End),
                Event::Paused => {
                    assert_eq!(consumed, 0);
                    if !side.proceed() {
                        from += end - from;
                        if i + 1 == ends.len() {
                            break 'pieces;
                        }
                        break;
                    }
                }
            }
        }
    }
    Outcome {
        said,
        left: input.len() - from,
    }
}

pub(crate) fn serve_cut(input: &[u8], cuts: &[usize], limits: &Limits) -> Outcome {
    let mut server = Server {
        connection: ServerConnection::default(),
        head: RequestHead::default(),
        limits,
    };
    drive(&mut server, input, cuts)
}

pub(crate) fn answers_cut<'a>(
    input: &[u8],
    methods: &'a [Method],
    cuts: &[usize],
    limits: &'a Limits,
) -> Outcome {
    let mut connection = ClientConnection::default();
    let mut methods = methods.iter().copied();
    connection.next_response(methods.next().unwrap_or_default());
    let mut client = Client {
        connection,
        head: ResponseHead::default(),
        limits,
        methods,
    };
    drive(&mut client, input, cuts)
}

/// Asserts that the events are equal whole, byte by byte, cut once at every offset (at some, if it
/// is long) and cut twice, and returns them.
pub(crate) fn equal_however_cut(run: impl Fn(&[usize]) -> Outcome, length: usize) -> Outcome {
    let whole = run(&[]);
    let check = |cuts: &[usize]| {
        let cut = run(cuts);
        assert_eq!(whole.said, cut.said, "cut at {cuts:?}");
        if whole.error().is_none() {
            assert_eq!(whole.left, cut.left, "cut at {cuts:?}");
        }
    };
    let every: Vec<usize> = (0..length).collect();
    check(&every);
    for at in (0..length).step_by(1 + length / 800 * 8) {
        check(&[at]);
    }
    for at in (0..length).step_by(7 + length / 100) {
        check(&[at / 3, at]);
    }
    whole
}
