//! SillyTavern's world files, and what it calls its fields inside the `extensions` of a card's entries.

use serde_json::Value;
use tavern_domain::lore::LoreEntry;

use super::fields::{
    Carried, Field, LOGICS, POSITIONS, ROLES, code, decoded, filter_value, row, set_delay_until_recursion, set_filter,
};
use crate::lenient::{Note, number};

pub(super) const ENTRY: &[Field<LoreEntry>] = &[
    row!(["key"], texts, keys),
    row!(["keysecondary"], texts, secondary_keys),
    row!(["comment"], text, comment),
    row!(["content"], text, content),
    row!(["constant"], flag, constant),
    row!(["vectorized"], flag, vectorized),
    row!(["selective"], flag, selective),
    row!(["selectiveLogic"], coded, logic, LOGICS),
    row!(["order"], integer(i32::MIN), order),
    row!(["position"], coded, position, POSITIONS),
    row!(["disable"], not_flag, enabled),
    row!(["ignoreBudget"], flag, ignore_budget),
    row!(["excludeRecursion"], flag, exclude_recursion),
    row!(["preventRecursion"], flag, prevent_recursion),
    row!(["matchPersonaDescription"], flag, scan_also.persona_description),
    row!(["matchCharacterDescription"], flag, scan_also.character_description),
    row!(["matchCharacterPersonality"], flag, scan_also.character_personality),
    row!(["matchCharacterDepthPrompt"], flag, scan_also.character_depth_prompt),
    row!(["matchScenario"], flag, scan_also.scenario),
    row!(["matchCreatorNotes"], flag, scan_also.creator_notes),
    row!(
        ["delayUntilRecursion"],
        |entry| Some(Value::from(entry.delay_until_recursion)),
        set_delay_until_recursion
    ),
    row!(["probability"], float(100.0), probability),
    row!(["useProbability"], flag, use_probability),
    row!(["depth"], integer(0), depth),
    row!(["outletName"], text, outlet),
    row!(["group"], text, group),
    row!(["groupOverride"], flag, group_override),
    row!(["groupWeight"], float(f64::MAX), group_weight),
    row!(["scanDepth"], nullable integer(0), scan_depth),
    row!(["caseSensitive"], nullable flag, case_sensitive),
    row!(["matchWholeWords"], nullable flag, match_whole_words),
    row!(["useGroupScoring"], nullable flag, use_group_scoring),
    row!(["automationId"], text, automation_id),
    row!(["role"], coded, role, ROLES),
    row!(["sticky"], nullable integer(0), sticky),
    row!(["cooldown"], nullable integer(0), cooldown),
    row!(["delay"], nullable integer(0), delay),
    row!(["triggers"], texts, triggers),
    row!(
        ["characterFilter"],
        |entry| Some(filter_value(&entry.character_filter)),
        set_filter
    ),
    // Two fields of cards that SillyTavern has not; it keeps what an entry's `extensions` hold.
    row!(["extensions", "priority"], absent integer(i32::MIN), priority),
    row!(
        ["extensions", "use_regex"],
        |entry| entry.use_regex.then_some(Value::Bool(true)),
        |entry, value, note| entry.use_regex = note.flag(value).unwrap_or_default()
    ),
];

/// SillyTavern's fields that a card's entry has none for, by the names it gives them there; the filter's
/// name is ours, since SillyTavern drops it.
pub(super) const IN_CARDS: &[Field<LoreEntry>] = &[
    row!(["extensions", "position"], coded, position, POSITIONS),
    row!(["extensions", "exclude_recursion"], flag, exclude_recursion),
    row!(["extensions", "prevent_recursion"], flag, prevent_recursion),
    row!(
        ["extensions", "delay_until_recursion"],
        |entry| Some(Value::from(entry.delay_until_recursion)),
        set_delay_until_recursion
    ),
    row!(["extensions", "probability"], float(100.0), probability),
    row!(["extensions", "useProbability"], flag, use_probability),
    row!(["extensions", "depth"], integer(0), depth),
    row!(["extensions", "selectiveLogic"], coded, logic, LOGICS),
    row!(["extensions", "outlet_name"], text, outlet),
    row!(["extensions", "group"], text, group),
    row!(["extensions", "group_override"], flag, group_override),
    row!(["extensions", "group_weight"], float(f64::MAX), group_weight),
    row!(["extensions", "scan_depth"], nullable integer(0), scan_depth),
    row!(["extensions", "case_sensitive"], nullable flag, case_sensitive),
    row!(["extensions", "match_whole_words"], nullable flag, match_whole_words),
    row!(["extensions", "use_group_scoring"], nullable flag, use_group_scoring),
    row!(["extensions", "automation_id"], text, automation_id),
    row!(["extensions", "role"], coded, role, ROLES),
    row!(["extensions", "vectorized"], flag, vectorized),
    row!(["extensions", "sticky"], nullable integer(0), sticky),
    row!(["extensions", "cooldown"], nullable integer(0), cooldown),
    row!(["extensions", "delay"], nullable integer(0), delay),
    row!(
        ["extensions", "match_persona_description"],
        flag,
        scan_also.persona_description
    ),
    row!(
        ["extensions", "match_character_description"],
        flag,
        scan_also.character_description
    ),
    row!(
        ["extensions", "match_character_personality"],
        flag,
        scan_also.character_personality
    ),
    row!(
        ["extensions", "match_character_depth_prompt"],
        flag,
        scan_also.character_depth_prompt
    ),
    row!(["extensions", "match_scenario"], flag, scan_also.scenario),
    row!(["extensions", "match_creator_notes"], flag, scan_also.creator_notes),
    row!(["extensions", "triggers"], texts, triggers),
    row!(["extensions", "ignore_budget"], flag, ignore_budget),
    row!(
        ["extensions", "character_filter"],
        |entry| Some(filter_value(&entry.character_filter)),
        set_filter
    ),
];

/// In a world file, and in a card.
pub(super) const CARRIED: &[Carried] = &[(&["displayIndex"], &["extensions", "display_index"])];
