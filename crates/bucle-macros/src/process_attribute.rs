//! `#[bucle::process]`.
//!
//! The function becomes a type of its name, which names the function for `submit`, and a constant of
//! that type and name, which can be called like the function: it dereferences to a function pointer.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, FnArg, GenericArgument, ItemFn, Lifetime, Meta, PathArguments, ReturnType, Token,
    Type, TypeReference,
};

use crate::crate_path;

pub(crate) fn expand(arguments: TokenStream, function: ItemFn) -> syn::Result<TokenStream> {
    let krate = krate(arguments)?;
    check(&function)?;
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
    } = &function;
    let name = &sig.ident;
    let text = name.unraw().to_string();
    let private = quote!(#krate::__private);
    let inputs: Vec<Input> = sig.inputs.iter().map(Input::of).collect::<Result<_, _>>()?;
    let types: Vec<&Type> = inputs.iter().map(|input| &input.ty).collect();
    let output_type = match &sig.output {
        ReturnType::Default => Type::Verbatim(quote!(())),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let output = Form::of(&output_type);

    let named: Vec<Type> = types.iter().map(|ty| with_lifetime(ty)).collect();
    let arguments_type = match &named[..] {
        [one] => quote!(#one),
        all => quote!((#(#all,)*)),
    };
    let places = (0..inputs.len()).map(|place| match inputs.len() {
        1 => quote!(__bucle_arguments),
        _ => {
            let place = syn::Index::from(place);
            quote!(&__bucle_arguments.#place)
        }
    });
    let encode = inputs
        .iter()
        .zip(places)
        .map(|(input, place)| input.form.encode(&input.ty, &place));
    let locals: Vec<_> = (0..inputs.len())
        .map(|n| format_ident!("__bucle_argument{n}"))
        .collect();
    let decode = inputs
        .iter()
        .zip(&locals)
        .map(|(input, local)| input.form.decode_argument(&input.ty, local));
    let encode_output = output.encode(&output_type, &quote!(&__bucle_output));
    let decode_output = output.decode(&output_type);

    let (docs, others): (Vec<&Attribute>, Vec<&Attribute>) = attrs
        .iter()
        .partition(|attribute| attribute.path().is_ident("doc"));
    let configured: Vec<&Attribute> = others
        .iter()
        .copied()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect();
    Ok(quote! {
        #(#docs)*
        #(#configured)*
        #[allow(non_camel_case_types)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #vis struct #name {}

        #(#docs)*
        #(#configured)*
        #[allow(non_upper_case_globals)]
        #vis const #name: #name = #name {};

        #(#configured)*
        const _: () = {
            #(#others)*
            #sig #block

            impl ::core::ops::Deref for #name {
                type Target = fn(#(#types),*) -> #output_type;

                fn deref(&self) -> &Self::Target {
                    const __BUCLE_FUNCTION: fn(#(#types),*) -> #output_type = #name;
                    &__BUCLE_FUNCTION
                }
            }

            // Names of our own: what the body names is to be the user's, and a function of the
            // user's is a constant, which no variable can be called like.
            #[#private::linkme::distributed_slice(#private::FUNCTIONS)]
            #[linkme(crate = #private::linkme)]
            static __BUCLE_ENTRY: #private::Entry = #private::Entry {
                path: ::core::concat!(::core::module_path!(), "::", #text),
                call: __bucle_call,
            };

            #[allow(clippy::let_unit_value, clippy::unit_arg)]
            fn __bucle_call(
                __bucle_reader: &mut #private::Reader<'_>,
                __bucle_answer: &mut dyn #private::Answer,
            ) -> ::core::result::Result<(), #private::CallError> {
                #(#decode)*
                __bucle_reader.finish()?;
                __bucle_answer.begin();
                let __bucle_output: #output_type = #name(#(#locals),*);
                __bucle_answer.end();
                let mut __bucle_to = #private::Writer::default();
                #encode_output;
                __bucle_answer.give(&__bucle_to)?;
                ::core::result::Result::Ok(())
            }

            impl #private::ProcessFunction for #name {
                type Arguments<'a> = #arguments_type;
                type Output = #output_type;

                fn entry() -> &'static #private::Entry {
                    &__BUCLE_ENTRY
                }

                #[allow(unused_variables)]
                fn encode<'a>(
                    __bucle_arguments: &'a Self::Arguments<'_>,
                    __bucle_to: &mut #private::Writer<'a>,
                ) -> ::core::result::Result<(), #private::NotEncoded> {
                    #(#encode;)*
                    ::core::result::Result::Ok(())
                }

                #[allow(clippy::let_unit_value, clippy::unit_arg)]
                fn decode(
                    __bucle_reader: &mut #private::Reader<'_>,
                ) -> ::core::result::Result<Self::Output, #private::NotDecoded> {
                    let __bucle_output: #output_type = #decode_output;
                    __bucle_reader.finish()?;
                    ::core::result::Result::Ok(__bucle_output)
                }
            }
        };
    })
}

