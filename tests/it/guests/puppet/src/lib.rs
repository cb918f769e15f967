//! Does at each hook what its settings say: a test installs it with those, and looks at what comes of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tavern_extension::*;

#[derive(Extension, Deserialize, Default)]
#[hooks(BeforePrompt, WorldInfo, PromptTransform, StreamFilter, AfterReply, MacroProvider, Tool)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Puppet {
    before_prompt: Vec<Before>,
    world_info: Lore,
    prompt_transform: Vec<Change>,
    after_reply: Vec<After>,
    /// Hooks that end without a result.
    fails: BTreeMap<String, How>,
    /// A text that the filter breaks at.
    breaks_at: Option<String>,
    /// Texts, and what the filter says of pieces with them.
    filter: Vec<(String, Says)>,
    /// Hooks that log what they are shown.
    tells: BTreeSet<String>,
    /// Asked before the prompt, with the answers as notes.
    http: Vec<Ask>,
    model: Option<Complete>,
    /// Asked after the reply, before anything is said of it.
    http_after: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Error,
    Trap,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Before {
    Note(String),
    SystemNote(String),
    SetVariable(String, String),
    /// A value of so many bytes.
    FillVariable(String, usize),
    SetSampling(String, String),
    Abort(String),
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "kebab-case")]
enum Says {
    Hold,
    Drop,
    Stop(String),
    Replace(String),
}

/// Entries by their titles.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Lore {
    activate: Vec<String>,
    silence: Vec<String>,
    /// Titles and texts.
    add: Vec<(String, String)>,
}

