//! The process pool as the façade gives it.

use bucle::{ProcessPoolExecutor, TaskOptions};

bucle::process::test_entry!();

#[bucle::process]
fn shout(text: &str, times: usize) -> String {
    text.to_uppercase().repeat(times)
}

#[bucle::test(real)]
async fn a_function_runs_in_another_process() {
    let pool = ProcessPoolExecutor::builder()
        .max_workers(1)
        .build()
        .unwrap();
    let options = TaskOptions::new().name("loud");
    let text = pool.submit_with(options, shout, ("hey", 2)).await.unwrap();
    assert_eq!(text, "HEYHEY");
    assert_eq!(shout("hey", 1), "HEY");
    let both = bucle::gather([pool.submit(shout, ("a", 1)), pool.submit(shout, ("b", 1))]);
    assert_eq!(
        both.await
            .unwrap()
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .unwrap(),
        ["A", "B"]
    );
}

#[bucle::test]
async fn the_simulated_world_has_none() {
    let error = ProcessPoolExecutor::new().unwrap_err();
    assert!(
        error.to_string().contains("#[bucle::test(real)]"),
        "{error}"
    );
}

/// Another name for the crate, as in a program whose `Cargo.toml` calls it so.
mod renamed {
    use bucle as other;

    #[other::process(crate = other)]
    fn double(n: u32) -> u32 {
        n * 2
    }

    #[other::main(crate = other)]
    async fn main_of_a_program() -> u32 {
        let pool = other::ProcessPoolExecutor::new().unwrap();
        pool.submit(double, 21).await.unwrap()
    }

    #[test]
    fn its_attributes_find_it() {
        assert_eq!(main_of_a_program(), 42);
    }

    #[other::test(crate = other, seeds = 2)]
    async fn a_test_finds_it() {
        other::sleep(std::time::Duration::from_secs(3600)).await;
    }
}

/// Functions that are called like what the attribute makes, and that name what it might hide.
mod names {
    const ENTRY: u32 = 1;

    fn call(n: u32) -> u32 {
        n + ENTRY
    }

    #[bucle::process]
    pub(super) fn answer(first: u32, second: u32) -> u32 {
        call(first) + second
    }

    #[bucle::process]
    fn output(text: String) -> String {
        text
    }

    #[bucle::process]
    fn reader() {}

    mod own {
        #[bucle::process]
        pub(super) fn call(reader: Option<u32>) -> Option<u32> {
            reader
        }
    }

    #[bucle::test(real)]
    async fn are_the_users() {
        let pool = bucle::ProcessPoolExecutor::new().unwrap();
        assert_eq!(pool.submit(answer, (2, 3)).await.unwrap(), 6);
        assert_eq!(pool.submit(output, "text".into()).await.unwrap(), "text");
        pool.submit(reader, ()).await.unwrap();
        assert_eq!(pool.submit(own::call, Some(7)).await.unwrap(), Some(7));
    }
}
