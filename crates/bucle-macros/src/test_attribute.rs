//! `#[bucle::test]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{ItemFn, Meta, Token};

pub(crate) fn expand(arguments: TokenStream, function: ItemFn) -> syn::Result<TokenStream> {
    let ItemFn {
        attrs,
        vis,
        mut sig,
        block,
    } = function;
    sig.asyncness = None;
    let run = run(arguments, quote!(async move #block))?;
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis #sig {
            #run
        }
    })
}

/// The call that runs `body` as the arguments of the attribute say.
fn run(arguments: TokenStream, body: TokenStream) -> syn::Result<TokenStream> {
    let arguments = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments)?;
    if let Some(second) = arguments.iter().nth(1) {
        let message = "`#[bucle::test]` takes one of `seed`, `seeds` and `real`, not several";
        return Err(syn::Error::new(second.span(), message));
    }
    match arguments.first() {
        None => Ok(quote! {
            ::bucle::testing::run_test(::bucle::testing::World::simulated(), #body)
        }),
        Some(Meta::Path(path)) if path.is_ident("real") => Ok(quote! {
            ::bucle::testing::run_test(::bucle::testing::World::real(), #body)
        }),
        Some(Meta::NameValue(pair)) if pair.path.is_ident("seed") => {
            let seed = &pair.value;
            let world = quote_spanned!(seed.span()=> ::bucle::testing::World::seeded(#seed));
            Ok(quote!(::bucle::testing::run_test(#world, #body)))
        }
        Some(Meta::NameValue(pair)) if pair.path.is_ident("seeds") => {
            let seeds = &pair.value;
            Ok(quote!(::bucle::testing::run_seeds(#seeds, || #body)))
        }
        Some(other) => Err(syn::Error::new(
            other.span(),
            "unknown argument; `#[bucle::test]` takes `seed = <number>`, `seeds = <range>` or `real`",
        )),
    }
}
