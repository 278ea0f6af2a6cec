//! Several items of one function in one task: what [`Map`](super::Map) sends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use super::job::{Base, Decode, Job, Output, Payload, Sending, Stage, decode};
use super::memory::Memory;
use super::options::TaskOptions;
use crate::board::LONGEST_INLINE;
use crate::error::ProcessError;
use crate::frame::ITEM;
use crate::payload::Writer;

/// The results of a map, as they come.
pub(super) struct Results<T> {
    /// With the item's number.
    pub(super) came: RefCell<VecDeque<(usize, Result<T, ProcessError>)>>,
    pub(super) waker: RefCell<Option<Waker>>,
    /// How many items have been sent and have no result.
    pub(super) outstanding: Cell<usize>,
    /// How many chunks are not done.
    pub(super) chunks: Cell<usize>,
}

impl<T> Results<T> {
    pub(super) fn new() -> Rc<Results<T>> {
        Rc::new(Results {
            came: RefCell::default(),
            waker: RefCell::new(None),
            outstanding: Cell::new(0),
            chunks: Cell::new(0),
        })
    }

    pub(super) fn put(&self, number: usize, result: Result<T, ProcessError>) {
        self.outstanding.set(self.outstanding.get() - 1);
        self.came.borrow_mut().push_back((number, result));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The bytes of a chunk, while items are being added.
#[derive(Default)]
pub(super) struct Items {
    bytes: Vec<u8>,
    /// Where each begins.
    begins: Vec<usize>,
}

impl Items {
    /// Adds an item, as [`ITEM`] says.
    pub(super) fn add(&mut self, writer: &Writer<'_>) {
        let begin = self.bytes.len();
        self.begins.push(begin);
        let len = writer.len();
        self.bytes
            .extend_from_slice(&(writer.head_len() as u64).to_ne_bytes());
        self.bytes.extend_from_slice(&(len as u64).to_ne_bytes());
        let end = begin + ITEM + len;
        self.bytes.resize(end.next_multiple_of(ITEM), 0);
        writer.write(&mut self.bytes[begin + ITEM..end]);
    }

    pub(super) fn count(&self) -> usize {
        self.begins.len()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// A chunk of a map.
pub(super) struct Chunk<T> {
    base: Base,
    decode: Decode<T>,
    results: Rc<Results<T>>,
    /// The number of its first item in the map.
    first: usize,
    items: Items,
    /// How many items are done, of those before the last sending.
    done_before: Cell<usize>,
    /// How many items are done.
    done: Cell<usize>,
    /// What is sent: all items from `done_before` on. Made when it is the chunk's turn.
    payload: RefCell<Option<Payload>>,
}

impl<T: 'static> Chunk<T> {
    /// Makes a chunk that counts among the results' from now on.
    pub(super) fn new(
        (path, function): (&'static str, u32),
        options: TaskOptions,
        (first, items): (usize, Items),
        (decode, results): (Decode<T>, Rc<Results<T>>),
    ) -> Rc<Chunk<T>> {
        results
            .outstanding
            .set(results.outstanding.get() + items.count());
        results.chunks.set(results.chunks.get() + 1);
        Rc::new(Chunk {
            base: Base::new(path, function, options),
            decode,
            results,
            first,
            items,
            done_before: Cell::new(0),
            done: Cell::new(0),
            payload: RefCell::new(None),
        })
    }

    /// The bytes of what is not done.
    fn left(&self) -> &[u8] {
        let begin = self.items.begins.get(self.done.get());
        &self.items.bytes[begin.copied().unwrap_or(self.items.len())..]
    }

    /// True if it was the last one.
    fn put(&self, result: Result<T, ProcessError>) -> bool {
        let number = self.done.get();
        self.done.set(number + 1);
        self.results.put(self.first + number, result);
        let over = self.done.get() == self.items.count();
        if over {
            self.end();
        }
        over
    }

    fn end(&self) {
        self.base.stage.set(Stage::Done);
        self.results.chunks.set(self.results.chunks.get() - 1);
        drop(self.payload.take());
        self.results.wake();
    }
}

impl<T: 'static> Job for Chunk<T> {
    fn base(&self) -> &Base {
        &self.base
    }

    fn make_ready(&self, memory: &Rc<Memory>) -> io::Result<()> {
        if self.payload.borrow().is_none() {
            let left = self.left();
            let payload = match left.len() <= LONGEST_INLINE {
                true => Payload::Own(left.to_vec()),
                false => Payload::leased(left, memory)?,
            };
            self.done_before.set(self.done.get());
            self.payload.replace(Some(payload));
        }
        Ok(())
    }

    fn sending(&self, send: &mut dyn FnMut(Sending<'_>) -> bool) -> bool {
        let left = self.items.count() - self.done_before.get();
        let payload = self.payload.borrow();
        payload.as_ref().is_some_and(|payload| {
            send(Sending {
                payload,
                head: u32::try_from(left).unwrap_or(u32::MAX),
                chunk: true,
            })
        })
    }

    fn output(&self, _: u32, output: Output<'_>) -> bool {
        self.put(decode(self.decode, &output))
    }

    fn error(&self, _: u32, error: ProcessError) -> bool {
        self.put(Err(error))
    }

    fn died(&self, error: ProcessError) -> bool {
        // The rest was not begun, and is sent anew.
        let over = self.put(Err(error));
        self.back();
        over
    }

    fn back(&self) {
        if self.done.get() != self.done_before.get() {
            drop(self.payload.take());
        }
    }

    fn fail(&self, error: ProcessError) {
        if self.base.stage.get() != Stage::Done {
            while !self.put(Err(error.clone())) {}
        }
    }

    fn arguments(&self) -> usize {
        let at = |place| self.items.begins.get(place).copied();
        let begin = at(self.done.get()).unwrap_or(self.items.len());
        let end = at(self.done.get() + 1).unwrap_or(self.items.len());
        end.saturating_sub(begin + ITEM)
    }
}
