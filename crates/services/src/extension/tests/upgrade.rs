use serde_json::json;
use tavern_domain::extension::KvScope;
use tavern_storage::{ValueKey, ValueOutcome, ValueRoom, ValueWrite};

use super::*;
use crate::extension::{InstallationPatch, Upgrade};

fn to(version: &str) -> Upgrade {
    Upgrade {
        version: Some(version.into()),
        ..Upgrade::default()
    }
}

impl Shop {
    async fn upgrade(&self, of: &Installation, upgrade: Upgrade) -> Result<crate::extension::Upgraded, Error> {
        self.extensions().upgrade(&self.ann, of.id, upgrade).await
    }

    async fn stored(&self, of: &Installation) -> Installation {
        let found = self.extensions().installations(&self.ann, &[of.id]).await;
        found.unwrap().remove(0)
    }

    /// Where the extension says that it came from.
    async fn moved(&self, of: &Installation) -> Option<String> {
        let store = &self.house.store.extensions;
        let now = tavern_domain::Clock::now(&self.house.clock);
        let found = store.values(of.id, &[key()], now).await.unwrap().remove(0)?;
        Some(String::from_utf8(found.value).unwrap())
    }
}

fn key() -> ValueKey {
    ValueKey {
        scope: KvScope::Installation,
        owner: String::new(),
        key: "moved".into(),
    }
}

#[tokio::test]
async fn an_upgrade_goes_to_the_newest_of_the_range_and_moves_the_values() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    let installed = shop.installed(&shop.ann).await;
    let idle = shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    assert_eq!(idle.installation, installed, "there is nothing newer");
    for version in ["1.1.0", "1.2.0", "2.0.0"] {
        shop.published(&draft.of_version(version)).await;
    }
    let range = InstallationPatch {
        version_req: Some("^1".into()),
        ..InstallationPatch::default()
    };
    shop.extensions()
        .configure(&shop.ann, installed.id, range)
        .await
        .unwrap();
    let upgraded = shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    assert_eq!(
        (upgraded.installation.version.as_str(), upgraded.widened),
        ("1.2.0", Vec::new())
    );
    assert_eq!(shop.stored(&installed).await, upgraded.installation);
    assert_eq!(shop.moved(&installed).await.as_deref(), Some("1.0.0"));
    let chain = shop.extensions().chain(shop.ann.user_id().unwrap()).await.unwrap();
    assert_eq!(chain.members()[0].version, "1.2.0");
    for (version, field) in [("1.1.0", "version"), ("1.2.0", "version"), ("9.0.0", "version")] {
        refused(shop.upgrade(&installed, to(version)).await, Code::BadUserInput, field);
    }
    let stale = Upgrade {
        expected_revision: Some(1),
        ..to("2.0.0")
    };
    refused(
        shop.upgrade(&installed, stale).await,
        Code::Conflict,
        "expectedRevision",
    );
}

#[tokio::test]
async fn a_rollback_restores_what_was() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    let installed = shop.installed(&shop.ann).await;
    let nothing = shop.extensions().rollback(&shop.ann, installed.id, None).await;
    refused(nothing, Code::Conflict, "");
    let write = ValueWrite {
        key: key(),
        value: Some(b"mine".to_vec()),
        expires_at: None,
        expected: None,
    };
    let room = ValueRoom { keys: 10, bytes: 1_000 };
    let now = tavern_domain::Clock::now(&shop.house.clock);
    let store = &shop.house.store.extensions;
    assert_eq!(
        store
            .write_values(installed.id, "1.0.0", &[write], room, now)
            .await
            .unwrap(),
        ValueOutcome::Written
    );
    let schema = Some(r#"{"type": "object", "properties": {"mood": {"type": "string"}}}"#.to_owned());
    shop.published(&Draft {
        schema,
        ..draft.of_version("1.1.0")
    })
    .await;
    let with_config = Upgrade {
        config: Some(json!({ "mood": "dark" })),
        ..Upgrade::default()
    };
    let upgraded = shop.upgrade(&installed, with_config).await.unwrap().installation;
    assert_eq!(
        (upgraded.config, upgraded.previous.len()),
        (json!({ "mood": "dark" }), 1)
    );
    assert_eq!(shop.moved(&installed).await.as_deref(), Some("1.0.0"));
    let ungrant = InstallationPatch {
        grants: Some(Vec::new()),
        ..InstallationPatch::default()
    };
    shop.extensions()
        .configure(&shop.ann, installed.id, ungrant)
        .await
        .unwrap();
    let back = shop.extensions().rollback(&shop.ann, installed.id, None).await.unwrap();
    assert_eq!(
        (back.version.as_str(), &back.grants, &back.config),
        ("1.0.0", &installed.grants, &installed.config)
    );
    assert_eq!(
        (back.previous.len(), shop.moved(&installed).await.as_deref()),
        (0, Some("mine"))
    );
}