/// The crate whose `__private` the code that is made names.
fn krate(arguments: TokenStream) -> syn::Result<TokenStream> {
    let given = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments)?;
    let mut krate = crate_path::default();
    for argument in &given {
        krate = crate_path::of(argument).unwrap_or_else(|| {
            let message = "unknown argument; `#[bucle::process]` takes none but `crate = path`, where \
                           the crate `bucle` is called otherwise";
            Err(syn::Error::new(argument.span(), message))
        })?;
    }
    Ok(krate)
}

fn check(function: &ItemFn) -> syn::Result<()> {
    let sig = &function.sig;
    let refuse = |span: Span, message: &str| Err(syn::Error::new(span, message));
    if let Some(asyncness) = sig.asyncness {
        return refuse(
            asyncness.span,
            "a worker has no loop to run an `async fn` on; make it a plain `fn`, which may call \
             `bucle::run`",
        );
    }
    if let Some(unsafety) = sig.unsafety {
        return refuse(
            unsafety.span,
            "`submit` is safe to call, so the function must be, too",
        );
    }
    if let Some(abi) = &sig.abi {
        return refuse(
            abi.span(),
            "the function is called from Rust; leave the ABI out",
        );
    }
    if !sig.generics.params.is_empty() {
        return refuse(
            sig.generics.span(),
            "the other process finds one function by its name, so it can't be generic; lifetimes \
             are left out, as in `&str`",
        );
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        if let Type::ImplTrait(_) = &**ty {
            return refuse(
                ty.span(),
                "name the type: the output is made again in the parent",
            );
        }
        if let Type::Reference(reference) = &**ty
            && !is_static(reference.lifetime.as_ref())
        {
            return refuse(
                ty.span(),
                "what is borrowed from the arguments can't leave the process; return an owned value",
            );
        }
    }
    Ok(())
}

