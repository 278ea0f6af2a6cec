//! The queues: a list of items, a line of those that get and one of those that put. Who can go on
//! follows from the numbers alone: the first so many of a line as there are items, or is room.

use std::collections::VecDeque;
use std::task::Poll;

use bucle_loop::sync::{
    ByPriority, Fifo, GetNowaitError, Lifo, PutNowaitError, QueueGet, QueueJoin, QueueOf, QueuePut,
    QueueShutDown, QueueStore,
};
use proptest::prelude::*;

use super::{Pending, which};

/// A rank, and a number that no two items share.
type Item = (u8, usize);

#[derive(Clone, Debug)]
enum Step {
    Get,
    GetNowait,
    Put(u8),
    PutNowait(u8),
    PollGet(prop::sample::Index, bool),
    PollPut(prop::sample::Index, bool),
    CancelGet(prop::sample::Index),
    CancelPut(prop::sample::Index),
    Join,
    PollJoin(prop::sample::Index),
    TaskDone,
    Shutdown(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Get),
        3 => Just(Step::GetNowait),
        12 => (0..4u8).prop_map(Step::Put),
        3 => (0..4u8).prop_map(Step::PutNowait),
        10 => (which(), any::<bool>()).prop_map(|(i, other)| Step::PollGet(i, other)),
        10 => (which(), any::<bool>()).prop_map(|(i, other)| Step::PollPut(i, other)),
        5 => which().prop_map(Step::CancelGet),
        5 => which().prop_map(Step::CancelPut),
        2 => Just(Step::Join),
        3 => which().prop_map(Step::PollJoin),
        6 => Just(Step::TaskDone),
        1 => any::<bool>().prop_map(Step::Shutdown),
    ]
}

struct Model {
    maxsize: usize,
    items: Vec<Item>,
    getters: VecDeque<usize>,
    putters: VecDeque<usize>,
    unfinished: usize,
    shut_down: bool,
    joined: Vec<usize>,
    next: fn(&[Item]) -> usize,
}

impl Model {
    fn room(&self) -> usize {
        match self.maxsize {
            _ if self.shut_down => 0,
            0 => usize::MAX,
            maxsize => maxsize - self.items.len(),
        }
    }

    fn take(&mut self) -> Item {
        self.items.remove((self.next)(&self.items))
    }

    fn store(&mut self, item: Item) {
        self.items.push(item);
        self.unfinished += 1;
    }

    fn place(line: &VecDeque<usize>, number: usize) -> usize {
        line.iter().position(|n| *n == number).unwrap()
    }

    fn get(&mut self, number: usize) -> Poll<Result<Item, QueueShutDown>> {
        if self.getters.is_empty() && !self.items.is_empty() {
            return Poll::Ready(Ok(self.take()));
        }
        if self.shut_down && self.items.len() <= self.getters.len() {
            return Poll::Ready(Err(QueueShutDown(())));
        }
        self.getters.push_back(number);
        Poll::Pending
    }

    fn poll_get(&mut self, number: usize) -> Poll<Result<Item, QueueShutDown>> {
        let place = Model::place(&self.getters, number);
        if place < self.items.len() {
            self.getters.remove(place);
            return Poll::Ready(Ok(self.take()));
        }
        if self.shut_down {
            self.getters.remove(place);
            return Poll::Ready(Err(QueueShutDown(())));
        }
        Poll::Pending
    }

    fn put(&mut self, number: usize, item: Item) -> Poll<Result<(), QueueShutDown<Item>>> {
        if self.shut_down {
            return Poll::Ready(Err(QueueShutDown(item)));
        }
        if self.putters.is_empty() && self.room() > 0 {
            self.store(item);
            return Poll::Ready(Ok(()));
        }
        self.putters.push_back(number);
        Poll::Pending
    }

    fn poll_put(&mut self, number: usize, item: Item) -> Poll<Result<(), QueueShutDown<Item>>> {
        let place = Model::place(&self.putters, number);
        if place < self.room() {
            self.putters.remove(place);
            self.store(item);
            return Poll::Ready(Ok(()));
        }
        if self.shut_down {
            self.putters.remove(place);
            return Poll::Ready(Err(QueueShutDown(item)));
        }
        Poll::Pending
    }
}

