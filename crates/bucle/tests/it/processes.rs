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
