//! Preset files: which kind one is, and the way back.
//!
//! A file goes under its section verbatim. Going back, a preset of one section is that section's file,
//! and one of several is a SillyTavern master file, which names the text-completion samplers `preset`.
//! So every file comes out as it went in, but for three that have no form of their own: a master file
//! of one section becomes that section's file, a list of one regex script becomes the script, and of
//! `settings.json` the parts that make prompts become a master file.

use serde_json::{Map, Value};
use tavern_domain::preset::SECTIONS;

/// The longest name taken from a file, in characters.
const NAME_CHARS: usize = 100;

/// The file is no preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is of no known kind of preset")]
pub struct PresetFileError;

/// Reads a preset file: its name, its sections, and what a person should know.
///
/// Known are SillyTavern's chat-completion presets, instruct, context, system-prompt and reasoning
/// templates, text-completion samplers, regex scripts (one, or a list), world-info settings, master
/// files of several of these, and of its `settings.json` the parts that are any of these.
///
/// # Errors
/// [`PresetFileError`], if it is none of them.
pub fn read_preset_file(json: Value, file_name: &str) -> Result<(String, Value, Vec<String>), PresetFileError> {
    let name = name_of(&json, file_name);
    let mut warnings = Vec::new();
    let sections = match json {
        Value::Object(file) => match kind_of(&file).ok_or(PresetFileError)? {
            Kind::Section("regexScripts") => one("regexScripts", Value::Array(vec![Value::Object(file)])),
            Kind::Section(section) => one(section, Value::Object(file)),
            Kind::Master => master(file),
            Kind::Settings => {
                warnings.push(
                    "Of the settings file, the prompt's parts were taken; the rest is no part of a preset.".to_owned(),
                );
                settings(file)
            }
        },
        Value::Array(scripts) if are_scripts(&scripts) => one("regexScripts", Value::Array(scripts)),
        _ => return Err(PresetFileError),
    };
    if sections.is_empty() {
        return Err(PresetFileError);
    }
    let sections = Value::Object(sections);
    warnings.extend(super::PresetConfig::read(&sections).warnings);
    Ok((name, sections, warnings))
}

/// The file that a preset's sections make.
#[must_use]
pub fn export_preset(sections: &Value) -> Value {
    let Value::Object(sections) = sections else {
        return sections.clone();
    };
    let mut all = sections.iter();
    if let (Some((name, section)), None) = (all.next(), all.next())
        && let Some(file) = file_of(name, section)
    {
        return file.clone();
    }
    let renames = !sections.contains_key("preset");
    let name_in_file = |name: &String| match name.as_str() {
        "samplers" if renames => "preset".to_owned(),
        _ => name.clone(),
    };
    let file = sections.iter();
    Value::Object(
        file.map(|(name, section)| (name_in_file(name), section.clone()))
            .collect(),
    )
}

/// A section as a file of its own, if one can tell from it what it is.
fn file_of<'s>(name: &str, section: &'s Value) -> Option<&'s Value> {
    let file = match section {
        Value::Array(scripts) => match scripts.as_slice() {
            [script] => script,
            _ => section,
        },
        _ => section,
    };
    let is_known = match file {
        Value::Object(fields) => matches!(kind_of(fields), Some(Kind::Section(kind)) if kind == name),
        Value::Array(scripts) => name == "regexScripts" && are_scripts(scripts),
        _ => false,
    };
    is_known.then_some(file)
}

fn are_scripts(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|script| script.get("findRegex").is_some())
}

enum Kind {
    Section(&'static str),
    Master,
    Settings,
}

fn kind_of(file: &Map<String, Value>) -> Option<Kind> {
    let has = |name: &str| file.contains_key(name);
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let is_section = |name: &str| match file.get(name) {
        Some(Value::Object(_)) => name == "preset" || SECTIONS.contains(&name),
        Some(Value::Array(_)) => name == "regexScripts",
        _ => false,
    };
    Some(
        if any(&[
            "power_user",
            "oai_settings",
            "textgenerationwebui_settings",
            "world_info_settings",
        ]) {
            Kind::Settings
        } else if any(&[
            "prompts",
            "prompt_order",
            "chat_completion_source",
            "openai_max_context",
            "main_prompt",
        ]) {
            Kind::Section("chat")
        } else if any(&["input_sequence", "output_sequence"]) {
            Kind::Section("instruct")
        } else if has("story_string") {
            Kind::Section("context")
        } else if has("findRegex") {
            Kind::Section("regexScripts")
        } else if file.keys().any(|name| is_section(name)) {
            Kind::Master
        } else if file.keys().any(|name| name.starts_with("world_info_")) {
            Kind::Section("lore")
        } else if has("prefix") && has("suffix") {
            Kind::Section("reasoning")
        } else if any(&[
            "temp",
            "temperature",
            "rep_pen",
            "top_p",
            "top_k",
            "typical_p",
            "min_p",
            "sampler_order",
        ]) {
            Kind::Section("samplers")
        } else if any(&["content", "post_history"]) {
            Kind::Section("sysprompt")
        } else {
            return None;
        },
    )
}

fn one(section: &str, json: Value) -> Map<String, Value> {
    Map::from_iter([(section.to_owned(), json)])
}

/// Every part of a master file under its name, the known ones under ours.
fn master(file: Map<String, Value>) -> Map<String, Value> {
    let has_samplers = file.contains_key("samplers");
    file.into_iter()
        .map(|(name, part)| match name.as_str() {
            "preset" if !has_samplers => ("samplers".to_owned(), part),
            _ => (name, part),
        })
        .collect()
}

/// The parts of SillyTavern's `settings.json` that make prompts.
fn settings(mut file: Map<String, Value>) -> Map<String, Value> {
    fn take(from: Option<&mut Value>, name: &str) -> Option<Value> {
        from?
            .as_object_mut()?
            .remove(name)
            .filter(|part| part.is_object() || part.as_array().is_some_and(|list| !list.is_empty()))
    }
    let mut sections = Map::new();
    for (section, name) in [
        ("chat", "oai_settings"),
        ("samplers", "textgenerationwebui_settings"),
        ("lore", "world_info_settings"),
    ] {
        if let Some(part) = file.remove(name).filter(Value::is_object) {
            sections.insert(section.to_owned(), part);
        }
    }
    for name in ["instruct", "context", "sysprompt", "reasoning"] {
        if let Some(part) = take(file.get_mut("power_user"), name) {
            sections.insert(name.to_owned(), part);
        }
    }
    if let Some(scripts) = take(file.get_mut("extension_settings"), "regex") {
        sections.insert("regexScripts".to_owned(), scripts);
    }
    sections
}

/// The name inside the file, or the file's.
fn name_of(json: &Value, file_name: &str) -> String {
    let file_name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let inside = [
        "/name",
        "/scriptName",
        "/instruct/name",
        "/context/name",
        "/sysprompt/name",
    ]
    .iter()
    .filter_map(|path| json.pointer(path)?.as_str());
    inside
        .chain([stem, "Preset"])
        .map(|name| {
            let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
            name.trim().to_owned()
        })
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}
