//! What the attributes make of functions, right and wrong ones. That the result compiles and runs
//! is tested in the `bucle` crate.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{expand, main_attribute, process_attribute, test_attribute};

fn main_of(arguments: TokenStream, item: TokenStream) -> String {
    expand(main_attribute::expand, "#[bucle::main]", arguments, item).to_string()
}

fn test_of(arguments: TokenStream, item: TokenStream) -> String {
    expand(test_attribute::expand, "#[bucle::test]", arguments, item).to_string()
}

fn good() -> TokenStream {
    quote! {
        #[should_panic]
        async fn it_works() -> Result<(), Error> { body().await }
    }
}

#[track_caller]
fn assert_error(expansion: &str, message: &str) {
    assert!(expansion.contains("compile_error"), "{expansion}");
    assert!(expansion.contains(message), "{expansion}");
}

#[test]
fn a_test_is_an_ordinary_one_with_its_attributes_and_result() {
    let expansion = test_of(quote!(), good());
    let expected = quote! {
        #[::core::prelude::v1::test]
        #[should_panic]
        fn it_works() -> Result<(), Error> {
            ::bucle::testing::run_test(
                ::core::concat!(::core::module_path!(), "::", "it_works"),
                ::bucle::testing::World::simulated(),
                async move { body().await }
            )
        }
    };
    assert_eq!(expansion, expected.to_string());
}

#[test]
fn the_arguments_choose_the_world() {
    let of = |arguments| test_of(arguments, good());
    let seeded = of(quote!(seed = 3 + 4));
    assert!(seeded.contains("seeded (3 + 4)"), "{seeded}");
    let seeds = of(quote!(seeds = 0..9));
    assert!(seeds.contains("run_seeds ("), "{seeds}");
    let varied = "0 .. 9 , :: bucle :: SimOptions :: varied , || async move";
    assert!(seeds.contains(varied), "{seeds}");
    let faults = of(quote!(seeds = 1000, faults));
    let faulty = "1000 , :: bucle :: SimOptions :: faulty , || async move";
    assert!(faults.contains(faulty), "{faults}");
    let one = of(quote!(faults, seed = 7));
    assert!(one.contains("World :: faulty (7)"), "{one}");
    let real = of(quote!(real));
    assert!(real.contains("World :: real ()"), "{real}");
}

#[test]
fn wrong_arguments_say_which_are_right() {
    for wrong in [
        quote!(sed = 1),
        quote!(seed),
        quote!(real = true),
        quote!(seed(1)),
    ] {
        assert_error(&test_of(wrong, good()), "`real`");
    }
    for (wrong, right) in [
        (quote!(seed = 1, seeds = 2), "not several"),
        (quote!(seeds = 1, seeds = 2), "not several"),
        (quote!(real, seed = 1), "not several"),
        (quote!(seed = 1, real), "`real` stands alone"),
        (quote!(faults, real), "`real` stands alone"),
        (quote!(real, faults), "leave `real` or `faults` out"),
        (quote!(faults), "say `seeds = 1000, faults`"),
        (quote!(seeds = 1, faults, faults), "twice"),
        (quote!(seeds = 0), "with no seed there is no test"),
        (quote!(seeds = "many"), "as `500..1000`"),
        (quote!(seeds = true), "as `500..1000`"),
    ] {
        assert_error(&test_of(wrong, good()), right);
    }
    assert_error(&main_of(quote!(flavor = "x"), good()), "takes no arguments");
}

#[test]
fn wrong_functions_say_what_is_wrong() {
    for of in [main_of, test_of] {
        assert_error(
            &of(
                quote!(),
                quote!(
                    fn plain() {}
                ),
            ),
            "put `async` before",
        );
        assert_error(
            &of(
                quote!(),
                quote!(
                    async fn takes(n: u32) {}
                ),
            ),
            "without arguments",
        );
        assert_error(
            &of(
                quote!(),
                quote!(
                    async fn any<T>() {}
                ),
            ),
            "can't be generic",
        );
        assert_error(
            &of(
                quote!(),
                quote!(
                    struct NotAFunction;
                ),
            ),
            "expected",
        );
    }
}