/// Messages by their place in the prompt; negative ones count from the end.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    InsertBefore(isize, String, String),
    InsertAfter(isize, String, String),
    ReplaceText(isize, String),
    Remove(isize),
    StopSequence(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum After {
    Annotate(String, Value),
    /// A text of so many bytes.
    FillAnnotation(String, usize),
    SuggestReply(String),
    SetVariable(String, String),
    EmitEvent(String, Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    url: String,
    #[serde(default)]
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Complete {
    text: String,
    max_tokens: u32,
}

impl Puppet {
    fn begin(&self, hook: &str, shown: impl FnOnce() -> Value) -> Result<()> {
        if self.tells.contains(hook) {
            log::info!("{hook} {}", shown());
        }
        match self.fails.get(hook) {
            None => Ok(()),
            Some(How::Error) => Err("it fails as it was told".into()),
            Some(How::Trap) => panic!("it traps as it was told"),
        }
    }

    /// What hosts and the model have answered, a line each.
    fn answers(&self) -> Vec<String> {
        let secrets = (!self.http.is_empty()).then(|| format!("secrets: {}", secrets::names().join(" ")));
        let asked = self.http.iter().map(|ask| {
            let mut request = http::Request::get(&ask.url);
            request.auth.clone_from(&ask.secret);
            match request.send() {
                Ok(answer) => format!("http: {} {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(error) => format!("http: {error:?}"),
            }
        });
        let completed = self.model.iter().map(|complete| {
            let message = model::PromptMessage {
                role: Role::User,
                text: complete.text.clone(),
            };
            let request = model::Request {
                messages: vec![message],
                max_tokens: complete.max_tokens,
                temperature: None,
            };
            let counted = text::count_tokens(&complete.text);
            match model::send(&request) {
                Ok(done) => format!("model: {} counted={counted} left={}", done.text, done.budget_left),
                Err(error) => format!("model: {error:?}"),
            }
        });
        secrets.into_iter().chain(asked).chain(completed).collect()
    }
}

fn message(message: &Message) -> Value {
    json!({ "name": message.name, "text": message.text })
}

fn messages(all: &[Message]) -> Value {
    all.iter().map(message).collect()
}

impl BeforePrompt for Puppet {
    fn before_prompt(&self, turn: &Turn, history: &[Message]) -> Result<Vec<Edit>> {
        self.begin(
            "before-prompt",
            || json!({ "preview": turn.dry_run, "user": turn.user_name, "history": messages(history) }),
        )?;
        let note = |text: &String| Note::at_end(text).role(Role::User).into();
        let answers = self.answers();
        let told = answers.iter().inspect(|answer| log::info!("{answer}")).map(note);
        let edits = self.before_prompt.iter().map(|edit| match edit {
            Before::Note(text) => note(text),
            Before::SystemNote(text) => Note::at_end(text).into(),
            Before::SetVariable(name, value) => Edit::variable(name, value),
            Before::FillVariable(name, bytes) => Edit::variable(name, "x".repeat(*bytes)),
            Before::SetSampling(name, value) => Edit::sampling(name, value),
            Before::Abort(text) => Edit::Abort(text.clone()),
        });
        Ok(told.chain(edits).collect())
    }
}

impl WorldInfo for Puppet {
    fn select(&self, _turn: &Turn, _history: &[Message], candidates: &[Candidate]) -> Result<Selection> {
        self.begin("world-info", || {
            let shown = candidates.iter().map(|one| (one.title.clone(), one.active.into()));
            Value::Object(shown.collect())
        })?;
        let named = |titles: &[String]| -> Vec<String> {
            let named = candidates.iter().filter(|one| titles.contains(&one.title));
            named.map(|one| one.id.clone()).collect()
        };
        let activate = named(&self.world_info.activate);
        let silence = named(&self.world_info.silence);
        let activate = activate.iter().map(|id| Activation::activate(id, 1.0));
        let silence = silence.iter().map(|id| Activation::silence(id, 1.0));
        let add = &self.world_info.add;
        Ok(Selection {
            activations: activate.chain(silence).collect(),
            additions: add.iter().map(|(title, text)| Addition::new(title, text)).collect(),
        })
    }
}

impl PromptTransform for Puppet {
    fn transform(&self, _turn: &Turn, prompt: &[Message]) -> Result<Vec<Op>> {
        self.begin("prompt-transform", || messages(prompt))?;
        let id = |place: isize| {
            let index = match place {
                0.. => place.unsigned_abs(),
                _ => prompt.len().wrapping_sub(place.unsigned_abs()),
            };
            prompt.get(index).map_or("nobody", |message| &message.id)
        };
        let role = |name: &str| match name {
            "system" => Role::System,
            "assistant" => Role::Assistant,
            _ => Role::User,
        };
        let changes = self.prompt_transform.iter().map(|change| match change {
            Change::InsertBefore(place, who, text) => Op::before(id(*place), role(who), text),
            Change::InsertAfter(place, who, text) => Op::after(id(*place), role(who), text),
            Change::ReplaceText(place, text) => Op::replace(id(*place), text),
            Change::Remove(place) => Op::Remove(id(*place).to_owned()),
            Change::StopSequence(text) => Op::StopSequence(text.clone()),
        });
        Ok(changes.collect())
    }
}

pub struct Filter {
    breaks_at: Option<String>,
    says: Vec<(String, Says)>,
}

impl StreamFilter for Puppet {
    type Filter = Filter;

    fn filter(&self, _turn: &Turn) -> Result<Filter> {
        Ok(Filter {
            breaks_at: self.breaks_at.clone(),
            says: self.filter.clone(),
        })
    }
}

impl ReplyFilter for Filter {
    fn push(&mut self, chunk: &str) -> Result<Verdict> {
        if self.breaks_at.as_ref().is_some_and(|text| chunk.contains(text)) {
            panic!("it breaks as it was told");
        }
        let said = self.says.iter().find(|(text, _)| chunk.contains(text));
        Ok(match said {
            None => Verdict::Pass,
            Some((_, Says::Hold)) => Verdict::Hold,
            Some((_, Says::Drop)) => Verdict::Drop,
            Some((_, Says::Stop(last))) => Verdict::Stop(last.clone()),
            Some((_, Says::Replace(text))) => Verdict::Replace(text.clone()),
        })
    }
}

impl AfterReply for Puppet {
    fn after_reply(
        &self,
        _turn: &Turn,
        history: &[Message],
        user: Option<&Message>,
        reply: &Message,
    ) -> Result<Vec<Effect>> {
        self.begin(
            "after-reply",
            || json!({ "history": messages(history), "user": user.map(message), "reply": message(reply) }),
        )?;
        if let Some(url) = &self.http_after {
            let answer = http::Request::get(url).send();
            log::info!("{answer:?}");
        }
        let effects = self.after_reply.iter().map(|effect| match effect {
            After::Annotate(key, value) => Effect::annotation(key, value),
            After::FillAnnotation(key, bytes) => Effect::annotation(key, &"x".repeat(*bytes)),
            After::SuggestReply(text) => Ok(Effect::SuggestReply(text.clone())),
            After::SetVariable(name, value) => Ok(Effect::variable(name, value)),
            After::EmitEvent(name, payload) => Effect::event(name, payload),
        });
        effects.collect()
    }
}

impl MacroProvider for Puppet {
    fn expand(&self, _turn: &Turn, name: &str, arguments: &[String]) -> Option<String> {
        match name {
            "chapter" => {
                let count = kv::CHAT.get::<u32>("chapter").ok()?.unwrap_or_default() + 1;
                kv::CHAT.set("chapter", &count).ok()?;
                Some(count.to_string())
            }
            "fate" => Some(format!("<{}>", arguments.first()?)),
            "tally" => {
                let count = kv::INSTALLATION.get::<u32>("tally").ok()?.unwrap_or_default() + 1;
                kv::INSTALLATION.set("tally", &count).ok()?;
                Some(count.to_string())
            }
            _ => None,
        }
    }
}

impl Tool for Puppet {
    fn call(&self, _turn: &Turn, _name: &str, arguments: Value) -> Result<Value> {
        self.begin("tool", || arguments.clone())?;
        Ok(json!({ "omen": arguments["of"] }))
    }
}
