//! The corpus: versions × faults of the JSON × ways to carry it.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tavern_prompt::card::{Card, CardForm, CardSpec};

use crate::carriers::{CARRIERS, Carrier};

/// A file with a card, and what is to be said of it.
pub struct Case {
    pub name: String,
    pub version: Version,
    pub file: Vec<u8>,
    pub form: CardForm,
    /// The JSON that was put in, as text, faults included.
    pub json: String,
    /// What the JSON says once its faults are mended.
    pub value: Value,
    /// A part of each warning, in any order; there are no others.
    pub warnings: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    /// V2 as SillyTavern writes it: the V1 fields at the root once more.
    Mirrored,
    V3,
}

impl Version {
    pub const ALL: [Self; 4] = [Self::V1, Self::V2, Self::Mirrored, Self::V3];

    pub fn spec(self) -> CardSpec {
        if self == Self::V3 { CardSpec::V3 } else { CardSpec::V2 }
    }

    pub fn other_spec(self) -> CardSpec {
        if self == Self::V3 { CardSpec::V2 } else { CardSpec::V3 }
    }
}

fn base(version: Version) -> Value {
    let v1 = json!({
        "name": "Mira", "description": "{{char}} sails.\r\nShe does.", "personality": "calm", "scenario": "at sea",
        "first_mes": "Ahoy, {{user}}! 🐉", "mes_example": "<START>\n{{user}}: Hi\n{{char}}: Ahoy",
        "x_unknown": { "b": [1, 2.5, "3", null, true], "a": "" },
    });
    if version == Version::V1 {
        return v1;
    }
    let mut data = v1.clone();
    for (field, value) in [
        ("creator_notes", json!("<script>alert(1)</script> **notes**")),
        ("system_prompt", json!("{{original}} Be brief.")),
        ("post_history_instructions", json!("")),
        ("alternate_greetings", json!(["Second.", "First.", "Second."])),
        ("tags", json!(["Sea", "calm"])),
        ("creator", json!("me")),
        ("character_version", json!("1.2")),
        (
            "extensions",
            json!({ "talkativeness": "0.7", "fav": false, "world": "Seas", "depth_prompt": { "prompt": "wet", "depth": 4, "role": "system" }, "someone/else": { "deep": [[{}]] } }),
        ),
        (
            "character_book",
            json!({ "name": "Seas", "extensions": { "x": 1 }, "entries": [
                { "keys": ["sea", "sea"], "content": "@@depth 2\n@@@role user\nSalty.", "extensions": { "position": 4, "unknown": "kept" }, "enabled": false, "insertion_order": 100, "id": "seven", "position": "before_char" },
            ] }),
        ),
    ] {
        data[field] = value;
    }
    let (spec, number) = match version {
        Version::V3 => ("chara_card_v3", "3.0"),
        _ => ("chara_card_v2", "2.0"),
    };
    let mut root =
        json!({ "spec": spec, "spec_version": number, "create_date": "2024-1-2", "x_root": { "z": 1, "a": [] } });
    if version == Version::V3 {
        data["nickname"] = "Mi".into();
        data["group_only_greetings"] = json!(["All of you!"]);
        data["creator_notes_multilingual"] = json!({ "en": "notes", "de": "Notizen" });
        data["source"] = json!(["https://example.com/1"]);
        data["creation_date"] = 1_700_000_000.into();
        data["assets"] = json!([
            { "type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png" },
            { "type": "x_own", "uri": "https://example.com/a.glb", "name": "hat", "ext": "glb", "unknown": 1 },
        ]);
    }
    if version == Version::Mirrored {
        let v1 = v1.as_object().expect("an object");
        for (field, value) in v1.iter().filter(|(field, _)| *field != "x_unknown") {
            root[field] = value.clone();
        }
    }
    root["data"] = data;
    root
}

/// Where the fields of a card are.
fn data(root: &mut Value) -> &mut Value {
    if root.get("data").is_some() {
        &mut root["data"]
    } else {
        root
    }
}

struct Fault {
    name: &'static str,
    versions: &'static [Version],
    warnings: &'static [&'static str],
    apply: fn(&mut Value),
}

const fn fault(
    name: &'static str,
    versions: &'static [Version],
    warnings: &'static [&'static str],
    apply: fn(&mut Value),
) -> Fault {
    Fault {
        name,
        versions,
        warnings,
        apply,
    }
}

const ALL: &[Version] = &Version::ALL;
const NESTED: &[Version] = &[Version::V2, Version::Mirrored, Version::V3];
const UNMIRRORED: &[Version] = &[Version::V1, Version::V2, Version::V3];
const PLAIN: &[Version] = &[Version::V2, Version::V3];