fn is_static(lifetime: Option<&Lifetime>) -> bool {
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

/// One argument.
struct Input {
    ty: Type,
    form: Form,
}

impl Input {
    fn of(argument: &FnArg) -> syn::Result<Input> {
        let argument = match argument {
            FnArg::Typed(argument) => argument,
            FnArg::Receiver(receiver) => {
                let message = "a method has no name of its own for the other process; write a plain \
                               function that takes the value";
                return Err(syn::Error::new(receiver.span(), message));
            }
        };
        match &*argument.ty {
            Type::ImplTrait(ty) => {
                let message = "the other process finds one function by its name, so it can't be \
                               generic";
                Err(syn::Error::new(ty.span(), message))
            }
            Type::Reference(TypeReference {
                mutability: Some(mutability),
                ..
            }) => {
                let message = "the other process would change a copy; take the value and return it";
                Err(syn::Error::new(mutability.span(), message))
            }
            ty => Ok(Input {
                ty: ty.clone(),
                form: Form::of(ty),
            }),
        }
    }
}

/// How a type is put into bytes, as far as its spelling tells.
enum Form {
    /// By serde.
    Value,
    /// `&T`: by serde, and a reference to what comes out.
    Reference(Type),
    /// `&str`.
    Text,
    /// `String`.
    OwnedText,
    /// `&[T]`: the numbers as they are.
    Slice(Type),
    /// `Vec<f64>` and the like.
    OwnedSlice(Type),
    /// `Shared<f64>` and the like.
    Shared(Type),
}

const NUMBERS: [&str; 14] = [
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
    "f64",
];

impl Form {
    fn of(ty: &Type) -> Form {
        match ty {
            Type::Paren(inner) => Form::of(&inner.elem),
            Type::Group(inner) => Form::of(&inner.elem),
            Type::Reference(reference) => match &*reference.elem {
                Type::Slice(slice) => Form::Slice((*slice.elem).clone()),
                Type::Path(path) if path.path.is_ident("str") => Form::Text,
                other => Form::Reference(other.clone()),
            },
            Type::Path(path) if path.path.is_ident("String") => Form::OwnedText,
            Type::Path(path) => match path.path.segments.last() {
                Some(last) if last.ident == "Shared" => match &last.arguments {
                    PathArguments::AngleBracketed(inner) => match inner.args.first() {
                        Some(GenericArgument::Type(item)) => Form::Shared(item.clone()),
                        _ => Form::Value,
                    },
                    _ => Form::Value,
                },
                Some(last) if path.path.segments.len() == 1 && last.ident == "Vec" => {
                    match &last.arguments {
                        PathArguments::AngleBracketed(inner) => match inner.args.first() {
                            Some(GenericArgument::Type(Type::Path(item)))
                                if NUMBERS.iter().any(|number| item.path.is_ident(number)) =>
                            {
                                Form::OwnedSlice(Type::Path(item.clone()))
                            }
                            _ => Form::Value,
                        },
                        _ => Form::Value,
                    }
                }
                _ => Form::Value,
            },
            _ => Form::Value,
        }
    }

    /// Adds what is at `place`, a reference, to the writer.
    fn encode(&self, ty: &Type, place: &TokenStream) -> TokenStream {
        let span = ty.span();
        match self {
            Form::Value | Form::Reference(_) => quote_spanned!(span=> __bucle_to.value(#place)?),
            Form::Text | Form::OwnedText => quote_spanned!(span=> __bucle_to.text(#place)),
            Form::Slice(item) | Form::OwnedSlice(item) => {
                quote_spanned!(span=> __bucle_to.slice::<#item>(#place))
            }
            Form::Shared(item) => quote_spanned!(span=> __bucle_to.shared::<#item>(#place)),
        }
    }

    /// An expression that takes the value from the reader.
    fn decode(&self, ty: &Type) -> TokenStream {
        let span = ty.span();
        match self {
            Form::Value | Form::Reference(_) => {
                quote_spanned!(span=> __bucle_reader.value::<#ty>()?)
            }
            Form::Text => quote_spanned!(span=> __bucle_reader.text()?),
            Form::OwnedText => {
                quote_spanned!(span=> ::std::string::String::from(__bucle_reader.text()?))
            }
            Form::Slice(item) => quote_spanned!(span=> __bucle_reader.slice::<#item>()?),
            Form::OwnedSlice(item) => {
                quote_spanned!(span=> ::std::vec::Vec::from(__bucle_reader.slice::<#item>()?))
            }
            Form::Shared(item) => quote_spanned!(span=> __bucle_reader.shared::<#item>()?),
        }
    }

    /// Statements that make `local` the argument.
    fn decode_argument(&self, ty: &Type, local: &syn::Ident) -> TokenStream {
        match self {
            Form::Reference(inner) => {
                let value = Form::Value.decode(inner);
                quote! {
                    let #local = #value;
                    let #local = &#local;
                }
            }
            _ => {
                let value = self.decode(ty);
                quote!(let #local: #ty = #value;)
            }
        }
    }
}

/// The type with `'a` for every lifetime that is left out.
fn with_lifetime(ty: &Type) -> Type {
    struct Name;
    impl VisitMut for Name {
        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            reference
                .lifetime
                .get_or_insert_with(|| Lifetime::new("'a", Span::call_site()));
            visit_mut::visit_type_reference_mut(self, reference);
        }

        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident == "_" {
                *lifetime = Lifetime::new("'a", lifetime.span());
            }
        }
    }
    let mut ty = ty.clone();
    Name.visit_type_mut(&mut ty);
    ty
}
