#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod events;
mod guest;
mod housekeeping;
mod install;
mod ports;
mod publish;
mod swap;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tavern_domain::actor::SignedIn;
use tavern_domain::extension::{Capability, ExtensionEvent, Installation, Outcome, PluginTrace};
use tavern_domain::{Actor, Clock as _, Code, Error, Limits, Role, Timestamp};
use tavern_plugins::breaker;
use tavern_plugins::settings::PluginSettings;
use tavern_plugins::turn::{Message, Role as Speaker, TurnFacts, TurnHooks};

use super::publish::VersionPublished;
use super::{Extensions, NewInstallation};
use crate::testing::House;
use guest::{Author, Draft};

const NAME: &str = "quiet-river/night-watch";

/// A house with an author in it.
struct Shop {
    house: House,
    author: Author,
    ann: Actor,
}

impl Shop {
    async fn open() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        Self::with_settings(limits, PluginSettings::default()).await
    }

    async fn with_settings(limits: Limits, settings: PluginSettings) -> Self {
        let house = House::with(limits, settings).await;
        let ann = house.user("ann").await;
        Self {
            house,
            author: Author::new(),
            ann,
        }
    }

    fn extensions(&self) -> &Extensions {
        &self.house.services.extensions
    }

    /// What becomes of a package that Ann publishes with her key.
    async fn offer(&self, draft: &Draft) -> Result<VersionPublished, Error> {
        let key = self.author.public_key();
        let published = self
            .extensions()
            .publish(&self.ann, draft.signed(&self.author), Some(&key))
            .await
            .unwrap();
        assert_eq!(
            published.outcome.is_ok(),
            published.report.passed(),
            "{:?}",
            published.report
        );
        published.outcome
    }

    async fn published(&self, draft: &Draft) -> VersionPublished {
        self.offer(draft).await.unwrap()
    }

    /// A turn of Ann's that has begun.
    async fn turn(&self) -> TurnHooks {
        let chain = self.extensions().chain(self.ann.user_id().unwrap()).await.unwrap();
        let facts = TurnFacts {
            turn: "gen_1".into(),
            chat: "ses_1".into(),
            user: self.ann.user_id().unwrap().to_string(),
            user_name: "Ann".into(),
            persona: String::new(),
            character: None,
            kind: "normal".into(),
            locale: String::new(),
            model: "story".into(),
            context_tokens: 4_096,
            reply_tokens: 512,
            variables: Vec::new(),
            seed: 7,
            now: self.house.clock.now(),
            dry_run: false,
            count: Arc::new(|_| 1),
        };
        self.extensions().host().turn(chain, facts)
    }

    /// What becomes of the one extension after a reply of Ann's.
    async fn replied(&self) -> PluginTrace {
        after_reply(&mut self.turn().await).await
    }

    async fn installed(&self, actor: &Actor) -> Installation {
        let new = NewInstallation {
            name: NAME.into(),
            grants: vec!["kv:installation".into()],
            ..NewInstallation::default()
        };
        self.extensions().install(actor, new).await.unwrap()
    }
}

async fn after_reply(turn: &mut TurnHooks) -> PluginTrace {
    let reply = Message {
        id: "msg_1".into(),
        role: Speaker::Assistant,
        name: None,
        text: "Good night.".into(),
    };
    turn.after_reply(&[], None, &reply).await;
    turn.take_traces().pop().unwrap()
}

fn moderator(actor: &Actor) -> Actor {
    let user = actor.require_user().unwrap();
    Actor::User(Arc::new(SignedIn {
        roles: vec![Role::Moderator],
        ..user.clone()
    }))
}

/// The code, and the places it names.
fn places(error: &Error) -> (Code, Vec<String>) {
    let fields = error.fields().iter().map(|field| field.path.join("."));
    (error.code(), fields.collect())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, code: Code, field: &str) {
    let error = result.expect_err("it is refused");
    assert_eq!(places(&error), (code, vec![field.to_owned()]), "{error:?}");
}

#[tokio::test]
async fn a_chain_is_kept_until_something_changes() {
    let shop = Shop::open().await;
    let user = shop.ann.user_id().unwrap();
    let chain = async || shop.extensions().chain(user).await.unwrap();
    assert!(chain().await.is_empty());
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let installation = shop.installed(&shop.ann).await;
    let first = chain().await;
    assert_eq!(first.members().len(), 1);
    assert_eq!(first.members()[0].installation, installation.id);
    assert_eq!(
        *first.members()[0].granted,
        [Capability::Kv(tavern_domain::extension::KvScope::Installation)]
    );
    assert!(Arc::ptr_eq(&first, &chain().await));
    let patch = super::InstallationPatch {
        priority: Some(Some(7)),
        ..Default::default()
    };
    shop.extensions()
        .configure(&shop.ann, installation.id, patch)
        .await
        .unwrap();
    assert_eq!(chain().await.members()[0].priority, Some(7));
    assert_eq!(first.members()[0].priority, None, "a turn keeps what it began with");
    let off = super::InstallationPatch {
        enabled: Some(false),
        ..Default::default()
    };
    shop.extensions()
        .configure(&shop.ann, installation.id, off)
        .await
        .unwrap();
    assert!(chain().await.is_empty());
}

