//! [`Case`]: one row of the table, and how the rows are written.

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is kept: the next request, right behind what was sent, is answered.
    Kept,
    /// It is closed after the last answer, which says so; what follows is not read as a request, and
    /// a client that is still sending gets to read the answer.
    Closed,
    /// It waits for the rest of what was sent.
    Waits,
}

/// Stands in what is sent for the entity tag of `count.txt`, which is another for every folder.
pub(crate) const ETAG: &str = "@ETAG@";

/// One row: what is sent, and all that must come back.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, which is unique.
    pub id: &'static str,
    /// Where it comes from: `9112 2.2` is RFC 9112, section 2.2.
    pub source: &'static str,
    /// What is right or wrong with it.
    pub what: &'static str,
    /// The bytes.
    pub sent: Vec<u8>,
    /// The status of every answer, in order, interim ones included.
    pub statuses: Vec<u16>,
    /// What becomes of the connection.
    pub fate: Fate,
    /// The client ends its side behind what was sent.
    pub ends: bool,
    /// Which answers are to HEAD, and so without a body.
    pub heads: Vec<usize>,
    /// What the last answer says, in its head or its body.
    pub says: Vec<String>,
    /// What the last answer must not say.
    pub lacks: Vec<String>,
    /// The whole body of the last answer.
    pub body: Option<Vec<u8>>,
    /// Whether `100 Continue` may come or not: it is not sent where the body is there already.
    pub continue_may_come: bool,
    /// The client speaks HTTP/1.0.
    pub http10: bool,
    /// The published fault that this was.
    pub known: Option<&'static str>,
}

pub(crate) fn case(
    id: &'static str,
    source: &'static str,
    what: &'static str,
    sent: impl Into<Vec<u8>>,
) -> Case {
    Case {
        id,
        source,
        what,
        sent: sent.into(),
        statuses: Vec::new(),
        fate: Fate::Kept,
        ends: false,
        heads: Vec::new(),
        says: Vec::new(),
        lacks: Vec::new(),
        body: None,
        continue_may_come: false,
        http10: false,
        known: None,
    }
}

/// A GET of the file that is always there, with these lines behind `Host`.
pub(crate) fn get(id: &'static str, source: &'static str, what: &'static str, lines: &str) -> Case {
    let sent = format!("GET /a.txt HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    case(id, source, what, sent)
}

/// A POST that is sent back, with these lines behind `Host`, and what follows the head.
pub(crate) fn post(
    id: &'static str,
    source: &'static str,
    what: &'static str,
    lines: &str,
    rest: &str,
) -> Case {
    let sent = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{lines}\r\n{rest}");
    case(id, source, what, sent)
}

/// A POST with a chunked body, which is sent back.
pub(crate) fn chunked(
    id: &'static str,
    source: &'static str,
    what: &'static str,
    body: impl AsRef<[u8]>,
) -> Case {
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    case(id, source, what, [head, body.as_ref()].concat())
}

impl Case {
    /// These answers, and the connection is kept.
    pub(crate) fn answers(mut self, statuses: &[u16]) -> Case {
        self.statuses = statuses.to_vec();
        self.fate = Fate::Kept;
        self
    }

    /// These answers, and the connection is closed.
    pub(crate) fn last(mut self, statuses: &[u16]) -> Case {
        self.statuses = statuses.to_vec();
        self.fate = Fate::Closed;
        self
    }

    /// These answers, and the connection waits for more.
    pub(crate) fn waits(mut self, statuses: &[u16]) -> Case {
        self.statuses = statuses.to_vec();
        self.fate = Fate::Waits;
        self
    }

    /// One answer with this status, which says why, and the connection is closed.
    pub(crate) fn refused(self, status: u16, why: &str) -> Case {
        self.last(&[status]).says(why)
    }

    /// 200 with this body, and the connection is kept.
    pub(crate) fn echoes(self, body: &str) -> Case {
        self.answers(&[200]).body(body)
    }

    pub(crate) fn ends(mut self) -> Case {
        self.ends = true;
        self
    }

    /// The answer at this place is to HEAD.
    pub(crate) fn head(mut self, place: usize) -> Case {
        self.heads.push(place);
        self
    }

    pub(crate) fn says(mut self, what: &str) -> Case {
        self.says.push(what.to_owned());
        self
    }

    pub(crate) fn lacks(mut self, what: &str) -> Case {
        self.lacks.push(what.to_owned());
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Case {
        self.body = Some(body.as_bytes().to_vec());
        self
    }

    pub(crate) fn continue_may_come(mut self) -> Case {
        self.continue_may_come = true;
        self
    }

    pub(crate) fn http10(mut self) -> Case {
        self.http10 = true;
        self
    }

    /// A fault that others had.
    pub(crate) fn known(mut self, known: &'static str) -> Case {
        self.known = Some(known);
        self
    }
}
