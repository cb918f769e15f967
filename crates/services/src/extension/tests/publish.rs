use bytes::Bytes;
use tavern_domain::extension::{ExtensionFilter, ExtensionOrder};
use tavern_domain::page::PageArgs;

use super::*;

#[tokio::test]
async fn the_first_package_takes_the_name_and_brings_the_key() {
    let shop = Shop::open().await;
    let published = shop.published(&Draft::new(NAME, "1.0.0")).await;
    let found = shop.extensions().by_name(NAME).await.unwrap().unwrap();
    assert_eq!(found, published.extension);
    assert_eq!(
        (found.title.as_str(), found.owner),
        ("Night Watch", shop.ann.user_id().unwrap())
    );
    let publisher = shop.extensions().publisher("quiet-river").await.unwrap().unwrap();
    assert_eq!(publisher.keys[0].public_key, shop.author.public_key());
    assert_eq!(publisher.keys[0].id, published.version.key_id);
    let versions = shop.extensions().versions_of(found.id, PageArgs::default());
    let (versions, count) = versions.await.unwrap();
    assert_eq!((versions.items, count), (vec![published.version.clone()], 1));
    let key = crate::extension::chain::package_key(&published.version.package_sha256);
    assert!(shop.house.store.objects.exists(&key).await.unwrap());
    assert!(published.version.report["checks"].as_array().unwrap().len() > 3);
    // Once it is known, the key need not come along.
    let next = Draft::new(NAME, "1.0.1").signed(&shop.author);
    let next = shop.extensions().publish(&shop.ann, next, None).await.unwrap();
    assert_eq!(next.outcome.unwrap().extension.id, found.id);
}