#[tokio::test]
async fn what_was_stopped_by_an_operator_is_not_gone_back_to() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    let installed = shop.installed(&shop.ann).await;
    shop.published(&draft.of_version("1.1.0")).await;
    shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    let moderator = moderator(&shop.ann);
    shop.extensions()
        .kill(&moderator, NAME, Some("1.0.0"), Some("It lies."))
        .await
        .unwrap();
    refused(
        shop.extensions().rollback(&shop.ann, installed.id, None).await,
        Code::Conflict,
        "",
    );
}

#[tokio::test]
async fn what_wants_to_do_more_waits_for_consent_to_what_was_seen() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    let installed = shop.installed(&shop.ann).await;
    let wider = draft.of_version("1.1.0").asking("persona");
    let second = shop.published(&wider).await.version;
    let consent = || Upgrade {
        consent: true,
        ..Upgrade::default()
    };
    // Nobody has seen it yet: a word in advance is none.
    let waits = shop.upgrade(&installed, consent()).await.unwrap();
    assert_eq!(waits.widened, [Capability::Persona]);
    assert_eq!(
        (waits.installation.version.as_str(), waits.installation.pending),
        ("1.0.0", Some(second.id))
    );
    let still = shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    assert_eq!((still.widened.len(), still.installation), (1, waits.installation));
    // A still wider one does not slip in under the word for the other.
    shop.published(&wider.of_version("1.2.0").asking("variables")).await;
    let upgraded = shop.upgrade(&installed, consent()).await.unwrap().installation;
    assert_eq!((upgraded.version.as_str(), upgraded.pending), ("1.1.0", None));
    assert_eq!(
        upgraded.grants,
        [Capability::Persona, Capability::Kv(KvScope::Installation)]
    );
    let named = Upgrade {
        consent: true,
        ..to("1.2.0")
    };
    let named = shop.upgrade(&installed, named).await.unwrap().installation;
    assert!(named.grants.contains(&Capability::Variables));
    // What was asked for before and not granted is no reason to wait, and is not granted now.
    assert!(!named.grants.contains(&Capability::Annotate));
    shop.published(&draft.of_version("1.3.0")).await;
    let narrower = shop.upgrade(&installed, Upgrade::default()).await.unwrap().installation;
    assert_eq!(narrower.grants, [Capability::Kv(KvScope::Installation)]);
}

#[tokio::test]
async fn a_version_that_cannot_move_the_values_changes_nothing() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    let installed = shop.installed(&shop.ann).await;
    let fails = Some("1.0.0".to_owned());
    shop.published(&Draft {
        fails,
        ..draft.of_version("1.1.0")
    })
    .await;
    refused(
        shop.upgrade(&installed, Upgrade::default()).await,
        Code::PluginError,
        "",
    );
    assert_eq!(shop.stored(&installed).await, installed);
    assert_eq!(shop.moved(&installed).await, None);
}

#[tokio::test]
async fn a_configuration_that_the_new_version_does_not_take_is_told_and_can_be_given() {
    let shop = Shop::open().await;
    let schema = |kind: &str| {
        Some(format!(
            r#"{{"type": "object", "properties": {{"mood": {{"type": "{kind}"}}}}}}"#
        ))
    };
    let draft = Draft {
        schema: schema("string"),
        ..Draft::new(NAME, "1.0.0")
    };
    shop.published(&draft).await;
    let new = NewInstallation {
        name: NAME.into(),
        config: Some(json!({ "mood": "dark" })),
        ..NewInstallation::default()
    };
    let installed = shop.extensions().install(&shop.ann, new).await.unwrap();
    shop.published(&Draft {
        schema: schema("integer"),
        ..draft.of_version("1.1.0")
    })
    .await;
    refused(
        shop.upgrade(&installed, Upgrade::default()).await,
        Code::BadUserInput,
        "config.mood",
    );
    assert_eq!(shop.stored(&installed).await, installed);
    let given = Upgrade {
        config: Some(json!({ "mood": 3 })),
        ..Upgrade::default()
    };
    assert_eq!(
        shop.upgrade(&installed, given).await.unwrap().installation.config,
        json!({ "mood": 3 })
    );
}

#[tokio::test]
async fn three_versions_can_be_gone_back_to() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    let installed = shop.installed(&shop.ann).await;
    for version in ["1.1.0", "1.2.0", "1.3.0", "1.4.0"] {
        shop.published(&draft.of_version(version)).await;
        shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    }
    for version in ["1.3.0", "1.2.0", "1.1.0"] {
        let back = shop.extensions().rollback(&shop.ann, installed.id, None).await.unwrap();
        assert_eq!(back.version, version);
    }
    refused(
        shop.extensions().rollback(&shop.ann, installed.id, None).await,
        Code::Conflict,
        "",
    );
}

