//! `#[derive(Extension)]`: makes a component of a type.
//!
//! The hooks that `#[hooks(…)]` names are exported, and no others: the host finds hooks by their presence.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Token, parse_macro_input};

/// Traits of hooks, and the modules of their exports.
const HOOKS: [(&str, &str); 11] = [
    ("Lifecycle", "lifecycle"),
    ("BeforePrompt", "before_prompt"),
    ("WorldInfo", "world_info"),
    ("PromptTransform", "prompt_transform"),
    ("StreamFilter", "stream_filter"),
    ("AfterReply", "after_reply"),
    ("MacroProvider", "macro_provider"),
    ("Tool", "tool"),
    ("ListingValidate", "listing_validate"),
    ("ListingPrice", "listing_price"),
    ("SearchRank", "search_rank"),
];

/// Implements `Extension`, and exports the hooks that `#[hooks(…)]` names by their traits.
///
/// A type with fields is read from the installation's configuration and needs `serde::Deserialize`; one
/// without has no configuration.
#[proc_macro_derive(Extension, attributes(hooks))]
pub fn derive_extension(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "an extension is a struct"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "an extension has no parameters"));
    }
    let name = &input.ident;
    let from_config = match &data.fields {
        Fields::Unit => quote! {
            let _ = config;
            ::core::result::Result::Ok(Self)
        },
        _ => quote! { ::tavern_extension::config::parse(config) },
    };
    let exports = hooks(input)?.into_iter().map(|module| {
        let export = format_ident!("export_{module}");
        quote! { ::tavern_extension::exports::#module::#export!(#name with_types_in ::tavern_extension::exports::#module); }
    });
    Ok(quote! {
        impl ::tavern_extension::Extension for #name {
            fn from_config(config: &str) -> ::tavern_extension::Result<Self> {
                #from_config
            }

            fn instance() -> ::tavern_extension::Result<&'static Self> {
                ::std::thread_local! {
                    static INSTANCE: ::tavern_extension::Instance<#name> = const { ::tavern_extension::Instance::new() };
                }
                INSTANCE.with(::tavern_extension::Instance::get)
            }
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = { #(#exports)* };
    })
}

/// The modules of the hooks that are named, each once.
fn hooks(input: &DeriveInput) -> Result<Vec<Ident>> {
    let attribute = input
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("hooks"))
        .ok_or_else(|| Error::new_spanned(&input.ident, "name its hooks: `#[hooks(BeforePrompt, AfterReply)]`"))?;
    let named = attribute.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)?;
    let mut modules: Vec<Ident> = Vec::new();
    for hook in &named {
        let Some((_, module)) = HOOKS.iter().find(|(name, _)| hook == name) else {
            let names: Vec<_> = HOOKS.iter().map(|(name, _)| *name).collect();
            return Err(Error::new_spanned(
                hook,
                format!("no such hook; there are {}", names.join(", ")),
            ));
        };
        let module = Ident::new(module, hook.span());
        if modules.contains(&module) {
            return Err(Error::new_spanned(hook, "named twice"));
        }
        modules.push(module);
    }
    if modules.is_empty() {
        return Err(Error::new_spanned(attribute, "an extension has a hook at least"));
    }
    Ok(modules)
}