fn check<S: QueueStore<Item = Item>>(
    maxsize: usize,
    steps: Vec<Step>,
    next: fn(&[Item]) -> usize,
) -> Result<(), TestCaseError> {
    let queue: QueueOf<S> = QueueOf::new(maxsize);
    let mut gets: Pending<QueueGet<'_, S>> = Pending::new();
    let mut puts: Pending<QueuePut<'_, S>> = Pending::new();
    let mut joins: Pending<QueueJoin<'_, S>> = Pending::new();
    let mut items_of_puts: Vec<Item> = Vec::new();
    let mut count = 0;
    let mut model = Model {
        maxsize,
        items: Vec::new(),
        getters: VecDeque::new(),
        putters: VecDeque::new(),
        unfinished: 0,
        shut_down: false,
        joined: Vec::new(),
        next,
    };
    let mut new_item = |rank| {
        count += 1;
        (rank, count)
    };
    for step in steps {
        let unfinished = model.unfinished;
        match step {
            Step::Get => {
                let (number, polled) = gets.start(queue.get());
                prop_assert_eq!(polled, model.get(number));
            }
            Step::GetNowait => {
                let expected = match (model.items.is_empty(), model.shut_down) {
                    (false, _) => Ok(model.take()),
                    (true, false) => Err(GetNowaitError::QueueEmpty),
                    (true, true) => Err(GetNowaitError::QueueShutDown),
                };
                prop_assert_eq!(queue.get_nowait(), expected);
            }
            Step::Put(rank) => {
                let item = new_item(rank);
                items_of_puts.push(item);
                let (number, polled) = puts.start(queue.put(item));
                prop_assert_eq!(polled, model.put(number, item));
            }
            Step::PutNowait(rank) => {
                let item = new_item(rank);
                let expected = match (model.shut_down, model.room()) {
                    (true, _) => Err(PutNowaitError::QueueShutDown(item)),
                    (false, 0) => Err(PutNowaitError::QueueFull(item)),
                    (false, _) => {
                        model.store(item);
                        Ok(())
                    }
                };
                prop_assert_eq!(queue.put_nowait(item), expected);
            }
            Step::PollGet(which, another) => {
                if let Some(number) = gets.number(which) {
                    let polled = match another {
                        true => gets.poll_with_another_waker(number),
                        false => gets.poll(number),
                    };
                    prop_assert_eq!(polled, model.poll_get(number));
                }
            }
            Step::PollPut(which, another) => {
                if let Some(number) = puts.number(which) {
                    let polled = match another {
                        true => puts.poll_with_another_waker(number),
                        false => puts.poll(number),
                    };
                    prop_assert_eq!(polled, model.poll_put(number, items_of_puts[number]));
                }
            }
            Step::CancelGet(which) => {
                if let Some(number) = gets.number(which) {
                    drop(gets.cancel(number));
                    model.getters.retain(|n| *n != number);
                }
            }
            Step::CancelPut(which) => {
                if let Some(number) = puts.number(which) {
                    let put = *std::pin::Pin::into_inner(puts.cancel(number).future);
                    prop_assert_eq!(put.into_item(), Some(items_of_puts[number]));
                    model.putters.retain(|n| *n != number);
                }
            }
            Step::Join => {
                let (_, polled) = joins.start(queue.join());
                prop_assert_eq!(polled.is_ready(), model.unfinished == 0);
            }
            Step::PollJoin(which) => {
                if let Some(number) = joins.number(which) {
                    let done = joins.poll(number).is_ready();
                    prop_assert_eq!(done, model.joined.contains(&number));
                }
            }
            Step::TaskDone => {
                prop_assert_eq!(queue.task_done().is_ok(), model.unfinished > 0);
                model.unfinished = model.unfinished.saturating_sub(1);
            }
            Step::Shutdown(immediate) => {
                queue.shutdown(immediate);
                model.shut_down = true;
                if immediate {
                    let dropped = model.items.drain(..).count();
                    model.unfinished = model.unfinished.saturating_sub(dropped);
                }
            }
        }
        if model.unfinished == 0 && unfinished > 0 {
            model
                .joined
                .extend(joins.futures.iter().map(|(number, _)| number));
        }
        prop_assert_eq!(queue.qsize(), model.items.len());
        prop_assert_eq!(queue.empty(), model.items.is_empty());
        prop_assert_eq!(queue.full(), maxsize > 0 && model.items.len() >= maxsize);
        // Whoever can go on was woken. (Some that can't were, too: somebody was quicker.)
        for (place, number) in model.getters.iter().enumerate() {
            if place < model.items.len() || model.shut_down {
                prop_assert!(gets.woken(*number), "a getter's wake-up is lost");
            }
        }
        for (place, number) in model.putters.iter().enumerate() {
            if place < model.room() || model.shut_down {
                prop_assert!(puts.woken(*number), "a putter's wake-up is lost");
            }
        }
        for (number, join) in &joins.futures {
            prop_assert_eq!(join.woken(), model.joined.contains(number));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_queue(maxsize in 0..4usize, steps in prop::collection::vec(step(), 0..120)) {
        check::<Fifo<Item>>(maxsize, steps, |_| 0)?;
    }

    #[test]
    fn a_lifo_queue(maxsize in 0..4usize, steps in prop::collection::vec(step(), 0..120)) {
        check::<Lifo<Item>>(maxsize, steps, |items| items.len() - 1)?;
    }

    #[test]
    fn a_priority_queue(maxsize in 0..4usize, steps in prop::collection::vec(step(), 0..120)) {
        check::<ByPriority<Item>>(maxsize, steps, |items| {
            (0..items.len()).min_by_key(|place| items[*place]).unwrap()
        })?;
    }
}
