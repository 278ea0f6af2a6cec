use super::*;
use std::sync::Arc;

struct Memory {
    data: Vec<AtomicU64>,
    positions: [AtomicU64; 3],
}

impl Memory {
    fn new(words: usize) -> Memory {
        Memory {
            data: (0..words).map(|_| AtomicU64::new(0)).collect(),
            positions: Default::default(),
        }
    }

    fn ring(&self) -> Ring<'_> {
        let [head, freed, tail] = &self.positions;
        Ring {
            data: &self.data,
            head,
            freed,
            tail,
        }
    }
}

fn header(number: u64) -> [u64; HEADER] {
    [7 << 32, number, 0, 0, 0, 0]
}

#[test]
fn frames_go_round_and_round() {
    let memory = Memory::new(32);
    let mut producer = Producer::default();
    let mut payload = AlignedBytes::default();
    for number in 0..1000 {
        let bytes = vec![number as u8; number as usize % 40];
        producer
            .push(memory.ring(), header(number), &bytes)
            .unwrap();
        let header = pop(memory.ring(), &mut payload).unwrap().unwrap();
        assert_eq!((header[0] >> 32, header[1]), (7, number));
        assert_eq!(payload.bytes()[..bytes.len()], bytes);
        assert_eq!(pop(memory.ring(), &mut payload), Ok(None));
    }
}

#[test]
fn a_full_ring_takes_no_more() {
    let memory = Memory::new(16);
    let mut producer = Producer::default();
    assert!(producer.push(memory.ring(), header(0), &[0; 80]).is_some());
    assert!(producer.push(memory.ring(), header(1), &[]).is_none());
    pop(memory.ring(), &mut AlignedBytes::default()).unwrap();
    assert!(producer.push(memory.ring(), header(1), &[0; 81]).is_none());
    assert!(producer.push(memory.ring(), header(1), &[]).is_some());
}

#[test]
fn what_was_not_claimed_is_taken_back() {
    let memory = Memory::new(64);
    let mut producer = Producer::default();
    let mut payload = AlignedBytes::default();
    let first = producer.push(memory.ring(), header(0), &[]).unwrap();
    producer.push(memory.ring(), header(1), &[]).unwrap();
    pop(memory.ring(), &mut payload).unwrap().unwrap();
    assert_eq!(producer.reclaim(memory.ring()), first);
    assert_eq!(pop(memory.ring(), &mut payload), Ok(None));
    // All of the ring is there again.
    for number in 2..12 {
        assert!(producer.push(memory.ring(), header(number), &[]).is_some());
    }
    assert!(producer.push(memory.ring(), header(12), &[]).is_none());
    let header = pop(memory.ring(), &mut payload).unwrap().unwrap();
    assert_eq!(header[1], 2);
}

#[test]
fn garbage_is_told() {
    let memory = Memory::new(16);
    let mut payload = AlignedBytes::default();
    memory.ring().tail.store(17, Ordering::Release);
    assert_eq!(pop(memory.ring(), &mut payload), Err(Garbage));
    memory.ring().tail.store(8, Ordering::Release);
    for words in [0, 5, 9, u64::MAX] {
        memory.ring().head.store(0, Ordering::Release);
        memory.data[0].store(words, Ordering::Relaxed);
        assert_eq!(pop(memory.ring(), &mut payload), Err(Garbage), "{words}");
    }
    // A frame of 32 GiB that ends behind the last position there is.
    memory.ring().head.store(u64::MAX - 8, Ordering::Release);
    memory.ring().tail.store(u64::MAX, Ordering::Release);
    memory.data[(u64::MAX - 8) as usize % 16].store(u64::MAX, Ordering::Relaxed);
    assert_eq!(pop(memory.ring(), &mut payload), Err(Garbage));
    // And one that ends just there.
    memory.ring().head.store(u64::MAX - 6, Ordering::Release);
    memory.data[(u64::MAX - 6) as usize % 16].store(6, Ordering::Relaxed);
    assert!(pop(memory.ring(), &mut payload).unwrap().is_some());
    let mut producer = Producer::default();
    memory.ring().freed.store(u64::MAX, Ordering::Release);
    assert!(producer.push(memory.ring(), header(0), &[0; 100]).is_none());
}

/// One thread writes and takes back, another reads: every frame is had by exactly one of them.
#[test]
fn every_frame_is_read_or_taken_back_once() {
    const FRAMES: u64 = 20_000;
    let memory = Arc::new(Memory::new(256));
    let reader = std::thread::spawn({
        let memory = memory.clone();
        move || {
            let (mut seen, mut payload) = (Vec::new(), AlignedBytes::default());
            loop {
                match pop(memory.ring(), &mut payload).unwrap() {
                    Some(header) if header[1] == u64::MAX => return seen,
                    Some(header) => {
                        let fill = (header[1] % 251) as u8;
                        assert!(payload.bytes().iter().all(|byte| *byte == fill));
                        seen.push(header[1]);
                    }
                    None => std::thread::yield_now(),
                }
            }
        }
    });
    let mut producer = Producer::default();
    let (mut pending, mut back) = (Vec::new(), Vec::new());
    for number in 0..FRAMES {
        let payload = vec![(number % 251) as u8; (number % 7) as usize * 8];
        let end = loop {
            match producer.push(memory.ring(), header(number), &payload) {
                Some(end) => break end,
                None => std::thread::yield_now(),
            }
        };
        pending.push((number, end));
        if number % 5 == 0 {
            let from = producer.reclaim(memory.ring());
            back.extend(pending.drain(..).filter(|(_, end)| *end > from));
        }
    }
    while producer
        .push(memory.ring(), header(u64::MAX), &[])
        .is_none()
    {
        std::thread::yield_now();
    }
    let mut all = reader.join().unwrap();
    all.extend(back.into_iter().map(|(number, _)| number));
    all.sort_unstable();
    assert_eq!(all, (0..FRAMES).collect::<Vec<_>>());
}
