//! Several attempts, the first that succeeds wins (RFC 8305, section 5).
//!
//! Attempts begin one after the other, in order: the next one when one has failed, or when the last
//! one has taken longer than the delay and none has succeeded. When one succeeds the others are
//! dropped. Knows nothing of sockets.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bucle_loop::{Sleep, sleep};

/// The "Connection Attempt Delay" that RFC 8305 recommends (section 8).
pub const HAPPY_EYEBALLS_DELAY: Duration = Duration::from_millis(250);

/// The value of the first attempt that succeeds; if none does, what each of them failed with.
pub(crate) async fn race<A, T, F>(
    all: &[A],
    delay: Duration,
    mut attempt: impl FnMut(&A) -> F,
) -> io::Result<T>
where
    A: Display,
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = all.iter();
    let mut running: Vec<(&A, Pin<Box<F>>)> = Vec::new();
    let mut errors = Vec::new();
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|cx| {
        // How many begin now.
        let mut due = usize::from(running.is_empty() && errors.is_empty());
        if let Some(timer) = timer.as_mut().as_pin_mut()
            && timer.poll(cx).is_ready()
        {
            due += 1;
        }
        loop {
            let mut at = 0;
            while let Some((what, attempt)) = running.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(value)) => return Poll::Ready(Ok(value)),
                    Poll::Ready(Err(error)) => {
                        errors.push((*what, error));
                        running.remove(at);
                        due += 1;
                    }
                }
            }
            if due == 0 {
                return Poll::Pending;
            }
            due -= 1;
            let Some(next) = waiting.next() else {
                timer.set(None);
                if running.is_empty() {
                    return Poll::Ready(Err(failed(std::mem::take(&mut errors))));
                }
                continue;
            };
            running.push((next, Box::pin(attempt(next))));
            timer.set(Some(sleep(delay)));
            if let Some(timer) = timer.as_mut().as_pin_mut()
                && timer.poll(cx).is_ready()
            {
                due += 1;
            }
        }
    })
    .await
}

/// All errors in one, of the kind of the first.
fn failed<A: Display>(errors: Vec<(&A, io::Error)>) -> io::Error {
    let Some((_, first)) = errors.first() else {
        return io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is no address to connect to",
        );
    };
    let kind = first.kind();
    let each: Vec<String> = errors
        .iter()
        .map(|(what, error)| format!("can't connect to {what}: {error}"))
        .collect();
    io::Error::new(kind, each.join("; "))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use bucle_loop::{EventLoop, SimOptions, get_running_loop};
    use proptest::prelude::*;

    use super::*;

    /// How long an attempt takes, and whether it succeeds.
    type Plan = Vec<(u64, bool)>;

    const UNIT: Duration = Duration::from_millis(10);

    /// When each attempt begins, who wins and when, by the rules.
    fn by_the_rules(plan: &Plan, delay: u64) -> (Vec<u64>, Option<(usize, u64)>) {
        let mut begun: Vec<u64> = Vec::new();
        let mut now = 0;
        let mut next_at = 0;
        loop {
            let ends = |(at, begun): (usize, &u64)| (begun + plan[at].0, at);
            let won = begun
                .iter()
                .enumerate()
                .map(ends)
                .find(|(end, at)| *end == now && plan[*at].1);
            if let Some((end, at)) = won {
                return (begun, Some((at, end)));
            }
            let failed = begun.iter().enumerate().map(ends);
            let failed = failed
                .filter(|(end, at)| *end == now && !plan[*at].1)
                .count();
            let mut due = failed + usize::from(now == next_at);
            while due > 0 && begun.len() < plan.len() {
                due -= 1;
                begun.push(now);
                next_at = now + delay;
            }
            let over = begun.len() == plan.len()
                && begun
                    .iter()
                    .enumerate()
                    .map(ends)
                    .all(|(end, _)| end <= now);
            if over {
                return (begun, None);
            }
            now += 1;
        }
    }

    /// When each attempt begins, who wins and when, by the code, in a time that jumps.
    fn by_the_code(plan: Plan, delay: u64) -> (Vec<u64>, Option<(usize, u64)>) {
        let event_loop = EventLoop::builder()
            .simulated(SimOptions::default())
            .build()
            .unwrap();
        let body = async move {
            let start = get_running_loop().time();
            let now = || {
                let passed = get_running_loop().time().saturating_duration_since(start);
                (passed.as_millis() / UNIT.as_millis()) as u64
            };
            let begun = RefCell::new(Vec::new());
            let all: Vec<usize> = (0..plan.len()).collect();
            let result = race(&all, UNIT * delay as u32, |at| {
                begun.borrow_mut().push(now());
                let (at, (length, succeeds)) = (*at, plan[*at]);
                async move {
                    sleep(UNIT * length as u32).await;
                    if succeeds {
                        Ok(at)
                    } else {
                        Err(io::Error::from(io::ErrorKind::ConnectionRefused))
                    }
                }
            });
            let won = result.await.map(|at| (at, now()));
            if let Err(error) = &won {
                let told = error.to_string();
                assert!(plan.is_empty() || told.matches("can't connect").count() == plan.len());
            }
            (begun.into_inner(), won.ok())
        };
        event_loop.run_until_complete(body).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Lengths are odd and the delay even, so that nothing ends when something begins by time.
        #[test]
        fn attempts_begin_and_win_by_the_rules(
            plan in prop::collection::vec(((0..12u64).prop_map(|n| 2 * n + 1), any::<bool>()), 1..6),
            delay in (1..6u64).prop_map(|n| 100 * n),
            scale in 1..60u64,
        ) {
            let plan: Plan = plan.into_iter().map(|(length, ok)| (length * scale, ok)).collect();
            prop_assert_eq!(by_the_code(plan.clone(), delay), by_the_rules(&plan, delay));
        }
    }

    #[test]
    fn nothing_to_try() {
        assert_eq!(by_the_code(vec![], 1), (vec![], None));
    }
}