#[tokio::test]
async fn a_package_that_was_changed_where_it_lies_is_not_run() {
    let shop = Shop::open().await;
    let version = shop.published(&Draft::new(NAME, "1.0.0")).await.version;
    shop.installed(&shop.ann).await;
    let chain = shop.extensions().chain(shop.ann.user_id().unwrap()).await.unwrap();
    let source = Arc::clone(&chain.members()[0].program.source);
    assert!(source.component().await.is_ok());
    let key = super::chain::package_key(&version.package_sha256);
    let other = Draft::new(NAME, "1.0.1").signed(&shop.author);
    shop.house.store.objects.put(&key, other).await.unwrap();
    assert!(source.component().await.unwrap_err().contains("replaced"));
    shop.house
        .store
        .objects
        .put(&key, bytes::Bytes::from_static(b"x"))
        .await
        .unwrap();
    assert!(source.component().await.unwrap_err().contains("damaged"));
    shop.house.store.objects.delete(&key).await.unwrap();
    assert!(source.component().await.unwrap_err().contains("gone"));
}

#[tokio::test]
async fn nothing_runs_where_extensions_are_switched_off() {
    let settings = PluginSettings {
        enabled: false,
        ..PluginSettings::default()
    };
    let shop = Shop::with_settings(Limits::default(), settings).await;
    let chain = shop.extensions().chain(shop.ann.user_id().unwrap()).await.unwrap();
    assert!(chain.is_empty());
}

#[tokio::test]
async fn lines_and_values_that_are_old_are_forgotten() {
    let shop = Shop::open().await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let id = shop.installed(&shop.ann).await.id;
    shop.extensions().0.events.flush().await;
    let lines = async || shop.extensions().logs(&shop.ann, id, 10).await.unwrap().len();
    assert_eq!(lines().await, 1);
    shop.house.clock.advance(super::events::KEPT);
    shop.extensions().sweep().await.unwrap();
    assert_eq!(lines().await, 1);
    shop.house.clock.advance(Duration::from_millis(1));
    shop.extensions().sweep().await.unwrap();
    assert_eq!(lines().await, 0);
}

#[tokio::test]
async fn what_has_failed_for_a_day_is_switched_off_and_its_owner_is_told() {
    let shop = Shop::open().await;
    let traps = Draft {
        traps: true,
        ..Draft::new(NAME, "1.0.0")
    };
    shop.published(&traps).await;
    let id = shop.installed(&shop.ann).await.id;
    let (extensions, clock) = (shop.extensions(), &shop.house.clock);
    let mut events = extensions.events(&shop.ann, id).await.unwrap();
    let user = shop.ann.user_id().unwrap();
    let reply = Message {
        id: "m".into(),
        role: Speaker::Assistant,
        name: None,
        text: "Hello.".into(),
    };
    let call = async || {
        let chain = extensions.chain(user).await.unwrap();
        let mut hooks = extensions.host().turn(chain, facts(clock.now()));
        hooks.after_reply(&[], None, &reply).await;
        hooks
            .take_traces()
            .into_iter()
            .map(|trace| trace.outcome)
            .collect::<Vec<_>>()
    };
    for _ in 0..breaker::TRAPS {
        assert_eq!(call().await, [Outcome::Trap]);
    }
    assert_eq!(call().await, [Outcome::BreakerOpen]);
    let is_on = async || extensions.installed(&shop.ann).await.unwrap()[0].enabled;
    clock.advance(breaker::GIVEN_UP - Duration::from_millis(1));
    assert_eq!(call().await, [Outcome::Trap], "it is tried now and then");
    extensions.disable_condemned().await.unwrap();
    assert!(is_on().await);
    clock.advance(Duration::from_millis(1));
    extensions.disable_condemned().await.unwrap();
    let off = extensions.installed(&shop.ann).await.unwrap().remove(0);
    assert!(!off.enabled);
    assert_eq!(
        off.disabled_reason.as_deref(),
        Some("Its hook `after-reply` kept failing for a day.")
    );
    assert_eq!(call().await, []);
    let told = events.by_ref().filter_map(async |event| match event {
        ExtensionEvent::Changed { what, .. } => Some(what),
        _ => None,
    });
    assert_eq!(told.take(2).collect::<Vec<_>>().await, ["installed", "stopped"]);
    // Its owner may try again, and then it has a new start.
    let on = super::InstallationPatch {
        enabled: Some(true),
        ..Default::default()
    };
    let on = extensions.configure(&shop.ann, id, on).await.unwrap();
    assert_eq!(on.disabled_reason, None);
    assert_eq!(call().await, [Outcome::Trap]);
}

fn facts(now: Timestamp) -> TurnFacts {
    TurnFacts {
        turn: "turn".into(),
        chat: "chat".into(),
        user: "user".into(),
        user_name: "Ann".into(),
        persona: String::new(),
        character: None,
        kind: "normal".into(),
        locale: "en".into(),
        model: "demo".into(),
        context_tokens: 8_192,
        reply_tokens: 512,
        variables: Vec::new(),
        seed: 0,
        now,
        dry_run: false,
        count: Arc::new(|text| u32::try_from(text.len()).unwrap_or(u32::MAX)),
    }
}
