//! `#[bucle::main]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

pub(crate) fn expand(arguments: TokenStream, function: ItemFn) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        let message = "`#[bucle::main]` takes no arguments";
        return Err(syn::Error::new_spanned(arguments, message));
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
            ::bucle::__init_process();
            match ::bucle::run(async move #block) {
                ::std::result::Result::Ok(value) => value,
                ::std::result::Result::Err(error) => {
                    ::std::eprintln!("error: {error}");
                    ::std::process::exit(1)
                }
            }
        }
    })
}
