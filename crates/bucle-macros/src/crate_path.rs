//! `crate = path`: what the crate is called that the attributes' code names.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, ExprLit, Lit, Meta, Path};

/// Where nothing was said.
pub(crate) fn default() -> TokenStream {
    quote!(::bucle)
}

/// The path, if the argument is `crate = path`, or `crate = "path"` as tokio has it.
pub(crate) fn of(argument: &Meta) -> Option<syn::Result<TokenStream>> {
    let Meta::NameValue(pair) = argument else {
        return None;
    };
    pair.path.is_ident("crate").then(|| {
        let path = match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => text.parse::<Path>().ok(),
            value => syn::parse2::<Path>(value.to_token_stream()).ok(),
        };
        match path {
            Some(path) => Ok(path.to_token_stream()),
            None => Err(syn::Error::new_spanned(
                &pair.value,
                "`crate` is the path of the crate `bucle`, as `crate = other`",
            )),
        }
    })
}