/// Faults of the JSON's values.
const FAULTS: &[Fault] = &[
    fault("none", ALL, &[], |_| {}),
    fault("spec_version is a number", NESTED, &[], |root| {
        root["spec_version"] = json!(2)
    }),
    fault("spec_version is short", NESTED, &[], |root| {
        root["spec_version"] = json!("2")
    }),
    fault(
        "spec_version is newer",
        &[Version::V3],
        &["newer specification"],
        |root| {
            root["spec_version"] = json!("3.5");
        },
    ),
    fault(
        "the specification is unknown",
        &[Version::V3],
        &["not known here"],
        |root| {
            root["spec"] = json!("chara_card_v4");
        },
    ),
    fault("character_book is null", ALL, &[], |root| {
        data(root)["character_book"] = Value::Null
    }),
    fault("extensions is null", ALL, &[], |root| {
        data(root)["extensions"] = Value::Null
    }),
    fault("alternate_greetings is null", ALL, &[], |root| {
        data(root)["alternate_greetings"] = Value::Null
    }),
    fault(
        "alternate_greetings is a text",
        ALL,
        &["`alternate_greetings` was a text"],
        |root| {
            data(root)["alternate_greetings"] = json!("Hi.");
        },
    ),
    fault(
        "a greeting is null",
        ALL,
        &["`alternate_greetings[1]` was null"],
        |root| {
            data(root)["alternate_greetings"] = json!(["a", null, "b"]);
        },
    ),
    fault("tags is a text", ALL, &["`tags` was a text"], |root| {
        data(root)["tags"] = json!("a, b,c ")
    }),
    fault("tags are blank and repeated", ALL, &[], |root| {
        data(root)["tags"] = json!(["a", " ", "A", "b"])
    }),
    fault("entries is a map", ALL, &[], |root| {
        data(root)["character_book"] = json!({ "entries": { "0": { "uid": 0, "key": ["a"], "order": 1 }, "7": {} } });
    }),
    fault("numbers of entries are texts", ALL, &[], |root| {
        data(root)["character_book"] = json!({ "entries": [{ "keys": [], "content": "", "extensions": { "depth": "", "probability": "50", "role": null }, "insertion_order": "" }] });
    }),
    fault("a text is null", UNMIRRORED, &[], |root| {
        data(root)["personality"] = Value::Null
    }),
    fault(
        "a text is a number",
        UNMIRRORED,
        &["`personality` was a number"],
        |root| data(root)["personality"] = json!(7.5),
    ),
    fault("a text is missing", PLAIN, &[], |root| {
        data(root).as_object_mut().expect("an object").shift_remove("scenario");
    }),
    fault("the name is blank", PLAIN, &["its nickname is used"], |root| {
        data(root)["name"] = json!(" ");
        data(root)["nickname"] = json!("Mira");
    }),
    fault(
        "the name is at the root only",
        &[Version::Mirrored],
        &["name at the root", "contradicts"],
        |root| {
            data(root)["name"] = json!("");
        },
    ),
    fault("the name is a path", PLAIN, &[], |root| {
        data(root)["name"] = json!("../../Mira\\..\\con")
    }),
    fault(
        "the root disagrees",
        &[Version::Mirrored],
        &["contradicts its `data` in `first_mes`"],
        |root| {
            root["first_mes"] = json!("An older greeting");
        },
    ),
    fault("data is missing", NESTED, &["no `data`"], |root| {
        let Value::Object(mut fields) = root.take() else {
            unreachable!("a card is an object");
        };
        let Some(Value::Object(data)) = fields.shift_remove("data") else {
            unreachable!("it has data");
        };
        fields.extend(data);
        *root = Value::Object(fields);
    }),
    fault("data is null", &[Version::V1], &["no `data`"], |root| {
        root["data"] = Value::Null
    }),
    fault("a nest is deep", ALL, &[], |root| {
        let deep = (0..50).fold(json!("x"), |inner, level| {
            if level % 2 == 0 {
                json!([inner])
            } else {
                json!({ "a": inner })
            }
        });
        data(root)["x_deep"] = deep;
    }),
    fault("U+0000 is in a text", UNMIRRORED, &[], |root| {
        data(root)["description"] = json!("a\0b")
    }),
    fault("keys are strange", ALL, &[], |root| {
        data(root)["\u{1f409} \"quoted\"\\"] = json!({ "": "", "\n": 1 });
    }),
];

/// Faults of the JSON's text: from what it says to what is written, with a part of the warning.
type Spelling = (&'static str, Option<&'static str>, fn(&Value) -> (String, Value));

