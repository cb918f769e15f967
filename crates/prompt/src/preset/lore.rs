//! World-info settings.

use tavern_domain::lore::{LoreSettings, LoreStrategy};

use super::fields::Fields;

/// Fields as SillyTavern's settings name them, with or without `world_info_` before them.
pub(super) fn read(fields: &mut Fields<'_>) -> LoreSettings {
    let default = LoreSettings::default();
    let strategy = match either(fields, "character_strategy", Fields::integer) {
        None => default.strategy,
        Some(0) => LoreStrategy::Evenly,
        Some(1) => LoreStrategy::CharacterFirst,
        Some(2) => LoreStrategy::GlobalFirst,
        Some(_) => {
            fields.warn("character_strategy is none of 0, 1, 2 and was left out.");
            default.strategy
        }
    };
    LoreSettings {
        depth: either(fields, "depth", Fields::count).unwrap_or(default.depth),
        budget_percent: either(fields, "budget", Fields::number)
            .unwrap_or(default.budget_percent)
            .clamp(0.0, 100.0),
        budget_cap: either(fields, "budget_cap", Fields::count).unwrap_or(default.budget_cap),
        min_activations: either(fields, "min_activations", Fields::count).unwrap_or(default.min_activations),
        min_activations_depth_max: either(fields, "min_activations_depth_max", Fields::count)
            .unwrap_or(default.min_activations_depth_max),
        max_recursion_steps: either(fields, "max_recursion_steps", Fields::count)
            .unwrap_or(default.max_recursion_steps),
        include_names: either(fields, "include_names", Fields::flag).unwrap_or(default.include_names),
        recursive: either(fields, "recursive", Fields::flag).unwrap_or(default.recursive),
        case_sensitive: either(fields, "case_sensitive", Fields::flag).unwrap_or(default.case_sensitive),
        match_whole_words: either(fields, "match_whole_words", Fields::flag).unwrap_or(default.match_whole_words),
        use_group_scoring: either(fields, "use_group_scoring", Fields::flag).unwrap_or(default.use_group_scoring),
        strategy,
    }
}

fn either<'a, T>(fields: &mut Fields<'a>, name: &str, read: impl Fn(&mut Fields<'a>, &str) -> Option<T>) -> Option<T> {
    read(fields, &format!("world_info_{name}")).or_else(|| read(fields, name))
}
