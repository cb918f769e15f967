//! Every hook is called once with made-up inputs, and once more in another sandbox with the same: seed, clock
//! and configuration are fixed, and nothing can be reached, so that what differs is the extension's doing.

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tavern_domain::extension::{Capability, Hook, Outcome};
use tavern_domain::{InstallationId, Timestamp};

use crate::bindings::exports::tavern::extension as hooks;
use crate::bindings::tavern::extension::types::{Character, Message, Pair, Role, Turn};
use crate::chain::Member;
use crate::host::Host;
use crate::instance::{CallFacts, CallLimits, Called, Failure, Instance, Share};
use crate::manifest::Manifest;
use crate::package::{Package, Report};
use crate::program::{Bytewise, Program};
use crate::settings::PluginLimits;

const SEED: u64 = 0x5eed;
/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000;
/// How much of a message of a guest is repeated.
const SHOWN: usize = 300;

/// What a call came to.
struct Run {
    /// Result, writes and log in one text: what has to be the same.
    said: String,
    failure: Option<Failure>,
    fuel: u64,
    memory: u64,
}

pub(super) async fn run(host: &Host, package: &Package, report: &mut Report) {
    let member = Arc::new(member(package));
    for hook in package.manifest.hooks.keys() {
        let most = limits(*hook, &member, &host.settings().limits);
        let first = attempt(host, &member, *hook, most).await;
        let second = attempt(host, &member, *hook, most).await;
        judge(*hook, first, second, most, report);
    }
}

/// What two runs of a hook with the same inputs say of it.
fn judge(hook: Hook, first: Run, second: Run, most: CallLimits, report: &mut Report) {
    let check = format!("smoke.{hook}");
    if let Some(failure) = first.failure.as_ref().or(second.failure.as_ref()) {
        let message: String = failure.message.chars().take(SHOWN).collect();
        match failure.outcome {
            Outcome::Skipped => {}
            // Made-up inputs need not suit it.
            Outcome::GuestError | Outcome::InvalidConfig | Outcome::Denied => {
                report.warn(format!("`{hook}` failed on made-up inputs: {message}"));
            }
            Outcome::PoolBusy | Outcome::HostError | Outcome::BreakerOpen | Outcome::Killed => {
                report.warn(format!("`{hook}` could not be tried: {message}"));
                return;
            }
            outcome => {
                report.fail(&check, format!("`{hook}` ended with {}: {message}", outcome.as_str()));
                return;
            }
        }
    }
    if first.said != second.said || first.failure.is_some() != second.failure.is_some() {
        report.warn(format!(
            "`{hook}` said something else when it was called again with the same inputs."
        ));
    }
    report.pass(
        &check,
        format!(
            "{} of {} units of fuel, {} KiB of memory.",
            first.fuel.max(second.fuel),
            most.fuel,
            first.memory.max(second.memory) >> 10
        ),
    );
}

/// An installation that nobody has: it may what touches nothing outside of its sandbox.
fn member(package: &Package) -> Member {
    let harmless = |capability: &Capability| {
        !matches!(
            capability,
            Capability::Http(_) | Capability::Secret(_) | Capability::Model(_)
        )
    };
    let about = &package.manifest.extension;
    let mut granted = package.manifest.capabilities();
    granted.retain(harmless);
    Member {
        installation: InstallationId::new(),
        owner: None,
        name: about.id.clone(),
        version: about.version.clone(),
        program: Arc::new(Program {
            sha256: package.component_sha256.clone(),
            source: Arc::new(Bytewise(package.component.clone())),
            large_runtime: about.large_runtime,
        }),
        granted: Arc::new(granted),
        config: Arc::new(defaults(package.config_schema.as_ref())),
        manifest: Arc::new(package.manifest.clone()),
        priority: None,
        fail_closed: false,
    }
}

/// A configuration of the schema's defaults.
fn defaults(schema: Option<&Value>) -> Value {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    let defaults = properties.into_iter().flatten().filter_map(|(name, property)| {
        let default = property.get("default")?;
        Some((name.clone(), default.clone()))
    });
    Value::Object(defaults.collect::<Map<_, _>>())
}

/// Fuel is what is measured; the clock is generous, because a busy machine is not the extension's fault.
fn limits(hook: Hook, member: &Member, limits: &PluginLimits) -> CallLimits {
    let fuel = match hook {
        Hook::BeforePrompt | Hook::WorldInfo | Hook::PromptTransform | Hook::MacroProvider => limits.fuel_prompt,
        Hook::StreamFilter => limits.fuel_flush,
        Hook::AfterReply => limits.fuel_after_reply,
        Hook::Tool => limits.fuel_tool,
        Hook::Lifecycle | Hook::ListingValidate => limits.fuel_validate,
        Hook::ListingPrice => limits.fuel_price,
        Hook::SearchRank => limits.fuel_rank,
    };
    let factor = if member.program.large_runtime {
        limits.large_runtime_factor
    } else {
        1
    };
    CallLimits {
        fuel: fuel.saturating_mul(factor),
        wall: Duration::from_millis(limits.wall_after_reply_ms),
    }
}

async fn attempt(host: &Host, member: &Arc<Member>, hook: Hook, limits: CallLimits) -> Run {
    let facts = CallFacts {
        user: Some("user".into()),
        chat: Some("chat".into()),
        model: "model".into(),
        seed: SEED,
        now: Timestamp(NOW),
        dry_run: true,
        count: Arc::new(|text| u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX)),
    };
    let share = match hook {
        Hook::StreamFilter => Share::Filters,
        _ => Share::Calls,
    };
    match Instance::start(host, member, facts, share).await {
        Ok(mut instance) => call(&mut instance, hook, member, limits).await,
        Err(failure) => Run {
            said: String::new(),
            failure: Some(failure),
            fuel: 0,
            memory: 0,
        },
    }
}

