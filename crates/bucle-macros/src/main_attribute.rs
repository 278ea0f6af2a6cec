//! `#[bucle::main]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{ItemFn, Meta, Token};

use crate::crate_path;

pub(crate) fn expand(arguments: TokenStream, function: ItemFn) -> syn::Result<TokenStream> {
    let krate = krate(arguments)?;
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
            #krate::__init_process();
            match #krate::run(async move #block) {
                ::std::result::Result::Ok(value) => value,
                ::std::result::Result::Err(error) => {
                    ::std::eprintln!("error: {error}");
                    ::std::process::exit(1)
                }
            }
        }
    })
}

fn krate(arguments: TokenStream) -> syn::Result<TokenStream> {
    let given = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments)?;
    let mut krate = crate_path::default();
    for argument in &given {
        krate = crate_path::of(argument).unwrap_or_else(|| {
            let message = "`#[bucle::main]` takes no arguments but `crate = path`, where the crate \
                           `bucle` is called otherwise";
            Err(syn::Error::new_spanned(argument, message))
        })?;
    }
    Ok(krate)
}