#[test]
fn main_exits_when_there_is_no_loop() {
    let expansion = main_of(
        quote!(),
        quote!(
            async fn main() {
                body().await
            }
        ),
    );
    assert!(expansion.starts_with("fn main () {"), "{expansion}");
    assert!(
        expansion.contains(":: bucle :: run (async move"),
        "{expansion}"
    );
    assert!(expansion.contains("exit (1)"), "{expansion}");
}

fn process_of(arguments: TokenStream, item: TokenStream) -> String {
    syn::parse2(item)
        .and_then(|function| process_attribute::expand(arguments, function))
        .unwrap_or_else(syn::Error::into_compile_error)
        .to_string()
}

#[test]
fn a_process_function_is_a_name_with_its_types() {
    let expansion = process_of(
        quote!(),
        quote! {
            /// Scales.
            #[inline]
            pub fn scale(numbers: &[f64], by: Option<&str>) -> Vec<f64> { body() }
        },
    );
    for part in [
        "# [doc = r\" Scales.\"] # [allow (non_camel_case_types)]",
        "pub struct scale { }",
        "pub const scale : scale = scale { }",
        "# [inline] fn scale (numbers : & [f64]",
        ":: bucle :: __private",
        "type Arguments < 'a > = (& 'a [f64] , Option < & 'a str > ,)",
        "type Output = Vec < f64 >",
        "to . slice :: < f64 > (& __bucle_arguments . 0)",
        "to . value (& __bucle_arguments . 1) ?",
        "to . slice :: < f64 > (& __bucle_output)",
    ] {
        assert!(expansion.contains(part), "{part} is missing in {expansion}");
    }
    let alone = process_of(
        quote!(crate = other::place),
        quote!(
            fn one(text: String) {}
        ),
    );
    assert!(
        alone.contains("impl other :: place :: __private :: ProcessFunction for one"),
        "{alone}"
    );
    assert!(
        alone.contains("type Arguments < 'a > = String ;"),
        "{alone}"
    );
    assert!(alone.contains("to . text (__bucle_arguments)"), "{alone}");
}

#[test]
fn the_crate_may_be_called_otherwise() {
    let plain = || {
        quote!(
            fn f(numbers: &[f64], text: String) -> Shared<u8> {}
        )
    };
    for path in [quote!(other::name), quote!("other::name")] {
        for expansion in [
            main_of(quote!(crate = #path), good()),
            test_of(quote!(crate = #path), good()),
            test_of(quote!(seed = 7, crate = #path), good()),
            test_of(quote!(crate = #path, seeds = 9, faults), good()),
            process_of(quote!(crate = #path), plain()),
        ] {
            assert!(expansion.contains("other :: name :: "), "{expansion}");
            assert!(!expansion.contains(":: bucle"), "{expansion}");
        }
    }
    for wrong in [
        quote!(crate = 7),
        quote!(crate = "1 + 1"),
        quote!(crate = a + b),
    ] {
        assert_error(&main_of(wrong.clone(), good()), "as `crate = other`");
        assert_error(&test_of(wrong.clone(), good()), "as `crate = other`");
        assert_error(&process_of(wrong, plain()), "as `crate = other`");
    }
    assert_error(&main_of(quote!(workers = 3), good()), "`crate = path`");
    assert_error(&test_of(quote!(workers = 3), good()), "`crate = path`");
}

#[test]
fn functions_that_no_other_process_can_run() {
    for (wrong, why) in [
        (
            quote!(
                async fn f() {}
            ),
            "no loop",
        ),
        ("un\u{73}afe fn f() {}".parse().unwrap(), "safe to call"),
        (
            quote!(
                extern "C" fn f() {}
            ),
            "ABI",
        ),
        (
            quote!(
                fn f<T>() {}
            ),
            "can't be generic",
        ),
        (
            quote!(
                fn f(x: impl Copy) {}
            ),
            "can't be generic",
        ),
        (
            quote!(
                fn f(&self) {}
            ),
            "a method",
        ),
        (
            quote!(
                fn f(x: &mut u32) {}
            ),
            "change a copy",
        ),
        (
            quote!(
                fn f() -> impl Copy {}
            ),
            "name the type",
        ),
        (
            quote!(
                fn f(x: &str) -> &str {}
            ),
            "owned value",
        ),
    ] {
        assert_error(&process_of(quote!(), wrong), why);
    }
    let plain = quote!(
        fn f() {}
    );
    assert_error(&process_of(quote!(workers = 3), plain), "takes none");
}
