//! The attribute macros of Bucle. Use them through the `bucle` crate, whose docs have examples:
//! what they expand to names that crate.
#![forbid(unsafe_code)]

mod crate_path;
mod main_attribute;
mod process_attribute;
mod test_attribute;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use syn::ItemFn;
use syn::spanned::Spanned;

/// Runs an `async fn main` on an event loop of its own.
///
/// If the system can't give the loop its descriptors, the program says so and exits with 1.
///
/// ```ignore
/// #[bucle::main]
/// async fn main() {
///     bucle::sleep(std::time::Duration::from_millis(10)).await;
/// }
/// ```
///
/// What the three attributes make names the crate `bucle`. Where it is called otherwise in your
/// `Cargo.toml`, or comes by way of another crate, say how: `#[other::main(crate = other)]`,
/// `#[other::test(crate = other, seeds = 1000)]`, `#[other::process(crate = other)]`.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(
        main_attribute::expand,
        "#[bucle::main]",
        arguments.into(),
        item.into(),
    )
    .into()
}

/// Makes a test of an `async fn`, run in the simulated world: the clock jumps to the next timer
/// when nothing else can run, and the network is in memory.
///
/// | | |
/// |---|---|
/// | `#[bucle::test]` | with seed 0: what is ready runs first in, first out |
/// | `#[bucle::test(seed = 7)]` | with another seed, by which the simulation varies what the real world may vary: the order of tasks and sockets that are ready together, how much arrives at once, and when |
/// | `#[bucle::test(seeds = 1000)]` | once for each of seeds 0 to 999, several at once; `seeds = 500..1000` is a range of them |
/// | `#[bucle::test(seeds = 1000, faults)]` | and connections are reset, segments lost, ways cut, as the seed says |
/// | `#[bucle::test(real)]` | under the real clock and with the real network |
/// | `#[other::test(crate = other)]` | where the crate is called otherwise; with any of these |
///
/// A failure in the simulated world prints the last that happened there, its seed, and the command
/// that has it again: `BUCLE_SEED` in the environment overrides what the attribute says, and
/// `BUCLE_TRACE` names a file for all that happens. What else fails a test, and how seeds are tried,
/// is told in `bucle::testing`.
///
/// ```ignore
/// #[bucle::test]
/// async fn a_day_passes_at_once() {
///     bucle::sleep(std::time::Duration::from_secs(86_400)).await;
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(
        test_attribute::expand,
        "#[bucle::test]",
        arguments.into(),
        item.into(),
    )
    .into()
}

/// Makes a plain `fn` one that other processes can run: `pool.submit(resize, arguments)`.
///
/// The function can be called as before. Its arguments and its output travel as bytes, by `serde`;
/// these travel as they are, in shared memory if they are large, and are read by the worker where
/// they lie: `&str`, `&[f64]` and slices of other numbers. `String`, `Vec<f64>` and the like are
/// copied once. Any other `&T` is a reference to what `T` came to in the worker.
///
/// The bytes do not describe themselves (they are postcard's): a `Deserialize` has to read just the
/// fields that its `Serialize` writes. Plain derives do, with `rename`, `default` or `skip` too.
/// These do not, and come as an error or, at worst, as another value: `skip_serializing_if`,
/// `flatten`, enums that are `untagged` or have a `tag`, and `serde_json::Value`. Send such a value
/// as text: `serde_json::to_string(&value)`.
///
/// Where the crate is called otherwise: `#[other::process(crate = other)]`.
///
/// `submit` takes the arguments as a tuple, a single one as it is, and `()` where there are none. A
/// function that returns a `Result` gives it as it is. It can't be `async`, generic, a method, or
/// take `&mut`.
///
/// ```ignore
/// #[bucle::process]
/// fn mean(numbers: &[f64]) -> f64 {
///     numbers.iter().sum::<f64>() / numbers.len() as f64
/// }
///
/// #[bucle::main]
/// async fn main() {
///     let pool = bucle::ProcessPoolExecutor::new().unwrap();
///     assert_eq!(pool.submit(mean, &[1.0, 2.0, 3.0]).await.unwrap(), 2.0);
///     assert_eq!(mean(&[1.0, 3.0]), 2.0);
/// }
/// ```
#[proc_macro_attribute]
pub fn process(arguments: TokenStream, item: TokenStream) -> TokenStream {
    syn::parse::<ItemFn>(item)
        .and_then(|function| process_attribute::expand(arguments.into(), function))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

type Attribute = fn(TokenStream2, ItemFn) -> syn::Result<TokenStream2>;

/// Applies an attribute to a function; a mistake becomes a compile error at its place.
fn expand(
    attribute: Attribute,
    name: &str,
    arguments: TokenStream2,
    item: TokenStream2,
) -> TokenStream2 {
    syn::parse2(item)
        .and_then(|function| attribute(arguments, check(name, function)?))
        .unwrap_or_else(syn::Error::into_compile_error)
}

/// What both attributes ask of a function.
fn check(name: &str, function: ItemFn) -> syn::Result<ItemFn> {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        let message = format!("`{name}` is for an `async fn`; put `async` before `fn`");
        return Err(syn::Error::new(sig.fn_token.span, message));
    }
    if let Some(input) = sig.inputs.first() {
        let message = "the function is called without arguments, so it can't have any";
        return Err(syn::Error::new(input.span(), message));
    }
    if !sig.generics.params.is_empty() {
        let message = "nobody says which types it is called with, so it can't be generic";
        return Err(syn::Error::new(sig.generics.span(), message));
    }
    Ok(function)
}
