//! Coroutines: a pipeline of two, one for each address, all under way at once.
//!
//! A coroutine is an `async fn`: calling it only makes it, awaiting it runs it, and while it sleeps
//! the others run. `gather` runs all pipelines at once and gives their results in order; the whole
//! takes as long as the slowest one.
//!
//! ```text
//! cargo run --package bucle --example 01_coroutines
//! ```

use std::time::{Duration, Instant};

/// Stands for a request that takes a while.
async fn fetch(url: &str, delay: Duration) -> String {
    println!("fetching {url}");
    bucle::sleep(delay).await;
    println!("fetched  {url}");
    format!("data of {url}")
}

/// Stands for work on the processor: it doesn't await, so nobody else runs meanwhile. It should be
/// short.
async fn process(data: String) -> String {
    println!("processing: {data}");
    data.to_uppercase()
}

async fn pipeline(url: &'static str, delay: Duration) -> String {
    process(fetch(url, delay).await).await
}

#[bucle::main]
async fn main() {
    let begun = Instant::now();
    let urls = [
        "http://one.example",
        "http://two.example",
        "http://three.example",
    ];
    let delays = [30, 10, 20].map(Duration::from_millis);
    let pipelines = urls.into_iter().zip(delays);
    let results = bucle::gather(pipelines.map(|(url, delay)| pipeline(url, delay))).await;
    match results {
        Ok(results) => println!("results, in the order asked: {results:?}"),
        Err(error) => println!("a pipeline failed: {error}"),
    }
    println!("30 + 10 + 20 ms took {} ms", begun.elapsed().as_millis());
}
