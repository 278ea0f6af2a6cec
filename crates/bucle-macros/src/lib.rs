//! The attribute macros of Bucle. Use them through the `bucle` crate, whose docs have examples:
//! what they expand to names that crate.
#![forbid(unsafe_code)]

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::{quote, quote_spanned};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ItemFn, Meta, Token};

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
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |function| {
        if !arguments.is_empty() {
            let message = "`#[bucle::main]` takes no arguments";
            return Err(syn::Error::new(function.sig.span(), message));
        }
        let ItemFn {
            attrs,
            vis,
            mut sig,
            block,
        } = function;
        sig.asyncness = None;
        Ok(quote! {
            #(#attrs)*
            #vis #sig {
                match ::bucle::run(async move #block) {
                    ::std::result::Result::Ok(value) => value,
                    ::std::result::Result::Err(error) => {
                        ::std::eprintln!("error: {error}");
                        ::std::process::exit(1)
                    }
                }
            }
        })
    })
}

/// Makes a test of an `async fn`, run in the simulated world: the clock jumps to the next timer
/// when nothing else can run, and the network is in memory.
///
/// `#[bucle::test(seed = 7)]` fixes the seed by which the simulation varies what the real world
/// may vary; it is 0 otherwise, and `BUCLE_SEED` in the environment overrides both.
/// `#[bucle::test(real)]` runs the test under the real clock and the real network instead.
///
/// ```ignore
/// #[bucle::test]
/// async fn a_day_passes_at_once() {
///     bucle::sleep(std::time::Duration::from_secs(86_400)).await;
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |function| {
        let world = world(arguments)?;
        let ItemFn {
            attrs,
            vis,
            mut sig,
            block,
        } = function;
        sig.asyncness = None;
        Ok(quote! {
            #[::core::prelude::v1::test]
            #(#attrs)*
            #vis #sig {
                ::bucle::testing::run(#world, async move #block)
            }
        })
    })
}

/// What the arguments of `test` ask for, as an expression of type `bucle::testing::World`.
fn world(arguments: TokenStream) -> syn::Result<TokenStream2> {
    let arguments = Punctuated::<Meta, Token![,]>::parse_terminated.parse(arguments)?;
    let mut world = quote!(::bucle::testing::World::simulated());
    for argument in arguments {
        world = match &argument {
            Meta::Path(path) if path.is_ident("real") => quote!(::bucle::testing::World::real()),
            Meta::NameValue(pair) if pair.path.is_ident("seed") => {
                let seed: &Expr = &pair.value;
                quote_spanned!(seed.span()=> ::bucle::testing::World::seeded(#seed))
            }
            other => {
                return Err(syn::Error::new(
                    other.span(),
                    "unknown argument; `#[bucle::test]` takes `seed = <number>` or `real`",
                ));
            }
        };
    }
    Ok(world)
}

fn expand(
    item: TokenStream,
    body: impl FnOnce(ItemFn) -> syn::Result<TokenStream2>,
) -> TokenStream {
    syn::parse(item)
        .and_then(|function: ItemFn| {
            if function.sig.asyncness.is_none() {
                let message = "this attribute is for an `async fn`";
                return Err(syn::Error::new(function.sig.fn_token.span, message));
            }
            if let Some(input) = function.sig.inputs.first() {
                let message = "the function is called without arguments, so it can't have any";
                return Err(syn::Error::new(input.span(), message));
            }
            body(function)
        })
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
