//! The list against a plain one, whatever is done in whatever order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use proptest::prelude::*;

use super::super::label::Label;
use super::{Place, Waiters};
use crate::wait_graph::WaitKind;

/// Waits as a primitive does.
fn wait(waiters: &Waiters, place: &mut Option<Place>, cx: &mut Context<'_>) {
    waiters.wait(place, cx, &Label::new("Test", None), WaitKind::Event);
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a waiter is in the plain list.
struct Waiter {
    place: Place,
    grant: Option<usize>,
    wakes: Arc<Count>,
    /// How often it should have been woken.
    expected: usize,
    /// Whether the list has its waker.
    armed: bool,
}

impl Waiter {
    fn wake(&mut self) {
        self.expected += usize::from(self.armed);
        self.armed = false;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter,
    /// Is polled again, perhaps with another waker.
    Renew(prop::sample::Index, bool),
    Claim(prop::sample::Index),
    Leave(prop::sample::Index),
    GrantOne,
    Grant(usize),
    RevokeLast,
    WakeWaiting,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Enter),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(i, b)| Step::Renew(i, b)),
        2 => any::<prop::sample::Index>().prop_map(Step::Claim),
        2 => any::<prop::sample::Index>().prop_map(Step::Leave),
        2 => Just(Step::GrantOne),
        1 => (0..4usize).prop_map(Step::Grant),
        1 => Just(Step::RevokeLast),
        1 => Just(Step::WakeWaiting),
    ]
}

proptest! {
    #[test]
    fn it_is_a_list_of_granted_then_waiting(steps in prop::collection::vec(step(), 0..80)) {
        let waiters = Waiters::default();
        let mut plain: Vec<Waiter> = Vec::new();
        for step in steps {
            let granted = plain.iter().filter(|waiter| waiter.grant.is_some()).count();
            match step {
                Step::Enter => {
                    let wakes = Arc::new(Count::default());
                    let waker = Waker::from(wakes.clone());
                    let mut place = None;
                    wait(&waiters, &mut place, &mut Context::from_waker(&waker));
                    plain.push(Waiter {
                        place: place.unwrap(),
                        grant: None,
                        wakes,
                        expected: 0,
                        armed: true,
                    });
                }
                Step::Renew(which, another) if !plain.is_empty() => {
                    let waiter = which.get_mut(&mut plain);
                    if another {
                        waiter.wakes = Arc::new(Count::default());
                        waiter.expected = 0;
                    }
                    let waker = Waker::from(waiter.wakes.clone());
                    let mut place = Some(Place(waiter.place.0));
                    wait(&waiters, &mut place, &mut Context::from_waker(&waker));
                    waiter.armed = true;
                }
                Step::Claim(which) if !plain.is_empty() => {
                    let number = which.index(plain.len());
                    let mut place = Some(Place(plain[number].place.0));
                    prop_assert_eq!(waiters.claim(&mut place), plain[number].grant);
                    prop_assert_eq!(place.is_none(), plain[number].grant.is_some());
                    if place.is_none() {
                        plain.remove(number);
                    }
                }
                Step::Leave(which) if !plain.is_empty() => {
                    let waiter = plain.remove(which.index(plain.len()));
                    prop_assert_eq!(waiters.leave(waiter.place), waiter.grant);
                    prop_assert_eq!(Arc::strong_count(&waiter.wakes), 1, "its waker is let go");
                }
                Step::Renew(..) | Step::Claim(_) | Step::Leave(_) => {}
                Step::GrantOne => {
                    prop_assert_eq!(waiters.grant_one(), granted < plain.len());
                    if let Some(waiter) = plain.get_mut(granted) {
                        waiter.grant = Some(0);
                        waiter.wake();
                    }
                }
                Step::Grant(count) => {
                    waiters.grant(count);
                    for (rank, waiter) in plain[granted..].iter_mut().take(count).enumerate() {
                        waiter.grant = Some(rank);
                        waiter.wake();
                    }
                }
                Step::RevokeLast => {
                    prop_assert_eq!(waiters.revoke_last(), granted > 0);
                    if granted > 0 {
                        plain[granted - 1].grant = None;
                    }
                }
                Step::WakeWaiting => {
                    waiters.wake_waiting();
                    plain[granted..].iter_mut().for_each(Waiter::wake);
                }
            }
            let granted = plain.iter().take_while(|waiter| waiter.grant.is_some()).count();
            prop_assert_eq!(waiters.len(), plain.len());
            prop_assert_eq!(waiters.is_empty(), plain.is_empty());
            prop_assert_eq!(waiters.granted(), granted);
            prop_assert_eq!(waiters.waiting(), plain.len() - granted);
            prop_assert_eq!(waiters.tasks().len(), plain.len() - granted);
            for waiter in &plain {
                prop_assert_eq!(waiters.list().borrow().nodes[waiter.place.0].grant.is_some(), waiter.grant.is_some());
                prop_assert_eq!(waiter.wakes.0.load(Ordering::Relaxed), waiter.expected);
            }
        }
    }
}

#[test]
fn places_are_used_again() {
    let waiters = Waiters::default();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        let mut places = [None, None];
        for place in &mut places {
            wait(&waiters, place, &mut cx);
        }
        for place in places {
            waiters.leave(place.unwrap());
        }
    }
    assert!(waiters.list().borrow().nodes.all().count() <= 4);
}