const SPELLINGS: &[Spelling] = &[
    ("compact", None, |value| (value.to_string(), value.clone())),
    ("pretty with CRLF", None, |value| {
        let pretty = serde_json::to_string_pretty(value).expect("it is JSON");
        (pretty.replace('\n', "\r\n"), value.clone())
    }),
    ("trailing commas", Some("commas"), |value| {
        let pretty = serde_json::to_string_pretty(value).expect("it is JSON");
        (
            pretty.replace("\n}", ",\n}").replace("\n    ]", " ,\n    ]"),
            value.clone(),
        )
    }),
    ("NaN and Infinity", Some("NaN"), |value| {
        let mut mended = value.clone();
        mended["x_numbers"] = json!([null, null, null]);
        let text = mended.to_string();
        (text.replace("[null,null,null]", "[NaN, Infinity,-Infinity]"), mended)
    }),
    ("lone surrogates", Some("halves"), |value| {
        let mut mended = value.clone();
        mended["x_text"] = json!("\u{fffd} 🐉 \u{fffd}");
        let text = mended.to_string();
        (
            text.replace("\u{fffd} 🐉 \u{fffd}", r"\ud83d \ud83d\udc09 \udc09"),
            mended,
        )
    }),
    ("control characters", Some("control"), |value| {
        let mut mended = value.clone();
        mended["x_text"] = json!("a\nb\tc\u{1}");
        (mended.to_string().replace(r"a\nb\tc\u0001", "a\nb\tc\u{1}"), mended)
    }),
    ("unknown escapes", Some("escapes"), |value| {
        let mut mended = value.clone();
        mended["x_text"] = json!("it's \\d");
        (mended.to_string().replace(r"it's \\d", r"it\'s \d"), mended)
    }),
    ("numbers of any size", None, |value| {
        let mut value = value.clone();
        value["x_numbers"] = json!([0]);
        let text = value.to_string().replace(
            "[0]",
            "[123456789012345678901234567890,1.0,1e5,-0.0,0.30000000000000004]",
        );
        let value = serde_json::from_str(&text).expect("it is JSON");
        (text, value)
    }),
    ("escaped letters", None, |value| {
        (
            value.to_string().replace("Mira", r"\u004dira").replace('/', r"\/"),
            value.clone(),
        )
    }),
];

/// All cases; the same on every run: the sound card in every carrier, and each fault and each
/// spelling in every fourth, in turn.
pub fn corpus() -> &'static [Case] {
    static CORPUS: LazyLock<Vec<Case>> = LazyLock::new(generate);
    &CORPUS
}

fn generate() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut turn = 0;
    for version in Version::ALL {
        for fault in FAULTS.iter().filter(|fault| fault.versions.contains(&version)) {
            let mut value = base(version);
            (fault.apply)(&mut value);
            let is_sound = fault.name == "none";
            for (index, spelling) in SPELLINGS.iter().enumerate() {
                if index > 0 && !is_sound {
                    continue;
                }
                let (json, value) = spelling.2(&value);
                let warnings: Vec<_> = fault.warnings.iter().copied().chain(spelling.1).collect();
                let name = format!("{version:?}, {}, {}", fault.name, spelling.0);
                let step = if is_sound && index == 0 { 1 } else { 4 };
                for carrier in CARRIERS.iter().skip(turn % step).step_by(step) {
                    cases.push(case(version, &name, &json, &value, &warnings, carrier));
                }
                turn += 1;
            }
        }
    }
    cases
}

fn case(version: Version, name: &str, json: &str, value: &Value, warnings: &[&'static str], carrier: &Carrier) -> Case {
    let keyword = if version == Version::V3 { "ccv3" } else { "chara" };
    let (carrier_name, form, warning, file) = *carrier;
    Case {
        name: format!("{name}, {carrier_name}"),
        version,
        file: file(json, keyword),
        form,
        json: json.to_owned(),
        value: value.clone(),
        warnings: warnings.iter().copied().chain(warning).collect(),
    }
}

/// The whole card as JSON: the fields the platform has, and those it has not, put together again.
pub fn everything(card: &Card) -> Value {
    let text = &card.text;
    let mut all = card.extensions.clone();
    let data = all["data"].as_object_mut().expect("it has data");
    for (field, value) in [
        ("name", json!(card.name)),
        ("description", json!(text.description)),
        ("personality", json!(text.personality)),
        ("scenario", json!(text.scenario)),
        ("first_mes", json!(text.first_message)),
        ("mes_example", json!(text.example_dialogue)),
        ("creator_notes", json!(text.creator_notes)),
        ("system_prompt", json!(text.system_prompt)),
        ("post_history_instructions", json!(text.post_history_instructions)),
        ("character_version", json!(text.character_version)),
        ("alternate_greetings", json!(text.alternate_greetings)),
        ("group_only_greetings", json!(text.group_only_greetings)),
        ("tags", json!(card.tags)),
        ("nickname", json!(text.nickname)),
        (
            "creator_notes_multilingual",
            Value::Object(
                text.creator_notes_by_language
                    .iter()
                    .map(|(language, notes)| (language.clone(), json!(notes)))
                    .collect(),
            ),
        ),
    ] {
        data.insert(field.to_owned(), value);
    }
    all
}
