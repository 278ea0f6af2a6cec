//! The ring under loom: every order in which a writer and a reader may do things, up to a number of
//! preemptions. Frames of two words in a ring of four, so that it goes round.

use loom::sync::atomic::AtomicU64;
use loom::sync::{Arc, Notify};
use loom::thread;

use super::*;

fn model(bound: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(bound));
    builder.check(body);
}

/// What two processes share, and the two places where they sleep.
struct Memory {
    data: [AtomicU64; 4],
    positions: [AtomicU64; 3],
    asleep: AtomicU64,
    wants_room: AtomicU64,
    to_reader: Notify,
    to_writer: Notify,
}

impl Memory {
    fn new() -> Arc<Memory> {
        Arc::new(Memory {
            data: Default::default(),
            positions: Default::default(),
            asleep: AtomicU64::new(0),
            wants_room: AtomicU64::new(0),
            to_reader: Notify::new(),
            to_writer: Notify::new(),
        })
    }

    fn ring(&self) -> Ring<'_, AtomicU64> {
        let [head, freed, tail] = &self.positions;
        Ring {
            data: &self.data,
            head,
            freed,
            tail,
        }
    }

    /// A frame that says its number twice; where it ends, if there was room.
    fn push(&self, producer: &mut Producer, number: u64) -> Option<u64> {
        let end = producer.push(self.ring(), [number << 32], &number.to_ne_bytes())?;
        if take_sleeper(&self.asleep) {
            self.to_reader.notify();
        }
        Some(end)
    }

    /// The number of the next frame.
    fn pop(&self) -> Option<u64> {
        let mut payload = AlignedBytes::default();
        let [header] = pop_frame(self.ring(), &mut payload).expect("no garbage")?;
        assert_eq!((header >> 32).to_ne_bytes(), *payload.bytes(), "torn");
        if take_waiter(&self.wants_room) {
            self.to_writer.notify();
        }
        Some(header >> 32)
    }

    /// Waits for it, as a worker does.
    fn pop_or_sleep(&self) -> u64 {
        loop {
            if let Some(number) = self.pop() {
                return number;
            }
            if fall_asleep(&self.asleep, self.ring()) {
                // Left asleep, it is a deadlock, which loom reports.
                self.to_reader.wait();
            }
        }
    }

    /// Waits for room, as a worker does.
    fn push_or_wait(&self, producer: &mut Producer, number: u64) {
        while self.push(producer, number).is_none() {
            want_room(&self.wants_room);
            if self.push(producer, number).is_some() {
                self.wants_room.store(0, Ordering::Relaxed);
                return;
            }
            self.to_writer.wait();
        }
    }
}

#[test]
fn loom_a_reader_that_sleeps_is_woken() {
    model(3, || {
        let memory = Memory::new();
        let writer = thread::spawn({
            let memory = memory.clone();
            move || {
                let mut producer = Producer::default();
                assert!(memory.push(&mut producer, 1).is_some());
                assert!(memory.push(&mut producer, 2).is_some());
            }
        });
        assert_eq!(memory.pop_or_sleep(), 1);
        assert_eq!(memory.pop_or_sleep(), 2);
        writer.join().unwrap();
    });
}

#[test]
fn loom_a_writer_that_waits_for_room_is_woken() {
    model(3, || {
        let memory = Memory::new();
        let writer = thread::spawn({
            let memory = memory.clone();
            move || {
                let mut producer = Producer::default();
                for number in 1..=3 {
                    memory.push_or_wait(&mut producer, number);
                }
            }
        });
        for number in 1..=3 {
            assert_eq!(memory.pop_or_sleep(), number);
        }
        writer.join().unwrap();
    });
}

/// The reader takes some, the writer takes back what it has not, and goes on: each frame is had
/// once, and none is overwritten while it is read.
#[test]
fn loom_a_frame_is_read_or_taken_back() {
    model(3, || {
        let memory = Memory::new();
        let reader = thread::spawn({
            let memory = memory.clone();
            move || (0..2).filter_map(|_| memory.pop()).collect::<Vec<_>>()
        });
        let mut producer = Producer::default();
        let (mut sent, mut had) = (Vec::new(), Vec::new());
        for number in 1..=4 {
            if let Some(end) = memory.push(&mut producer, number) {
                sent.push((number, end));
            }
            if number == 2 {
                let from = producer.reclaim(memory.ring());
                let back = sent.iter().filter(|(_, end)| *end > from);
                had.extend(back.map(|(number, _)| *number));
            }
        }
        had.extend(reader.join().unwrap());
        while let Some(number) = memory.pop() {
            had.push(number);
        }
        had.sort_unstable();
        let sent: Vec<u64> = sent.into_iter().map(|(number, _)| number).collect();
        assert_eq!(had, sent);
    });
}
