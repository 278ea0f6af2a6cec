//! `#[bucle::test]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ItemFn, Lit, Meta, Token};

use crate::crate_path;

pub(crate) fn expand(arguments: TokenStream, function: ItemFn) -> syn::Result<TokenStream> {
    let ItemFn {
        attrs,
        vis,
        mut sig,
        block,
    } = function;
    sig.asyncness = None;
    let ident = sig.ident.unraw().to_string();
    let name = quote!(::core::concat!(::core::module_path!(), "::", #ident));
    let run = Arguments::parse(arguments)?.run(&name, &quote!(async move #block));
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis #sig {
            #run
        }
    })
}

/// What the attribute was given.
struct Arguments {
    krate: TokenStream,
    real: bool,
    faults: bool,
    seed: Option<Expr>,
    seeds: Option<Expr>,
}

impl Arguments {
    fn parse(arguments: TokenStream) -> syn::Result<Arguments> {
        let given = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments)?;
        let mut arguments = Arguments {
            krate: crate_path::default(),
            real: false,
            faults: false,
            seed: None,
            seeds: None,
        };
        for argument in &given {
            arguments.add(argument)?;
        }
        if let Some(faults) = given.iter().find(|meta| meta.path().is_ident("faults"))
            && arguments.seed.is_none()
            && arguments.seeds.is_none()
        {
            let message =
                "`faults` are drawn from a seed that is not 0; say `seeds = 1000, faults`";
            return Err(syn::Error::new(faults.span(), message));
        }
        Ok(arguments)
    }

    fn add(&mut self, argument: &Meta) -> syn::Result<()> {
        if let Some(krate) = crate_path::of(argument) {
            self.krate = krate?;
            return Ok(());
        }
        let refuse = |message| Err(syn::Error::new(argument.span(), message));
        let has_world = self.real || self.seed.is_some() || self.seeds.is_some();
        match argument {
            Meta::Path(path) if path.is_ident("faults") => {
                if self.real {
                    return refuse(
                        "the real network has its own faults; leave `real` or `faults` out",
                    );
                }
                if self.faults {
                    return refuse("`faults` stands here twice");
                }
                self.faults = true;
            }
            Meta::Path(path) if path.is_ident("real") => {
                if has_world || self.faults {
                    return refuse("`real` stands alone: no seed decides what the real world does");
                }
                self.real = true;
            }
            Meta::NameValue(pair) if pair.path.is_ident("seed") => {
                if has_world {
                    return refuse(
                        "`#[bucle::test]` takes one of `seed`, `seeds` and `real`, not several",
                    );
                }
                self.seed = Some(pair.value.clone());
            }
            Meta::NameValue(pair) if pair.path.is_ident("seeds") => {
                if has_world {
                    return refuse(
                        "`#[bucle::test]` takes one of `seed`, `seeds` and `real`, not several",
                    );
                }
                check_seeds(&pair.value)?;
                self.seeds = Some(pair.value.clone());
            }
            _ => {
                return refuse(
                    "unknown argument; `#[bucle::test]` takes `seed = <number>`, `seeds = <number or \
                     range>`, each with `faults` if wanted, or `real`; and `crate = path`, where the crate \
                     `bucle` is called otherwise",
                );
            }
        }
        Ok(())
    }

    /// The call that runs `body` as the arguments say.
    fn run(&self, name: &TokenStream, body: &TokenStream) -> TokenStream {
        let krate = &self.krate;
        if let Some(seeds) = &self.seeds {
            let options = if self.faults {
                quote!(#krate::SimOptions::faulty)
            } else {
                quote!(#krate::SimOptions::varied)
            };
            return quote_spanned! {seeds.span()=>
                #krate::testing::run_seeds(#name, #seeds, #options, || #body)
            };
        }
        let world = match &self.seed {
            Some(seed) if self.faults => {
                quote_spanned!(seed.span()=> #krate::testing::World::faulty(#seed))
            }
            Some(seed) => quote_spanned!(seed.span()=> #krate::testing::World::seeded(#seed)),
            None if self.real => quote!(#krate::testing::World::real()),
            None => quote!(#krate::testing::World::simulated()),
        };
        quote!(#krate::testing::run_test(#name, #world, #body))
    }
}

/// What can be seen to be wrong here already; the compiler sees the rest.
fn check_seeds(seeds: &Expr) -> syn::Result<()> {
    let Expr::Lit(ExprLit { lit, .. }) = seeds else {
        return Ok(());
    };
    let message = match lit {
        Lit::Int(number) if number.base10_digits() == "0" => {
            "with no seed there is no test; `seeds = 1` is seed 0 alone"
        }
        Lit::Int(_) => return Ok(()),
        _ => "`seeds` is a number of them, as `1000`, or a range, as `500..1000`",
    };
    Err(syn::Error::new(lit.span(), message))
}
