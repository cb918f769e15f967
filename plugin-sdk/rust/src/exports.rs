//! The extension's side of the interface: one module for each hook, whose macro exports that hook alone.
//!
//! Authors implement the traits of [`crate::hooks`]; what is here carries calls over the boundary to them. A
//! component is described by the modules whose macros it uses, so that it has no other hooks.

use std::cell::RefCell;

use crate::hooks::{
    AfterReply, BeforePrompt, Lifecycle, ListingPrice, ListingValidate, MacroProvider, PromptTransform, ReplyFilter,
    SearchRank, StreamFilter, Tool, WorldInfo,
};
use crate::{HookError, Message, Pair, Result, Turn};

/// Bindings of the one interface that a world exports; what it imports is in [`crate::bindings`].
macro_rules! bindings {
    ($module:ident, $world:literal, $export:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "wit",
                world: $world,
                with: {
                    "tavern:extension/types@0.1.0": crate::bindings::tavern::extension::types,
                    "tavern:extension/log@0.1.0": crate::bindings::tavern::extension::log,
                    "tavern:extension/config@0.1.0": crate::bindings::tavern::extension::config,
                    "tavern:extension/key-value@0.1.0": crate::bindings::tavern::extension::key_value,
                    "tavern:extension/http@0.1.0": crate::bindings::tavern::extension::http,
                    "tavern:extension/secrets@0.1.0": crate::bindings::tavern::extension::secrets,
                    "tavern:extension/text@0.1.0": crate::bindings::tavern::extension::text,
                    "tavern:extension/metrics@0.1.0": crate::bindings::tavern::extension::metrics,
                    "tavern:extension/model@0.1.0": crate::bindings::tavern::extension::model,
                },
                additional_derives: [PartialEq, Clone],
                pub_export_macro: true,
                export_macro_name: $export,
            });
            pub use exports::tavern::extension::$module::*;
        }
    };
}

bindings!(lifecycle, "tavern:extension/with-lifecycle", "export_lifecycle");
bindings!(
    before_prompt,
    "tavern:extension/with-before-prompt",
    "export_before_prompt"
);
bindings!(world_info, "tavern:extension/with-world-info", "export_world_info");
bindings!(
    prompt_transform,
    "tavern:extension/with-prompt-transform",
    "export_prompt_transform"
);
bindings!(
    stream_filter,
    "tavern:extension/with-stream-filter",
    "export_stream_filter"
);
bindings!(after_reply, "tavern:extension/with-after-reply", "export_after_reply");
bindings!(
    macro_provider,
    "tavern:extension/with-macro-provider",
    "export_macro_provider"
);
bindings!(tool, "tavern:extension/with-tool", "export_tool");
bindings!(
    listing_validate,
    "tavern:extension/with-listing-validate",
    "export_listing_validate"
);
bindings!(
    listing_price,
    "tavern:extension/with-listing-price",
    "export_listing_price"
);
bindings!(search_rank, "tavern:extension/with-search-rank", "export_search_rank");

impl<T: Lifecycle> lifecycle::Guest for T {
    fn validate_config(config: String) -> Result<()> {
        // Not the instance: what is proposed need not be what the installation has.
        T::from_config(&config)?.validate()
    }

    fn migrate(from_version: String) -> Result<()> {
        T::instance()?.migrate(&from_version)
    }
}

impl<T: BeforePrompt> before_prompt::Guest for T {
    fn before_prompt(turn: Turn, history: Vec<Message>) -> Result<Vec<before_prompt::Edit>> {
        T::instance()?.before_prompt(&turn, &history)
    }
}

impl<T: WorldInfo> world_info::Guest for T {
    fn select(
        turn: Turn,
        history: Vec<Message>,
        candidates: Vec<world_info::Candidate>,
    ) -> Result<world_info::Selection> {
        T::instance()?.select(&turn, &history, &candidates)
    }
}

impl<T: PromptTransform> prompt_transform::Guest for T {
    fn transform(turn: Turn, prompt: Vec<Message>) -> Result<Vec<prompt_transform::Op>> {
        T::instance()?.transform(&turn, &prompt)
    }
}

impl<T: StreamFilter> stream_filter::Guest for T {
    type Filter = Filtering<T>;
}

/// The filter of a reply. That it could not be made is told at the first text: making it has no result.
pub struct Filtering<T: StreamFilter>(RefCell<Result<T::Filter>>);

impl<T: StreamFilter> stream_filter::GuestFilter for Filtering<T> {
    fn new(turn: Turn) -> Self {
        Self(RefCell::new(
            T::instance().and_then(|extension| extension.filter(&turn)),
        ))
    }

    fn push(&self, chunk: String) -> Result<stream_filter::Verdict> {
        self.0
            .borrow_mut()
            .as_mut()
            .map_err(|error| error.clone())?
            .push(&chunk)
    }

    fn finish(&self, chunk: String) -> Result<stream_filter::Verdict> {
        self.0
            .borrow_mut()
            .as_mut()
            .map_err(|error| error.clone())?
            .finish(&chunk)
    }
}

impl<T: AfterReply> after_reply::Guest for T {
    fn run(
        turn: Turn,
        history: Vec<Message>,
        user: Option<Message>,
        reply: Message,
    ) -> Result<Vec<after_reply::Effect>> {
        T::instance()?.after_reply(&turn, &history, user.as_ref(), &reply)
    }
}

impl<T: MacroProvider> macro_provider::Guest for T {
    fn expand(turn: Turn, calls: Vec<macro_provider::Call>) -> Result<Vec<Option<String>>> {
        let extension = T::instance()?;
        Ok(calls
            .iter()
            .map(|call| extension.expand(&turn, &call.name, &call.arguments))
            .collect())
    }
}

impl<T: Tool> tool::Guest for T {
    fn call(turn: Turn, name: String, arguments: String) -> Result<String> {
        let arguments = serde_json::from_str(&arguments)
            .map_err(|error| HookError::Failed(format!("the arguments of `{name}` are not JSON: {error}")))?;
        Ok(T::instance()?.call(&turn, &name, arguments)?.to_string())
    }
}

impl<T: ListingValidate> listing_validate::Guest for T {
    fn validate(listing: String) -> Result<Vec<listing_validate::Finding>> {
        T::instance()?.validate(&serde_json::from_str(&listing)?)
    }
}

impl<T: ListingPrice> listing_price::Guest for T {
    fn price(listing: String, buyer: Vec<Pair>, base: listing_price::Quote) -> Result<listing_price::Quote> {
        T::instance()?.price(&serde_json::from_str(&listing)?, &buyer, base)
    }
}

impl<T: SearchRank> search_rank::Guest for T {
    fn rank(query: String, items: Vec<search_rank::Item>) -> Result<Vec<search_rank::Change>> {
        T::instance()?.rank(&query, &items)
    }
}

#[cfg(test)]
mod tests;
