use super::*;
use crate::extension::chain::package_key;
use crate::extension::housekeeping::GRACE;

#[tokio::test]
async fn packages_that_are_no_versions_are_swept_and_no_others() {
    let shop = Shop::open().await;
    let version = shop.published(&Draft::new(NAME, "1.0.0")).await.version;
    let objects = &shop.house.store.objects;
    let left_behind = package_key(&"ab".repeat(32));
    objects
        .put(&left_behind, bytes::Bytes::from_static(b"x"))
        .await
        .unwrap();
    let there = async || {
        let published = package_key(&version.package_sha256);
        (
            objects.exists(&published).await.unwrap(),
            objects.exists(&left_behind).await.unwrap(),
        )
    };
    shop.house.clock.advance(GRACE - Duration::from_secs(60));
    shop.extensions().sweep().await.unwrap();
    assert_eq!(there().await, (true, true), "it may still become a version");
    shop.house.clock.advance(Duration::from_secs(120));
    shop.extensions().sweep().await.unwrap();
    assert_eq!(there().await, (true, false));
}

#[tokio::test]
async fn what_must_work_stays_on_and_replies_are_stopped() {
    let settings = PluginSettings {
        fail_closed: vec![NAME.into()],
        ..PluginSettings::default()
    };
    let shop = Shop::with_settings(Limits::default(), settings).await;
    shop.published(&Draft {
        traps: true,
        ..Draft::new(NAME, "1.0.0")
    })
    .await;
    let installed = shop.installed(&shop.ann).await;
    for expected in [Outcome::Trap, Outcome::Trap, Outcome::Trap, Outcome::BreakerOpen] {
        assert_eq!(shop.replied().await.outcome, expected);
    }
    shop.house.clock.advance(breaker::GIVEN_UP * 2);
    shop.extensions().disable_condemned().await.unwrap();
    let stored = shop.extensions().installed(&shop.ann).await.unwrap().remove(0);
    assert_eq!(stored, installed);
    assert_eq!(shop.replied().await.outcome, Outcome::Trap, "it is tried");
    assert_eq!(shop.replied().await.outcome, Outcome::BreakerOpen, "and rests again");
}

#[tokio::test]
async fn what_is_stopped_or_revived_on_one_server_is_so_on_all() {
    let shop = Shop::open().await;
    let published = shop.published(&Draft::new(NAME, "1.0.0")).await;
    shop.installed(&shop.ann).await;
    let store = &shop.house.store.extensions;
    let (extension, version) = (published.extension.id, published.version.id);
    let mut running = shop.turn().await;
    let moderator = moderator(&shop.ann);
    for version in [None, Some(version)] {
        // Another server does it, of which this one sees the store alone.
        store.kill(extension, version, Some("It lies.".into())).await.unwrap();
        shop.extensions().look_who_is_stopped().await.unwrap();
        assert_eq!(after_reply(&mut running).await.outcome, Outcome::Killed);
        store.kill(extension, version, None).await.unwrap();
        shop.extensions().look_who_is_stopped().await.unwrap();
        assert_eq!(after_reply(&mut running).await.outcome, Outcome::Ok);
        // And revives what this one has stopped.
        let name = version.map(|_| "1.0.0");
        let kill = shop.extensions().kill(&moderator, NAME, name, Some("It lies."));
        kill.await.unwrap();
        assert_eq!(after_reply(&mut running).await.outcome, Outcome::Killed);
        store.kill(extension, version, None).await.unwrap();
        shop.extensions().look_who_is_stopped().await.unwrap();
        assert_eq!(shop.replied().await.outcome, Outcome::Ok);
    }
}