async fn call(instance: &mut Instance, hook: Hook, member: &Member, limits: CallLimits) -> Run {
    let (turn, history) = (turn(&member.manifest), history());
    match hook {
        Hook::Lifecycle => seen(
            instance.validate_config(limits, &member.config.to_string()).await,
            instance,
        ),
        Hook::BeforePrompt => seen(instance.before_prompt(limits, &turn, &history).await, instance),
        Hook::WorldInfo => seen(instance.select(limits, &turn, &history, &[candidate()]).await, instance),
        Hook::PromptTransform => seen(instance.transform(limits, &turn, &history).await, instance),
        Hook::MacroProvider => {
            let declared = member.manifest.macros.iter();
            let calls: Vec<_> = declared
                .map(|declared| hooks::macro_provider::Call {
                    name: declared.name.clone(),
                    arguments: vec![],
                })
                .collect();
            seen(instance.expand(limits, &turn, &calls).await, instance)
        }
        Hook::Tool => {
            let name = member.manifest.tools.first().map_or("", |tool| &tool.name);
            seen(instance.tool(limits, &turn, name, "{}").await, instance)
        }
        Hook::AfterReply => {
            let called = instance
                .after_reply(limits, &turn, &history, history.get(1), &history[2])
                .await;
            seen(called, instance)
        }
        Hook::StreamFilter => {
            let opened = instance.open_filter(limits, &turn).await;
            let mut run = seen(opened, instance);
            for chunk in ["*She sighs.* \"Very well,\" ", "said Mira.\n\n"] {
                if run.failure.is_none() {
                    run = run.then(seen(instance.push(limits, chunk).await, instance));
                }
            }
            if run.failure.is_none() {
                run = run.then(seen(instance.finish(limits, "").await, instance));
            }
            run
        }
        Hook::ListingValidate => seen(instance.validate_listing(limits, LISTING).await, instance),
        Hook::ListingPrice => {
            let base = hooks::listing_price::Quote {
                amount: 1_000_000,
                reason: "base".into(),
            };
            let buyer = [pair("locale", "en")];
            seen(instance.price(limits, LISTING, &buyer, &base).await, instance)
        }
        Hook::SearchRank => {
            let items = [1.0, 0.5].map(|score| hooks::search_rank::Item {
                id: format!("item-{score}"),
                score,
                features: vec![score, 0.0],
            });
            seen(instance.rank(limits, "night", &items).await, instance)
        }
    }
}

impl Run {
    /// Both in a row: fuel is that of the dearer one, since each has a limit of its own.
    fn then(self, next: Self) -> Self {
        Self {
            said: self.said + &next.said,
            failure: next.failure,
            fuel: self.fuel.max(next.fuel),
            memory: self.memory.max(next.memory),
        }
    }
}

fn seen<T: Debug>(called: Called<T>, instance: &mut Instance) -> Run {
    // Never committed: there is no such installation.
    let writes = instance.take_writes();
    Run {
        said: format!("{:?} {:?} {:?}", called.result.as_ref().ok(), writes, called.log),
        failure: called.result.err(),
        fuel: called.fuel,
        memory: called.memory,
    }
}

const LISTING: &str =
    r#"{"kind":"character","title":"Mira","summary":"A keeper of lanterns.","tags":["night"],"price":1000000}"#;

fn pair(key: &str, value: &str) -> Pair {
    Pair {
        key: key.into(),
        value: value.into(),
    }
}

fn turn(manifest: &Manifest) -> Turn {
    let asks = |capability| manifest.permissions.contains_key(&capability);
    Turn {
        id: "turn".into(),
        chat: "chat".into(),
        user: "user".into(),
        user_name: if asks(Capability::Persona) {
            "Alex".into()
        } else {
            String::new()
        },
        persona: if asks(Capability::Persona) {
            "A traveller.".into()
        } else {
            String::new()
        },
        character: Some(Character {
            name: "Mira".into(),
            description: "A keeper of lanterns.".into(),
            personality: "Patient.".into(),
            scenario: "A harbour at night.".into(),
            tags: vec!["night".into()],
        }),
        kind: "normal".into(),
        locale: "en".into(),
        model: "model".into(),
        context_tokens: 8192,
        reply_tokens: 512,
        variables: if asks(Capability::Variables) {
            vec![pair("hour", "3")]
        } else {
            vec![]
        },
        seed: SEED,
        now_ms: NOW.unsigned_abs(),
        dry_run: true,
        extra: vec![],
    }
}

fn history() -> [Message; 3] {
    let message = |id: &str, role, name: Option<&str>, text: &str| Message {
        id: id.into(),
        role,
        name: name.map(Into::into),
        text: text.into(),
    };
    [
        message("m1", Role::System, None, "You are Mira."),
        message("m2", Role::User, Some("Alex"), "Is anybody there? I roll 2d6."),
        message(
            "m3",
            Role::Assistant,
            Some("Mira"),
            "*A lantern lifts.* \"Only me,\" she says happily.",
        ),
    ]
}

fn candidate() -> hooks::world_info::Candidate {
    hooks::world_info::Candidate {
        id: "e1".into(),
        book: "Harbour".into(),
        title: "Lantern".into(),
        keys: vec!["lantern".into()],
        tokens: 20,
        active: true,
        text: "The lantern burns without oil.".into(),
    }
}
