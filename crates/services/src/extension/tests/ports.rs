use tavern_domain::extension::KvScope;
use tavern_domain::{InstallationId, Timestamp};
use tavern_models::{ModelsConfig, Router};
use tavern_plugins::ports::{KvFault, KvKey, KvWrite, ModelFault, ModelRequest, Ports as _};
use tavern_storage::ValueRoom;

use super::*;
use crate::extension::ports::{HousePorts, day};

async fn ports() -> (Shop, InstallationId, HousePorts) {
    let shop = Shop::open().await;
    shop.published(&Draft::new(NAME, "1.0.0")).await;
    let id = shop.installed(&shop.ann).await.id;
    let inner = &shop.extensions().0;
    let models = ModelsConfig {
        providers: Vec::new(),
        models: Vec::new(),
    };
    let ports = HousePorts {
        shared: Arc::clone(&inner.shared),
        vault: Arc::clone(&inner.vault),
        models: Router::new(&models, 10_000).unwrap(),
        events: inner.events.clone(),
        room: ValueRoom { keys: 2, bytes: 100 },
    };
    (shop, id, ports)
}

fn write(installation: InstallationId, key: &str, value: Option<&[u8]>, expected: Option<u64>) -> KvWrite {
    KvWrite {
        key: KvKey {
            installation,
            scope: KvScope::User,
            owner: "usr_1".into(),
            key: key.into(),
        },
        value: value.map(<[u8]>::to_vec),
        expires_at: None,
        expected,
    }
}

fn request(ports: &HousePorts, text: &str, daily_tokens: u64) -> ModelRequest {
    ModelRequest {
        messages: vec![("user".into(), text.into())],
        max_tokens: 100,
        temperature: Some(0.5),
        model: ports.models.default_model().into(),
        daily_tokens,
    }
}

#[tokio::test]
async fn values_are_committed_together_or_not_at_all() {
    let (_shop, id, ports) = ports().await;
    ports
        .kv_commit(
            id,
            "1.0.0",
            vec![write(id, "a", Some(b"1"), Some(0)), write(id, "b", Some(b"2"), None)],
        )
        .await
        .unwrap();
    let key = |key: &str| write(id, key, None, None).key;
    let found = ports.kv_get(vec![key("b"), key("x"), key("a")]).await.unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|entry| entry.map(|entry| (entry.value, entry.version)))
        .collect();
    assert_eq!(found, [Some((b"2".to_vec(), 1)), None, Some((b"1".to_vec(), 1))]);
    assert_eq!(ports.kv_keys(key(""), Some("a".into()), 10).await.unwrap(), ["b"]);
    let stale = vec![write(id, "a", Some(b"3"), None), write(id, "b", Some(b"3"), Some(7))];
    assert_eq!(ports.kv_commit(id, "1.0.0", stale).await, Err(KvFault::Conflict));
    assert_eq!(
        ports
            .kv_commit(id, "1.0.0", vec![write(id, "c", Some(b""), None)])
            .await,
        Err(KvFault::Quota)
    );
    assert_eq!(
        ports
            .kv_commit(id, "1.0.0", vec![write(id, "a", Some(&[0; 98]), None)])
            .await,
        Err(KvFault::Quota)
    );
    assert_eq!(
        ports.kv_get(vec![key("a")]).await.unwrap()[0].clone().unwrap().version,
        1
    );
    let former = vec![write(id, "a", Some(b"0"), None)];
    assert_eq!(ports.kv_commit(id, "0.9.0", former).await, Err(KvFault::OtherVersion));
    let gone = InstallationId::new();
    assert_eq!(
        ports
            .kv_commit(gone, "1.0.0", vec![write(gone, "a", Some(b""), None)])
            .await,
        Err(KvFault::Unavailable)
    );
    assert_eq!(ports.kv_commit(gone, "1.0.0", Vec::new()).await, Ok(()));
}

#[tokio::test]
async fn a_model_is_asked_out_of_the_days_budget() {
    let (shop, id, ports) = ports().await;
    let reply = ports.complete(id, request(&ports, "Hello", 1_000)).await.unwrap();
    assert!(!reply.text.is_empty());
    let used = u64::from(reply.prompt_tokens) + u64::from(reply.completion_tokens);
    assert_eq!(
        reply.budget_left,
        1_000 - used,
        "what was reserved and not used is given back"
    );
    // A call is refused for what it may take, not for what it takes.
    assert_eq!(
        ports.complete(id, request(&ports, "Hello", used + 50)).await,
        Err(ModelFault::Budget)
    );
    shop.house.clock.advance(Duration::from_secs(24 * 3600));
    assert!(
        ports.complete(id, request(&ports, "Hello", used + 120)).await.is_ok(),
        "the next day"
    );
}

#[tokio::test]
async fn what_no_model_can_take_costs_nothing() {
    let (_shop, id, ports) = ports().await;
    let other = ModelRequest {
        model: "none".into(),
        ..request(&ports, "Hello", 1_000)
    };
    assert!(matches!(
        ports.complete(id, other).await,
        Err(ModelFault::Unavailable(_))
    ));
    let context = u64::try_from(ports.models.models()[0].context_tokens).unwrap();
    let long = "word ".repeat(usize::try_from(context).unwrap());
    assert_eq!(
        ports.complete(id, request(&ports, &long, u64::MAX)).await,
        Err(ModelFault::TooLarge)
    );
    let reply = ports.complete(id, request(&ports, "Hello", 1_000)).await.unwrap();
    assert_eq!(
        reply.budget_left,
        1_000 - u64::from(reply.prompt_tokens + reply.completion_tokens)
    );
}

#[test]
fn days_begin_at_midnight_in_utc() {
    const DAY: i64 = 86_400_000;
    assert_eq!([-1, 0, DAY - 1, DAY].map(|at| day(Timestamp(at))), [-1, 0, 0, 1]);
}