#[tokio::test]
async fn without_a_key_and_a_signature_by_it_nothing_is_published() {
    let shop = Shop::open().await;
    let (draft, key) = (Draft::new(NAME, "1.0.0"), shop.author.public_key());
    for (package, key, field) in [
        (draft.signed(&shop.author), None, "publicKey"),
        (draft.signed(&shop.author), Some("RWQ"), "publicKey"),
        (draft.unsigned(), Some(key.as_str()), "package"),
        (draft.signed(&Author::new()), Some(key.as_str()), "package"),
        (Bytes::from_static(b"nothing"), Some(key.as_str()), "package"),
    ] {
        let published = shop.extensions().publish(&shop.ann, package, key).await.unwrap();
        refused(published.outcome, Code::BadUserInput, field);
        assert!(!published.report.passed(), "{:?}", published.report);
    }
    assert_eq!(shop.extensions().by_name(NAME).await.unwrap(), None);
    assert_eq!(shop.extensions().publisher("quiet-river").await.unwrap(), None);
    let nobody = shop
        .extensions()
        .publish(&Actor::Anonymous, draft.unsigned(), None)
        .await;
    assert_eq!(nobody.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_publishers_name_is_nobody_elses() {
    let shop = Shop::open().await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let bob = shop.house.user("bob").await;
    // With her key, even.
    let package = Draft::new("quiet-river/other", "1.0.0").signed(&shop.author);
    let key = shop.author.public_key();
    let published = shop.extensions().publish(&bob, package, Some(&key)).await.unwrap();
    refused(published.outcome, Code::Conflict, "package");
    assert_eq!(published.report.checks.last().unwrap().name, "publisher");
    assert_eq!(shop.extensions().by_name("quiet-river/other").await.unwrap(), None);
}

#[tokio::test]
async fn versions_go_up_and_are_never_used_again() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.1.0");
    shop.published(&draft).await;
    for version in ["1.1.0", "1.0.9", "1.1.0-rc.1"] {
        refused(shop.offer(&draft.of_version(version)).await, Code::Conflict, "package");
    }
    shop.extensions()
        .yank(&shop.ann, NAME, "1.1.0", "It was wrong.")
        .await
        .unwrap();
    refused(shop.offer(&draft).await, Code::Conflict, "package");
    shop.published(&draft.of_version("1.1.1")).await;
}

#[tokio::test]
async fn an_extension_has_as_many_versions_as_it_may() {
    let shop = Shop::with(Limits {
        extension_versions: 2,
        publishers_per_user: 1,
        ..Limits::default()
    })
    .await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    shop.published(&draft.of_version("1.0.1")).await;
    refused(
        shop.offer(&draft.of_version("1.0.2")).await,
        Code::QuotaExceeded,
        "package",
    );
    // And an account as many names.
    shop.published(&Draft::new("quiet-river/other", "1.0.0")).await;
    let packages = async || {
        shop.house
            .store
            .objects
            .list("extensions", None, 100)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(packages().await, 3);
    refused(
        shop.offer(&Draft::new("loud-river/one", "1.0.0")).await,
        Code::QuotaExceeded,
        "package",
    );
    assert_eq!(packages().await, 3, "what is refused takes no room");
}

#[tokio::test]
async fn a_new_key_is_signed_by_an_old_one_and_a_revoked_one_signs_no_more() {
    let shop = Shop::with(Limits {
        publisher_keys: 2,
        ..Limits::default()
    })
    .await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let (extensions, new, old) = (shop.extensions(), Author::new(), &shop.author);
    let statement = format!("quiet-river {}", new.public_key());
    let rotate = async |actor: &Actor, signature: String| {
        extensions
            .rotate_publisher_key(actor, "quiet-river", &new.public_key(), &signature)
            .await
    };
    let bob = shop.house.user("bob").await;
    let stranger = rotate(&bob, old.sign(statement.as_bytes(), "x")).await;
    assert_eq!(stranger.unwrap_err().code(), Code::NotFound);
    refused(
        rotate(&shop.ann, new.sign(statement.as_bytes(), "x")).await,
        Code::BadUserInput,
        "signature",
    );
    refused(
        rotate(&shop.ann, old.sign(b"other", "x")).await,
        Code::BadUserInput,
        "signature",
    );
    let package = Draft::new(NAME, "1.0.1").signed(&new);
    let early = extensions.publish(&shop.ann, package.clone(), None).await.unwrap();
    refused(early.outcome, Code::BadUserInput, "package");
    let publisher = rotate(&shop.ann, old.sign(statement.as_bytes(), "x")).await.unwrap();
    assert_eq!(publisher.keys.len(), 2);
    let third = Author::new();
    let statement = format!("quiet-river {}", third.public_key());
    let full = extensions
        .rotate_publisher_key(
            &shop.ann,
            "quiet-river",
            &third.public_key(),
            &old.sign(statement.as_bytes(), "x"),
        )
        .await;
    refused(full, Code::QuotaExceeded, "publicKey");
    extensions
        .publish(&shop.ann, package, None)
        .await
        .unwrap()
        .outcome
        .unwrap();
    let mut keys = publisher.keys.iter();
    let first = keys.find(|key| key.public_key == old.public_key()).unwrap().id.clone();
    extensions
        .revoke_publisher_key(&shop.ann, "quiet-river", &first)
        .await
        .unwrap();
    let again = extensions.revoke_publisher_key(&shop.ann, "quiet-river", &first).await;
    assert_eq!(again.unwrap_err().code(), Code::NotFound);
    let by_old = Draft::new(NAME, "1.0.2").signed(old);
    let refusal = extensions.publish(&shop.ann, by_old, None).await.unwrap();
    refused(refusal.outcome, Code::BadUserInput, "package");
}

#[tokio::test]
async fn what_is_yanked_stays_where_it_is_and_is_installed_no_more() {
    let shop = Shop::open().await;
    let draft = Draft::new(NAME, "1.0.0");
    shop.published(&draft).await;
    shop.published(&draft.of_version("1.1.0")).await;
    let bob = shop.house.user("bob").await;
    let has = shop.installed(&bob).await;
    assert_eq!(has.version, "1.1.0");
    let extensions = shop.extensions();
    let stranger = extensions.yank(&bob, NAME, "1.1.0", "I say so.").await;
    assert_eq!(stranger.unwrap_err().code(), Code::Forbidden);
    refused(
        extensions.yank(&shop.ann, NAME, "1.1.0", " ").await,
        Code::BadUserInput,
        "reason",
    );
    let unknown = extensions.yank(&shop.ann, NAME, "1.2.0", "Why not.").await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    let yanked = extensions
        .yank(&moderator(&bob), NAME, "1.1.0", "It is wrong.")
        .await
        .unwrap();
    assert_eq!(yanked.yanked.as_deref(), Some("It is wrong."));
    assert_eq!(shop.installed(&shop.ann).await.version, "1.0.0");
    assert_eq!(
        extensions.chain(bob.user_id().unwrap()).await.unwrap().members().len(),
        1
    );
    extensions.yank(&shop.ann, NAME, "1.0.0", "This too.").await.unwrap();
    let eve = shop.house.user("eve").await;
    let new = NewInstallation {
        name: NAME.into(),
        ..NewInstallation::default()
    };
    refused(extensions.install(&eve, new).await, Code::BadUserInput, "versionReq");
}

#[tokio::test]
async fn what_an_operator_stops_runs_nowhere() {
    let shop = Shop::open().await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    shop.installed(&shop.ann).await;
    let extensions = shop.extensions();
    let runs = async || !extensions.chain(shop.ann.user_id().unwrap()).await.unwrap().is_empty();
    let owner = extensions.kill(&shop.ann, NAME, None, Some("No.")).await;
    assert_eq!(owner.unwrap_err().code(), Code::Forbidden);
    let moderator = moderator(&shop.ann);
    for version in [None, Some("1.0.0")] {
        extensions
            .kill(&moderator, NAME, version, Some("It lies."))
            .await
            .unwrap();
        assert!(!runs().await);
        extensions.kill(&moderator, NAME, version, None).await.unwrap();
        assert!(runs().await);
    }
    let killed = extensions.kill(&moderator, NAME, None, Some("It lies.")).await.unwrap();
    assert_eq!(killed.killed.as_deref(), Some("It lies."));
    let bob = shop.house.user("bob").await;
    let new = NewInstallation {
        name: NAME.into(),
        ..NewInstallation::default()
    };
    refused(extensions.install(&bob, new).await, Code::BadUserInput, "name");
}

#[tokio::test]
async fn extensions_are_found_by_words_of_either_case() {
    let shop = Shop::open().await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let found = async |words: &str| {
        let filter = ExtensionFilter {
            query: Some(words.into()),
            ..ExtensionFilter::default()
        };
        let page = shop
            .extensions()
            .list(filter, ExtensionOrder::Popular, PageArgs::default());
        page.await.map(|page| page.items.len())
    };
    assert_eq!(found("NIGHT Wätch").await.unwrap(), 1);
    assert_eq!(found("day").await.unwrap(), 0);
    assert_eq!(found(&"a".repeat(256)).await.unwrap(), 0);
    refused(found(&"a".repeat(257)).await, Code::BadUserInput, "filter.query");
}

#[tokio::test]
async fn a_name_that_many_know_is_not_imitated() {
    let shop = Shop::open().await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let bob = shop.house.user("bob").await;
    let own = Author::new();
    let offer = async |id: &str| {
        let key = own.public_key();
        let package = Draft::new(id, "1.0.0").signed(&own);
        shop.extensions().publish(&bob, package, Some(&key)).await.unwrap()
    };
    for index in 0..9 {
        let user = shop.house.user(&format!("user{index}")).await;
        shop.installed(&user).await;
    }
    // Nine have it, and that is not many.
    let alike = offer("quiet-rivers/night-watch").await;
    assert!(
        alike.outcome.is_ok() && alike.report.warnings.is_empty(),
        "{:?}",
        alike.report
    );
    shop.installed(&shop.ann).await;
    for id in ["quiet-riven/night-watch", "quletriver/night-watch"] {
        let refusal = offer(id).await;
        refused(refusal.outcome, Code::Conflict, "package");
        let last = refusal.report.checks.last().unwrap();
        assert!(last.name == "name.lookalike" && last.message.contains(NAME), "{last:?}");
    }
    let near = offer("quiet-rivet/night-catch").await;
    assert!(near.outcome.is_ok(), "{:?}", near.report);
    assert!(
        near.report
            .warnings
            .iter()
            .any(|warning| warning.starts_with("name.lookalike:") && warning.contains(NAME)),
        "{:?}",
        near.report
    );
    // What is there keeps its name, and its publisher may name the next one alike.
    let next = Draft::new("quiet-rivers/night-watch", "1.0.1").signed(&own);
    let next = shop.extensions().publish(&bob, next, None).await.unwrap();
    assert!(next.outcome.is_ok(), "{:?}", next.report);
    shop.published(&Draft::new("quiet-river/night-watches", "1.0.0")).await;
}

#[tokio::test]
async fn what_is_the_house_s_own_is_published_by_who_runs_it() {
    let shop = Shop::open().await;
    for id in [
        "tavern/night-watch",
        "official/night-watch",
        "dice/night-watch",
        "quiet-river/system",
    ] {
        let refusal = shop.offer(&Draft::new(id, "1.0.0")).await;
        refused(refusal, Code::Conflict, "package");
    }
    assert_eq!(shop.extensions().publisher("tavern").await.unwrap(), None);
    let operator = moderator(&shop.ann);
    let package = Draft::new("tavern/dice", "1.0.0").signed(&shop.author);
    let key = shop.author.public_key();
    let published = shop.extensions().publish(&operator, package, Some(&key)).await.unwrap();
    assert!(published.outcome.is_ok(), "{:?}", published.report);
}
