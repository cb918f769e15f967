use serde_json::json;
use tavern_domain::extension::ExtensionEvent;
use tavern_plugins::ports::Secret;

use super::*;
use crate::extension::{InstallationPatch, SecretPatch};
use futures::StreamExt as _;

const SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "properties": {
        "mood": { "type": "string", "maxLength": 200 },
        "deep": { "type": "object", "properties": { "level": { "type": "integer" } } },
        "token": { "type": "string", "x-secret": true, "minLength": 3 }
    }
}"#;

fn draft() -> Draft {
    Draft {
        schema: Some(SCHEMA.into()),
        ..Draft::new(NAME, "1.0.0")
    }
}

fn wish() -> NewInstallation {
    NewInstallation {
        name: NAME.into(),
        ..NewInstallation::default()
    }
}

fn secret(name: &str, value: Option<&str>) -> SecretPatch {
    SecretPatch {
        name: name.into(),
        value: value.map(str::to_owned),
    }
}

async fn shop() -> Shop {
    let shop = Shop::open().await;
    shop.published(&draft()).await;
    shop
}

#[tokio::test]
async fn nothing_is_granted_that_is_not_asked_for() {
    let shop = Shop::open().await;
    shop.published(&draft().asking("history:5")).await;
    let install = async |grants: &[&str]| {
        let grants = grants.iter().map(|grant| (*grant).to_owned()).collect();
        shop.extensions()
            .install(&shop.ann, NewInstallation { grants, ..wish() })
            .await
    };
    refused(install(&["annotate", "persona"]).await, Code::BadUserInput, "grants.1");
    refused(install(&["history:6"]).await, Code::BadUserInput, "grants.0");
    refused(install(&["everything"]).await, Code::BadUserInput, "grants.0");
    refused(install(&["annotate"; 101]).await, Code::BadUserInput, "grants");
    let installed = install(&["history:4", "annotate", "annotate"]).await.unwrap();
    assert_eq!(installed.grants, [Capability::History(4), Capability::Annotate]);
}

#[tokio::test]
async fn a_configuration_fits_the_schema_and_the_extension() {
    let shop = shop().await;
    let install = async |config| {
        let config = Some(config);
        shop.extensions()
            .install(&shop.ann, NewInstallation { config, ..wish() })
            .await
    };
    refused(install(json!([])).await, Code::BadUserInput, "config");
    refused(
        install(json!({ "deep": { "level": "high" } })).await,
        Code::BadUserInput,
        "config.deep.level",
    );
    refused(
        install(json!({ "token": "ab" })).await,
        Code::BadUserInput,
        "config.token",
    );
    // The schema has room for it; the extension has not.
    refused(
        install(json!({ "mood": "x".repeat(101) })).await,
        Code::BadUserInput,
        "config",
    );
    assert_eq!(shop.extensions().installed(&shop.ann).await.unwrap(), []);
    let installed = install(json!({ "mood": "dark" })).await.unwrap();
    assert_eq!(installed.config, json!({ "mood": "dark" }));
}

#[tokio::test]
async fn secrets_are_kept_apart_and_never_shown() {
    let shop = shop().await;
    let new = NewInstallation {
        config: Some(json!({ "mood": "dark", "token": "swordfish" })),
        ..wish()
    };
    let installed = shop.extensions().install(&shop.ann, new).await.unwrap();
    assert_eq!(installed.config, json!({ "mood": "dark" }));
    let (extensions, id) = (shop.extensions(), installed.id);
    let set = async || extensions.secrets(&shop.ann, id).await.unwrap();
    assert_eq!(set().await, [("token".to_owned(), true)]);
    let kept = async || {
        let sealed = shop
            .house
            .store
            .extensions
            .secret(id, "1.0.0", "token")
            .await
            .unwrap()?;
        Some(extensions.0.vault.unseal(&sealed).unwrap())
    };
    assert_eq!(kept().await, Some(Secret("swordfish".into())));
    // A configuration without it leaves it as it is.
    let config = InstallationPatch {
        config: Some(json!({})),
        ..InstallationPatch::default()
    };
    extensions.configure(&shop.ann, id, config).await.unwrap();
    assert_eq!(kept().await, Some(Secret("swordfish".into())));
    let patch = |secrets| InstallationPatch {
        secrets,
        ..InstallationPatch::default()
    };
    let configure = async |secrets| extensions.configure(&shop.ann, id, patch(secrets)).await;
    for (bad, field) in [
        (vec![secret("other", Some("x"))], "secrets.0"),
        (vec![secret("token", Some("x")), secret("token", None)], "secrets.1"),
        (vec![secret("token", Some(""))], "secrets"),
        (vec![secret("token", Some("a\r\nb"))], "secrets"),
        (vec![secret("token", Some(&"x".repeat(4_097)))], "secrets"),
    ] {
        refused(configure(bad).await, Code::BadUserInput, field);
    }
    configure(vec![secret("token", Some(&"x".repeat(4_096)))])
        .await
        .unwrap();
    let was = extensions.0.vault.current();
    let rotated = extensions.rotate_vault_key(&Actor::System).await.unwrap();
    assert_eq!((rotated.secrets, rotated.unused), (1, vec![was]));
    let sealed = shop
        .house
        .store
        .extensions
        .secret(id, "1.0.0", "token")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(sealed.key_id, rotated.key);
    assert_eq!(kept().await, Some(Secret("x".repeat(4_096))));
    assert!(extensions.rotate_vault_key(&shop.ann).await.is_err());
    configure(vec![secret("token", None)]).await.unwrap();
    assert_eq!(set().await, [("token".to_owned(), false)]);
}