/// What asks for two hosts, and has a secret for one.
fn with_secret(version: &str, host: &str) -> Draft {
    let mut draft = Draft::new(NAME, version)
        .asking("http:api.example.org")
        .asking("http:stats.example.net")
        .asking("secret:key");
    draft.more = format!(
        "[[secrets]]\nname = 'key'\ntitle = 'A key'\nhosts = ['{host}']\nheader = 'Authorization'\nformat = 'Bearer {{}}'\n"
    );
    draft
}

#[tokio::test]
async fn a_secret_goes_to_no_other_host_without_its_owners_word() {
    let shop = Shop::open().await;
    shop.published(&with_secret("1.0.0", "api.example.org")).await;
    let grants = ["http:api.example.org", "http:stats.example.net", "secret:key"];
    let new = NewInstallation {
        name: NAME.into(),
        grants: grants.map(str::to_owned).into(),
        ..NewInstallation::default()
    };
    let installed = shop.extensions().install(&shop.ann, new).await.unwrap();
    shop.published(&with_secret("1.0.1", "api.example.org")).await;
    let upgraded = shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    assert_eq!(
        (upgraded.installation.version.as_str(), upgraded.widened),
        ("1.0.1", Vec::new())
    );

    shop.published(&with_secret("1.1.0", "stats.example.net")).await;
    let waits = shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    let secret = Capability::Secret("key".into());
    assert_eq!(waits.widened, std::slice::from_ref(&secret));
    assert_eq!(waits.installation.version, "1.0.1");
    let told = shop
        .extensions()
        .pending_permissions(&waits.installation)
        .await
        .unwrap();
    assert!(
        told[0].0 == secret && told[0].1.contains("stats.example.net"),
        "{told:?}"
    );
    let agreed = Upgrade {
        consent: true,
        ..Upgrade::default()
    };
    let upgraded = shop.upgrade(&installed, agreed).await.unwrap().installation;
    assert_eq!(upgraded.version, "1.1.0");
    assert!(upgraded.grants.contains(&secret));

    // What was set for the host of this version does not go to the host of the one before.
    let back = shop.extensions().rollback(&shop.ann, installed.id, None).await.unwrap();
    assert_eq!((back.version.as_str(), back.grants.contains(&secret)), ("1.0.1", false));
    let back = shop.extensions().rollback(&shop.ann, installed.id, None).await.unwrap();
    assert_eq!((back.version.as_str(), back.grants.contains(&secret)), ("1.0.0", true));
}

#[tokio::test]
async fn a_rollback_ends_what_an_upgrade_that_traps_has_begun() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    let installed = shop.installed(&shop.ann).await;
    assert_eq!(shop.replied().await.outcome, Outcome::Ok);
    shop.published(&Draft {
        traps: true,
        ..draft.of_version("1.1.0")
    })
    .await;
    let rollback = async || shop.extensions().rollback(&shop.ann, installed.id, None).await.unwrap();
    let fail = async || {
        shop.upgrade(&installed, Upgrade::default()).await.unwrap();
        for expected in [Outcome::Trap, Outcome::Trap, Outcome::Trap, Outcome::BreakerOpen] {
            assert_eq!(shop.replied().await.outcome, expected);
        }
    };
    fail().await;
    rollback().await;
    assert_eq!(shop.replied().await.outcome, Outcome::Ok, "it is called at once");

    fail().await;
    shop.house.clock.advance(breaker::GIVEN_UP);
    shop.extensions().disable_condemned().await.unwrap();
    let off = shop.stored(&installed).await;
    assert!(!off.enabled && off.disabled_reason.is_some());
    let back = rollback().await;
    assert!(back.enabled && back.disabled_reason.is_none());
    assert_eq!(shop.replied().await.outcome, Outcome::Ok);
    // What its owner has switched off stays so.
    let off = InstallationPatch {
        enabled: Some(false),
        ..InstallationPatch::default()
    };
    shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    shop.extensions().configure(&shop.ann, installed.id, off).await.unwrap();
    assert!(!rollback().await.enabled);
}

#[tokio::test]
async fn a_version_that_has_no_place_among_others_any_more_is_not_gone_back_to() {
    let shop = Shop::open().await;
    let first = Draft {
        before: Some("quiet-river/other".into()),
        ..Draft::new(NAME, "1.0.0")
    };
    shop.published(&first).await;
    let installed = shop.installed(&shop.ann).await;
    shop.published(&Draft::new(NAME, "1.1.0")).await;
    shop.upgrade(&installed, Upgrade::default()).await.unwrap();
    shop.published(&Draft {
        before: Some(NAME.into()),
        ..Draft::new("quiet-river/other", "1.0.0")
    })
    .await;
    let other = NewInstallation {
        name: "quiet-river/other".into(),
        ..NewInstallation::default()
    };
    shop.extensions().install(&shop.ann, other).await.unwrap();
    let back = shop.extensions().rollback(&shop.ann, installed.id, None).await;
    refused(back, Code::Conflict, "");
    assert_eq!(shop.stored(&installed).await.version, "1.1.0");
}
