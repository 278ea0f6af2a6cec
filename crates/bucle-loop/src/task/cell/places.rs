//! [`Places`]: the tasks that are alive on a loop, each at a numbered place.
//!
//! A word a task: the reference, or where there is none the number of the next place without one. The
//! words lie in chunks, so that none is moved when there are more, and no more than a chunk is set
//! aside. A task that ends touches its own word, not those of others, as it would in a list of them.

use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use super::{Header, TaskRef};

/// How many words a chunk has: 4 KiB.
const IN_CHUNK: usize = 512;

/// What the last vacant place says is the next.
const NONE: u32 = u32::MAX >> 1;

/// Set in the word of a vacant place; the next one's number is above it. A cell's address is even.
const VACANT: usize = 1;

/// One place.
struct Place(Cell<*mut Header>);

impl Place {
    fn vacant(next: u32) -> Place {
        let place = Place(Cell::new(ptr::null_mut()));
        place.vacate(next);
        place
    }

    #[inline]
    fn vacate(&self, next: u32) {
        let word = (next as usize) << 1 | VACANT;
        self.0.set(ptr::without_provenance_mut(word));
    }

    /// The next vacant place, of one that is vacant.
    #[inline]
    fn next_vacant(&self) -> u32 {
        (self.0.get().addr() >> 1) as u32
    }

    #[inline]
    fn fill(&self, task: TaskRef) {
        self.0.set(ManuallyDrop::new(task).ptr.as_ptr());
    }

    /// The reference that is here, if one is. It is to be taken from here, or not to be dropped.
    #[inline]
    fn get(&self) -> Option<ManuallyDrop<TaskRef>> {
        if self.0.get().addr() & VACANT != 0 {
            return None;
        }
        // Not vacant: `fill` put it there, and it is a reference until the place is vacated.
        let ptr = NonNull::new(self.0.get())?;
        Some(ManuallyDrop::new(TaskRef { ptr }))
    }
}

type Chunk = [Place; IN_CHUNK];

/// See the module. Runs nobody's code. Not `Sync`, as its cells aren't.
pub(crate) struct Places {
    /// Referred to by the functions here only, none of which calls another's code or each other meanwhile.
    chunks: UnsafeCell<Vec<Box<Chunk>>>,
    /// The first vacant place.
    vacant: Cell<u32>,
    len: Cell<usize>,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            chunks: UnsafeCell::default(),
            vacant: Cell::new(NONE),
            len: Cell::new(0),
        }
    }
}

impl Places {
    /// How many tasks there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// Puts a task into a place, and gives the place's number, which counts from 0.
    ///
    /// # Panics
    /// At 2^31 tasks.
    #[inline]
    pub(crate) fn insert(&self, task: TaskRef) -> u32 {
        let mut number = self.vacant.get();
        let place = match self.place(number) {
            Some(place) => place,
            // There is no place with the number NONE.
            None => {
                let place = self.add_chunk();
                number = self.vacant.get();
                place
            }
        };
        self.vacant.set(place.next_vacant());
        place.fill(task);
        self.len.set(self.len.get() + 1);
        number
    }

    /// Takes a task out of the place that it says it has; `None` if it isn't there.
    #[inline]
    pub(crate) fn remove(&self, task: &TaskRef) -> Option<TaskRef> {
        let number = task.key();
        let place = self.place(number)?;
        if place.0.get() != task.ptr.as_ptr() {
            return None;
        }
        place.vacate(self.vacant.get());
        self.vacant.set(number);
        self.len.set(self.len.get() - 1);
        // What `fill` put there, once: the place is vacant.
        Some(TaskRef { ptr: task.ptr })
    }

    /// The task at a place.
    pub(crate) fn get(&self, number: u32) -> Option<TaskRef> {
        Some(TaskRef::clone(&*self.place(number)?.get()?))
    }

    /// Asks for the memory of a place.
    #[inline]
    pub(crate) fn prefetch(&self, number: u32) {
        if let Some(place) = self.place(number) {
            super::prefetch::prefetch_line(ptr::from_ref(place).cast());
        }
    }

    /// All tasks, in the order of their places.
    pub(crate) fn all(&self) -> Vec<TaskRef> {
        let tasks = self.chunks().iter().flat_map(|chunk| &**chunk);
        tasks
            .filter_map(|place| Some(TaskRef::clone(&*place.get()?)))
            .collect()
    }

    /// The first, in the order of their places, of which `is_it` says so. That calls nobody's code.
    pub(crate) fn find(&self, is_it: impl Fn(&TaskRef) -> bool) -> Option<TaskRef> {
        let places = self.chunks().iter().flat_map(|chunk| &**chunk);
        let mut tasks = places.filter_map(Place::get);
        let found = tasks.find(|task| is_it(task))?;
        Some(TaskRef::clone(&found))
    }