#[tokio::test]
async fn an_extension_is_installed_once_and_an_account_has_so_many() {
    let settings = PluginSettings {
        limits: tavern_plugins::settings::PluginLimits {
            installations: 1,
            ..Default::default()
        },
        ..PluginSettings::default()
    };
    let house = House::with(Limits::default(), settings).await;
    let ann = house.user("ann").await;
    let shop = Shop {
        house,
        author: Author::new(),
        ann,
    };
    shop.published(&draft()).await;
    shop.published(&Draft::new("quiet-river/other", "1.0.0")).await;
    shop.installed(&shop.ann).await;
    refused(
        shop.extensions().install(&shop.ann, wish()).await,
        Code::Conflict,
        "name",
    );
    let other = NewInstallation {
        name: "quiet-river/other".into(),
        ..wish()
    };
    refused(
        shop.extensions().install(&shop.ann, other).await,
        Code::QuotaExceeded,
        "",
    );
    let unknown = NewInstallation {
        name: "quiet-river/none".into(),
        ..wish()
    };
    let unknown = shop.extensions().install(&shop.ann, unknown).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_newest_version_of_the_range_is_installed() {
    let shop = shop().await;
    for version in ["1.2.0", "2.0.0-rc.1", "2.0.0", "3.0.0-rc.1"] {
        shop.published(&draft().of_version(version)).await;
    }
    for (range, expected) in [
        ("^1", Some("1.2.0")),
        ("*", Some("2.0.0")),
        ("=2.0.0-rc.1", Some("2.0.0-rc.1")),
        ("^4", None),
        ("latest", None),
    ] {
        let new = NewInstallation {
            version_req: Some(range.into()),
            ..wish()
        };
        let installed = shop.extensions().install(&shop.ann, new).await;
        match expected {
            None => refused(installed, Code::BadUserInput, "versionReq"),
            Some(expected) => {
                let installed = installed.unwrap();
                assert_eq!(installed.version, expected, "{range}");
                shop.extensions().uninstall(&shop.ann, installed.id).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_change_is_made_from_the_revision_it_names() {
    let shop = shop().await;
    let installed = shop.installed(&shop.ann).await;
    let patch = |revision, priority| InstallationPatch {
        expected_revision: revision,
        priority: Some(Some(priority)),
        ..InstallationPatch::default()
    };
    let configure = async |patch| shop.extensions().configure(&shop.ann, installed.id, patch).await;
    refused(configure(patch(Some(2), 1)).await, Code::Conflict, "expectedRevision");
    for bad in [-1_001, 1_001] {
        refused(configure(patch(None, bad)).await, Code::BadUserInput, "priority");
    }
    assert_eq!(configure(patch(Some(1), 1_000)).await.unwrap().revision, 2);
    assert_eq!(configure(patch(None, -1_000)).await.unwrap().revision, 3);
}

#[tokio::test]
async fn an_installation_is_its_owners_alone() {
    let shop = shop().await;
    let id = shop.installed(&shop.ann).await.id;
    let (bob, extensions) = (moderator(&shop.house.user("bob").await), shop.extensions());
    assert_eq!(extensions.installations(&bob, &[id]).await.unwrap(), []);
    let codes = [
        extensions
            .configure(&bob, id, InstallationPatch::default())
            .await
            .map(drop),
        extensions
            .upgrade(&bob, id, crate::extension::Upgrade::default())
            .await
            .map(drop),
        extensions.rollback(&bob, id, None).await.map(drop),
        extensions.uninstall(&bob, id).await,
        extensions.secrets(&bob, id).await.map(drop),
        extensions.logs(&bob, id, 1).await.map(drop),
        extensions.events(&bob, id).await.map(drop),
    ];
    for outcome in codes {
        assert_eq!(outcome.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn whoever_watches_is_told_what_was_and_what_comes_until_it_is_gone() {
    let shop = shop().await;
    let installed = shop.installed(&shop.ann).await;
    let mut events = shop.extensions().events(&shop.ann, installed.id).await.unwrap();
    shop.extensions()
        .configure(&shop.ann, installed.id, InstallationPatch::default())
        .await
        .unwrap();
    shop.extensions().uninstall(&shop.ann, installed.id).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let ExtensionEvent::Changed { what, version } = event else {
            panic!("{event:?}");
        };
        told.push(format!("{what} {version}"));
    }
    assert_eq!(told, ["installed 1.0.0", "configured 1.0.0", "removed 1.0.0"]);
    let again = shop.extensions().events(&shop.ann, installed.id).await;
    assert_eq!(again.map(drop).unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn those_that_would_each_come_before_the_other_are_not_installed_together() {
    let shop = Shop::open().await;
    let ordered = |name: &str, other: &str| {
        let draft = Draft::new(name, "1.0.0");
        Draft {
            before: Some(other.into()),
            ..draft
        }
    };
    shop.published(&ordered("quiet-river/one", "quiet-river/two")).await;
    shop.published(&ordered("quiet-river/two", "quiet-river/one")).await;
    let install = async |name: &str| {
        let new = NewInstallation {
            name: name.into(),
            ..wish()
        };
        shop.extensions().install(&shop.ann, new).await
    };
    install("quiet-river/one").await.unwrap();
    refused(install("quiet-river/two").await, Code::Conflict, "name");
}
