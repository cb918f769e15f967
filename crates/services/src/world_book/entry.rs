//! Entries as somebody writes them.

use serde_json::Value;
use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;
use tavern_domain::lore::{LoreCharacterFilter, LoreEntry, LorePosition, SelectiveLogic, trigger_name};
use tavern_domain::{Limits, Problems};

use crate::check::{self, set};

/// Fields of an entry; `None` is the default, or leaves a field as it is. What may be unset is an
/// option within.
#[derive(Debug, Clone, Default)]
pub struct LoreEntryPatch {
    pub comment: Option<String>,
    pub keys: Option<Vec<String>>,
    pub secondary_keys: Option<Vec<String>>,
    pub content: Option<String>,
    pub enabled: Option<bool>,
    pub constant: Option<bool>,
    pub selective: Option<bool>,
    pub logic: Option<SelectiveLogic>,
    pub order: Option<i32>,
    pub priority: Option<Option<i32>>,
    pub position: Option<LorePosition>,
    pub depth: Option<i32>,
    pub role: Option<ChatRole>,
    pub outlet: Option<String>,
    pub probability: Option<f64>,
    pub use_probability: Option<bool>,
    pub ignore_budget: Option<bool>,
    pub exclude_recursion: Option<bool>,
    pub prevent_recursion: Option<bool>,
    pub delay_until_recursion: Option<i32>,
    pub scan_depth: Option<Option<i32>>,
    pub case_sensitive: Option<Option<bool>>,
    pub match_whole_words: Option<Option<bool>>,
    pub use_group_scoring: Option<Option<bool>>,
    pub group: Option<String>,
    pub group_override: Option<bool>,
    pub group_weight: Option<f64>,
    pub sticky: Option<Option<i32>>,
    pub cooldown: Option<Option<i32>>,
    pub delay: Option<Option<i32>>,
    pub automation_id: Option<String>,
    pub vectorized: Option<bool>,
    pub match_persona_description: Option<bool>,
    pub match_character_description: Option<bool>,
    pub match_character_personality: Option<bool>,
    pub match_character_depth_prompt: Option<bool>,
    pub match_scenario: Option<bool>,
    pub match_creator_notes: Option<bool>,
    pub character_filter: Option<LoreCharacterFilter>,
    pub triggers: Option<Vec<String>>,
    pub use_regex: Option<bool>,
    pub extensions: Option<Value>,
}

impl LoreEntryPatch {
    /// Writes the fields into `entry`, which is of no use if there are problems.
    pub(super) fn apply(self, entry: &mut LoreEntry, problems: &mut Problems, limits: &Limits) {
        self.check(problems, limits);
        let mut count = |field: &str, value: Option<i32>| value.map(|value| check::count(problems, field, value));
        set(&mut entry.depth, count("depth", self.depth));
        set(
            &mut entry.delay_until_recursion,
            count("delayUntilRecursion", self.delay_until_recursion),
        );
        let mut optional = |field: &str, value: Option<Option<i32>>| value.map(|value| count(field, value));
        set(&mut entry.scan_depth, optional("scanDepth", self.scan_depth));
        set(&mut entry.sticky, optional("sticky", self.sticky));
        set(&mut entry.cooldown, optional("cooldown", self.cooldown));
        set(&mut entry.delay, optional("delay", self.delay));
        set(&mut entry.comment, self.comment);
        set(&mut entry.keys, self.keys);
        set(&mut entry.secondary_keys, self.secondary_keys);
        set(&mut entry.content, self.content);
        set(&mut entry.enabled, self.enabled);
        set(&mut entry.constant, self.constant);
        set(&mut entry.selective, self.selective);
        set(&mut entry.logic, self.logic);
        set(&mut entry.order, self.order);
        set(&mut entry.priority, self.priority);
        set(&mut entry.position, self.position);
        set(&mut entry.role, self.role);
        set(&mut entry.outlet, self.outlet);
        set(&mut entry.probability, self.probability);
        set(&mut entry.use_probability, self.use_probability);
        set(&mut entry.ignore_budget, self.ignore_budget);
        set(&mut entry.exclude_recursion, self.exclude_recursion);
        set(&mut entry.prevent_recursion, self.prevent_recursion);
        set(&mut entry.case_sensitive, self.case_sensitive);
        set(&mut entry.match_whole_words, self.match_whole_words);
        set(&mut entry.use_group_scoring, self.use_group_scoring);
        set(&mut entry.group, self.group);
        set(&mut entry.group_override, self.group_override);
        set(&mut entry.group_weight, self.group_weight);
        set(&mut entry.automation_id, self.automation_id);
        set(&mut entry.vectorized, self.vectorized);
        let also = &mut entry.scan_also;
        set(&mut also.persona_description, self.match_persona_description);
        set(&mut also.character_description, self.match_character_description);
        set(&mut also.character_personality, self.match_character_personality);
        set(&mut also.character_depth_prompt, self.match_character_depth_prompt);
        set(&mut also.scenario, self.match_scenario);
        set(&mut also.creator_notes, self.match_creator_notes);
        set(&mut entry.character_filter, self.character_filter);
        set(&mut entry.triggers, self.triggers);
        set(&mut entry.use_regex, self.use_regex);
        set(&mut entry.extensions, self.extensions);
    }

    fn check(&self, problems: &mut Problems, limits: &Limits) {
        for (field, text, most) in [
            ("comment", &self.comment, limits.world_entry_bytes),
            ("content", &self.content, limits.world_entry_bytes),
            ("outletName", &self.outlet, limits.world_key_bytes),
            ("group", &self.group, limits.world_key_bytes),
            ("automationId", &self.automation_id, limits.world_key_bytes),
        ] {
            if let Some(text) = text {
                check::text(problems, field, text, most);
            }
        }
        let filter = self.character_filter.as_ref();
        for (field, keys) in [
            ("keys", self.keys.as_deref()),
            ("secondaryKeys", self.secondary_keys.as_deref()),
            ("characterFilter.names", filter.map(|filter| filter.names.as_slice())),
            ("characterFilter.tags", filter.map(|filter| filter.tags.as_slice())),
        ] {
            let keys = keys.unwrap_or_default();
            if keys.len() > limits.world_keys {
                problems.add(
                    field,
                    format!("At most {} of these, not {}.", limits.world_keys, keys.len()),
                );
            }
            for (index, key) in keys.iter().enumerate().take(limits.world_keys) {
                check::text(problems, &format!("{field}.{index}"), key, limits.world_key_bytes);
            }
        }
        let kinds = GenerationKind::ALL.len();
        if let Some(triggers) = &self.triggers
            && triggers.len() > kinds
        {
            problems.add("triggers", format!("At most {kinds} of these, not {}.", triggers.len()));
        }
        for (index, trigger) in self.triggers.iter().flatten().enumerate().take(kinds) {
            if !GenerationKind::ALL
                .into_iter()
                .any(|kind| trigger_name(kind) == trigger)
            {
                problems.add(
                    &format!("triggers.{index}"),
                    "A trigger is `normal`, `continue`, `impersonate`, `swipe`, `regenerate` or `quiet`.",
                );
            }
        }
        if self
            .probability
            .is_some_and(|percent| !(0.0..=100.0).contains(&percent))
        {
            problems.add("probability", "A probability is between 0 and 100 percent.");
        }
        if self.group_weight.is_some_and(|weight| !(0.0..=1e9).contains(&weight)) {
            problems.add("groupWeight", "A weight is between 0 and 1,000,000,000.");
        }
        if let Some(extensions) = &self.extensions {
            check::object(problems, "extensions", extensions, limits.world_entry_bytes);
        }
    }
}