    /// Takes all tasks out, in the order of their places.
    pub(crate) fn take_all(&self) -> Vec<TaskRef> {
        self.vacant.set(NONE);
        self.len.set(0);
        // SAFETY: nobody has a reference to it: see the field.
        let chunks = std::mem::take(unsafe { &mut *self.chunks.get() });
        let tasks = chunks
            .iter()
            .flat_map(|chunk| &**chunk)
            .filter_map(Place::get);
        // The places go with the chunks, and nobody else takes what was in them.
        tasks.map(ManuallyDrop::into_inner).collect()
    }

    #[inline]
    fn chunks(&self) -> &Vec<Box<Chunk>> {
        // SAFETY: nobody changes it meanwhile: see the field.
        unsafe { &*self.chunks.get() }
    }

    #[inline]
    fn place(&self, number: u32) -> Option<&Place> {
        let number = number as usize;
        let chunk = self.chunks().get(number / IN_CHUNK)?;
        Some(&chunk[number % IN_CHUNK])
    }

    /// Adds a chunk, all of it vacant, and gives the first place of it, which is the first vacant one.
    #[cold]
    #[inline(never)]
    fn add_chunk(&self) -> &Place {
        // SAFETY: nobody has a reference to it: see the field.
        let chunks = unsafe { &mut *self.chunks.get() };
        let first = chunks.len() * IN_CHUNK;
        assert!(
            first + IN_CHUNK < NONE as usize,
            "a loop holds fewer than 2^31 tasks"
        );
        let chunk = std::array::from_fn(|place| {
            Place::vacant(match place + 1 < IN_CHUNK {
                true => (first + place + 1) as u32,
                false => NONE,
            })
        });
        chunks.push(Box::new(chunk));
        self.vacant.set(first as u32);
        &self.chunks()[first / IN_CHUNK][0]
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::HomeRef;
    use super::*;
    use crate::inbox::Inbox;
    use crate::task::TaskTag;
    use std::collections::BTreeMap;
    use std::panic::Location;

    fn home(loop_id: u64) -> HomeRef {
        HomeRef::new(loop_id, Inbox::acquire(loop_id, Box::new(|| ())))
    }

    fn task(home: &HomeRef, id: u64) -> TaskRef {
        let tag = TaskTag::new(id, None, Location::caller());
        TaskRef::new(std::future::pending::<()>(), tag, home.clone()).0
    }

    #[test]
    fn it_does_what_a_map_does() {
        let (home, places) = (home(1 << 41), Places::default());
        let mut random = fastrand::Rng::with_seed(11);
        let mut model = BTreeMap::new();
        let steps = if cfg!(miri) { 1_200 } else { 6_000 };
        for id in 1..steps {
            if random.u64(..steps * 3 / 2) > id {
                let task = task(&home, id);
                let number = places.insert(task.clone());
                task.set_key(number);
                assert_eq!(model.insert(number, id), None, "a place that was taken");
            } else {
                let number = random.u32(..IN_CHUNK as u32 * 12);
                let task = places.get(number);
                assert_eq!(task.as_ref().map(TaskRef::id), model.remove(&number));
                if let Some(task) = task {
                    assert!(places.remove(&task).is_some_and(|same| same.is(&task)));
                    assert!(places.remove(&task).is_none(), "it was taken out");
                }
                assert!(places.get(number).is_none());
            }
            assert_eq!(places.len(), model.len());
        }
        assert!(model.keys().any(|number| *number as usize > IN_CHUNK));
        let ids = |tasks: Vec<TaskRef>| tasks.iter().map(TaskRef::id).collect::<Vec<_>>();
        let expected: Vec<_> = model.values().copied().collect();
        assert_eq!(ids(places.all()), expected);
        for (number, id) in &model {
            assert_eq!(places.get(*number).map(|task| task.id()), Some(*id));
        }
        let last = expected[expected.len() - 1];
        assert!(places.find(|task| task.id() == last).is_some());
        assert!(places.find(|task| task.id() == 0).is_none());
        assert_eq!(ids(places.take_all()), expected);
        assert_eq!(places.len(), 0);
        assert!(places.all().is_empty() && places.get(0).is_none());
        assert_eq!(places.insert(task(&home, 1)), 0);
        drop(home.inbox().close(home.loop_id()));
    }

    #[test]
    fn what_is_left_is_dropped_with_it() {
        let (home, places) = (home((1 << 41) + 1), Places::default());
        for id in 0..IN_CHUNK as u64 + 3 {
            let task = task(&home, id);
            task.set_key(places.insert(task.clone()));
        }
        let task = places.get(7).unwrap();
        drop(places.remove(&task));
        drop(task);
        assert_eq!(home.count(), 1 + IN_CHUNK + 2);
        drop(places);
        assert_eq!(home.count(), 1);
        drop(home.inbox().close(home.loop_id()));
    }
}
