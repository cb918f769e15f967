//! What extensions write: kept with an accepted result, and with nothing else.

use async_trait::async_trait;
use tavern_domain::extension::KvScope;
use tokio::sync::Notify;

use super::*;
use crate::ports::{
    KvEntry, KvFault, KvKey, KvWrite, MemoryPorts, ModelFault, ModelReply, ModelRequest, Ports, Secret,
};
use crate::testing::scripted::WRITES;

fn key(member: &Member) -> KvKey {
    KvKey {
        installation: member.installation,
        scope: KvScope::Installation,
        owner: String::new(),
        key: "k".into(),
    }
}

#[tokio::test]
async fn what_is_written_is_kept_with_an_accepted_result_alone() {
    let house = House::new();
    let wrote = |act: Act| before(vec![act]);
    let granted = ["kv:installation"];
    let accepted = extension(&house, "test/a", &granted, &wrote(Act::Both(WRITES, json!({"ok": []}))));
    let trapped = extension(&house, "test/b", &granted, &wrote(Act::Run(TRAPS_AFTER_WRITING)));
    let too_many = vec![note("x", 0); house.host.settings().limits.edits + 1];
    let refused = extension(
        &house,
        "test/c",
        &granted,
        &wrote(Act::Both(WRITES, json!({ "ok": too_many }))),
    );
    let keys: Vec<_> = [&accepted, &trapped, &refused].map(key).into();
    let mut hooks = hooks(&house, vec![accepted, trapped, refused]);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::Ok, Outcome::Trap, Outcome::OutputInvalid]);
    let values = house.ports.values.lock();
    let kept: Vec<_> = keys.iter().map(|key| values.contains_key(key)).collect();
    assert_eq!(kept, [true, false, false]);
}

const TRAPS_AFTER_WRITING: &str = "(i32.store8 (i32.const 16) (i32.const 107))
  (call $set (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 16) (i32.const 1)
    (i32.const 0) (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 32)) unreachable";

#[tokio::test]
async fn writes_that_cannot_be_kept_are_a_failure_that_says_why() {
    let house = House::new();
    let member = extension(&house, "test/a", &[], &before(vec![ok(json!([]))]));
    let write = KvWrite {
        key: key(&member),
        value: Some(b"v".to_vec()),
        expires_at: None,
        expected: Some(3),
    };
    let facts = facts();
    let runner = runner(&house.host, &facts);
    let kept = runner.commit(&member, vec![write]).await;
    let failure = kept.expect_err("there is no version 3");
    assert_eq!(failure.outcome, Outcome::HostError, "the extension is not at fault");
    assert!(
        failure.message.contains("changed by somebody else"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn writes_of_a_version_that_was_replaced_are_refused_and_nothing_of_the_result_is_used() {
    let house = House::new();
    let act = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![act]));
    *house.ports.installed.lock() = Some("2.0.0".into());
    let mut hooks = hooks(&house, vec![member]);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::HostError], "the extension is not at fault");
    let trace = &hooks.traces()[0];
    assert!(
        trace.notes.iter().any(|note| note.contains("another version")),
        "{trace:?}"
    );
    assert!(house.ports.values.lock().is_empty());
}

#[tokio::test]
async fn a_look_at_a_prompt_writes_nothing_and_tells_nobody() {
    let house = House::new();
    let act = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![act]));
    let facts = TurnFacts {
        dry_run: true,
        ..facts()
    };
    let mut hooks = house.host.turn(Arc::new(Chain::new(vec![member])), facts);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::Ok]);
    assert!(house.ports.values.lock().is_empty());
    assert!(house.ports.events.lock().is_empty());
}

/// A store that says when it begins to keep values, and waits before it does.
struct Slow {
    ports: Arc<MemoryPorts>,
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

#[async_trait]
impl Ports for Slow {
    async fn kv_get(&self, keys: Vec<KvKey>) -> Result<Vec<Option<KvEntry>>, KvFault> {
        self.ports.kv_get(keys).await
    }

    async fn kv_keys(&self, prefix: KvKey, after: Option<String>, limit: u32) -> Result<Vec<String>, KvFault> {
        self.ports.kv_keys(prefix, after, limit).await
    }

    async fn kv_commit(
        &self,
        installation: InstallationId,
        version: &str,
        writes: Vec<KvWrite>,
    ) -> Result<(), KvFault> {
        self.begun.notify_one();
        self.go_on.notified().await;
        self.ports.kv_commit(installation, version, writes).await?;
        self.begun.notify_one();
        Ok(())
    }

    async fn secret_names(&self, installation: InstallationId) -> Vec<String> {
        self.ports.secret_names(installation).await
    }

    async fn secret(&self, installation: InstallationId, version: &str, name: &str) -> Option<Secret> {
        self.ports.secret(installation, version, name).await
    }

    async fn complete(&self, installation: InstallationId, request: ModelRequest) -> Result<ModelReply, ModelFault> {
        self.ports.complete(installation, request).await
    }

    fn emit(&self, installation: InstallationId, event: ExtensionEvent) {
        self.ports.emit(installation, event);
    }
}

#[tokio::test]
async fn values_that_are_being_kept_are_kept_though_nobody_waits_any_more() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = |ports| Slow {
        ports,
        begun: Arc::clone(&begun),
        go_on: Arc::clone(&go_on),
    };
    let house = House::with_ports(|_| {}, |ports| Arc::new(slow(ports)));
    let writes = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![writes]));
    let key = key(&member);
    {
        let mut hooks = hooks(&house, vec![member]);
        tokio::select! {
            _ = hooks.before_prompt(&[]) => panic!("it waits for the store"),
            () = begun.notified() => {}
        }
    }
    assert!(!house.ports.values.lock().contains_key(&key));
    go_on.notify_one();
    let kept = tokio::time::timeout(Duration::from_secs(30), begun.notified());
    kept.await.expect("it is kept");
    assert!(house.ports.values.lock().contains_key(&key));
}

#[tokio::test]
async fn a_result_is_used_if_its_values_are_kept_however_late() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = |ports| Slow {
        ports,
        begun: Arc::clone(&begun),
        go_on: Arc::clone(&go_on),
    };
    let chain = Duration::from_secs(2);
    let house = House::with_ports(
        |settings| settings.limits.wall_chain_ms = 2_000,
        |ports| Arc::new(slow(ports)),
    );
    let writes = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![writes]));
    let key = key(&member);
    let mut hooks = hooks(&house, vec![member]);
    let late = async {
        begun.notified().await;
        tokio::time::sleep(chain).await;
        go_on.notify_one();
    };
    let (_, ()) = tokio::join!(hooks.before_prompt(&[]), late);
    assert_eq!(outcomes(&hooks), [Outcome::Ok]);
    assert!(house.ports.values.lock().contains_key(&key));
}
