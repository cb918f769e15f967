//! Extensions: who may publish what, who has it, what it keeps, and what stays of it.

mod installations;
mod replies;
mod values;

use futures::future::join_all;
use serde_json::json;
use tavern_domain::extension::{
    Capability, Extension, ExtensionEvent, ExtensionFilter, ExtensionLog, ExtensionOrder, ExtensionVersion, Hook,
    Installation, KvScope, Outcome, PluginTrace, PreviousVersion, PublisherKey,
};
use tavern_domain::page::PageRequest;
use tavern_domain::{ExtensionId, ExtensionVersionId, GenerationId, InstallationId, Timestamp, UserId};
use tavern_storage::{
    ExtensionQuery, InstallOutcome, Publication, PublishOutcome, SealedSecret, SecretChange, Store, Switch,
    SwitchOutcome, ValueKey, ValueOutcome, ValueRoom, ValueWrite,
};
use uuid::Uuid;

use crate::support::{NOW, account, first, last, later, on_both, running, session, stored_session};

const ROOM: ValueRoom = ValueRoom { keys: 10, bytes: 1_000 };

fn key(id: &str) -> PublisherKey {
    PublisherKey {
        id: id.into(),
        public_key: format!("{id}=="),
        created_at: NOW,
        revoked_at: None,
    }
}

fn extension(owner: UserId, name: &str) -> Extension {
    Extension {
        id: ExtensionId::new(),
        name: name.into(),
        owner,
        title: format!("The {name}"),
        summary: "What it does".into(),
        killed: None,
        installs: 0,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn version(extension: ExtensionId, version: &str) -> ExtensionVersion {
    ExtensionVersion {
        id: ExtensionVersionId::new(),
        extension,
        version: version.into(),
        package_sha256: "ab".repeat(32),
        component_sha256: "cd".repeat(32),
        package_bytes: 7,
        manifest: json!({ "z": 1, "a": "☃" }),
        config_schema: Some(json!({ "type": "object" })),
        readme: "Read me".into(),
        report: json!({ "checks": [] }),
        key_id: "0123456789ABCDEF".into(),
        countersignature: "c2ln".into(),
        yanked: None,
        killed: None,
        created_at: NOW,
    }
}

/// What a publication is made of, to be changed.
struct Draft {
    publisher: &'static str,
    key: PublisherKey,
    extension: Extension,
    version: ExtensionVersion,
    hooks: Vec<Hook>,
    versions: u64,
}

impl Draft {
    fn new(owner: UserId, publisher: &'static str, name: &str, number: &str) -> Self {
        let extension = extension(owner, name);
        Self {
            publisher,
            key: key("A"),
            version: version(extension.id, number),
            extension,
            hooks: vec![Hook::Tool, Hook::BeforePrompt],
            versions: 0,
        }
    }

    async fn publish(&self, store: &Store) -> PublishOutcome {
        let words = format!("{} {}", self.extension.name, self.extension.title).to_lowercase();
        let publication = Publication {
            publisher: self.publisher,
            key: &self.key,
            extension: &self.extension,
            version: &self.version,
            api: "^0.1",
            hooks: &self.hooks,
            words: &words,
            versions: self.versions,
            max_publishers: 2,
        };
        store.extensions.publish(&publication).await.expect("no error")
    }
}

async fn published(store: &Store, owner: UserId, publisher: &'static str, name: &str) -> (Extension, ExtensionVersion) {
    let draft = Draft::new(owner, publisher, name, "1.0.0");
    let PublishOutcome::Published(extension) = draft.publish(store).await else {
        panic!("not published");
    };
    (extension, draft.version)
}

fn installation(owner: UserId, extension: &Extension, version: &ExtensionVersion) -> Installation {
    Installation {
        id: InstallationId::new(),
        owner,
        extension: extension.id,
        name: extension.name.clone(),
        version_id: version.id,
        version: version.version.clone(),
        version_req: "^1".into(),
        grants: vec![Capability::Persona, Capability::History(3)],
        config: json!({ "b": 1, "a": [2] }),
        enabled: true,
        priority: Some(-7),
        pending: None,
        previous: Vec::new(),
        disabled_reason: None,
        revision: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

async fn installed(store: &Store, owner: UserId) -> Installation {
    let (extension, version) = published(store, owner, "ann", "ann/one").await;
    let new = installation(owner, &extension, &version);
    let outcome = store.extensions.install(&new, &[], 10).await.expect("no error");
    assert_eq!(outcome, InstallOutcome::Installed);
    new
}

fn sealed(of: &Installation, name: &str, key_id: &str) -> SealedSecret {
    SealedSecret {
        installation: of.id,
        name: name.into(),
        key_id: key_id.into(),
        nonce: vec![1; 12],
        ciphertext: vec![0, 255, 7],
    }
}

fn at(key: &str) -> ValueKey {
    ValueKey {
        scope: KvScope::User,
        owner: "usr_1".into(),
        key: key.into(),
    }
}

fn put(key: &str, value: &[u8]) -> ValueWrite {
    ValueWrite {
        key: at(key),
        value: Some(value.to_vec()),
        expires_at: None,
        expected: None,
    }
}

async fn write(store: &Store, id: InstallationId, writes: &[ValueWrite]) -> ValueOutcome {
    write_as(store, id, "1.0.0", writes).await
}

async fn write_as(store: &Store, id: InstallationId, version: &str, writes: &[ValueWrite]) -> ValueOutcome {
    let written = store.extensions.write_values(id, version, writes, ROOM, NOW).await;
    written.expect("no error")
}

async fn seen(store: &Store, id: InstallationId) -> i64 {
    store.extensions.values_revision(id).await.expect("read")
}

/// The same installation with another version of the extension, in which the one before can be gone back to.
fn moved(one: &Installation, version: &str) -> Installation {
    let previous = PreviousVersion {
        version_id: one.version_id,
        version: one.version.clone(),
        grants: one.grants.clone(),
        config: one.config.clone(),
    };
    Installation {
        version_id: ExtensionVersionId::new(),
        version: version.into(),
        revision: one.revision + 1,
        previous: vec![previous],
        ..one.clone()
    }
}

/// Versions and values of these keys.
async fn read(store: &Store, id: InstallationId, keys: &[&str]) -> Vec<Option<(i64, Vec<u8>)>> {
    let keys: Vec<_> = keys.iter().map(|key| at(key)).collect();
    let found = store.extensions.values(id, &keys, NOW).await.expect("read");
    found
        .into_iter()
        .map(|value| value.map(|value| (value.version, value.value)))
        .collect()
}

fn line(message: &str, at: Timestamp) -> ExtensionLog {
    ExtensionLog {
        id: Uuid::now_v7(),
        at,
        event: ExtensionEvent::Log {
            level: "info".into(),
            message: message.into(),
            fields: vec![("k".into(), "v".into())],
        },
    }
}

fn trace(version: &str) -> PluginTrace {
    PluginTrace {
        extension: "ann/one".into(),
        version: version.into(),
        hook: Hook::Tool,
        outcome: Outcome::OutOfFuel,
        edits: 1,
        notes: vec!["n".into()],
        fuel: u64::MAX,
        micros: 2,
        memory: 3,
        host_calls: 4,
        log: vec!["l".into()],
    }
}

async fn names(store: &Store, order: ExtensionOrder, page: PageRequest) -> (Vec<String>, Vec<String>) {
    let query = ExtensionQuery {
        filter: ExtensionFilter::default(),
        order,
        page,
    };
    let page = store.extensions.list(&query).await.expect("listed");
    page.items
        .into_iter()
        .map(|item| (item.extension.name, item.cursor))
        .unzip()
}

on_both! {
    async fn what_is_published_comes_back_as_it_was(store: Store) {
        let owner = account(&store, "ann").await.id;
        let (extension, version) = published(&store, owner, "ann", "ann/one").await;
        assert_eq!(store.extensions.by_name("ann/one").await.expect("read").as_ref(), Some(&extension));
        assert_eq!(store.extensions.by_name("ann/two").await.expect("read"), None);
        assert_eq!(store.extensions.by_ids(&[ExtensionId::new(), extension.id]).await.expect("read"), [extension]);
        assert_eq!(store.extensions.versions(&[version.id]).await.expect("read"), [version]);
        let publisher = store.extensions.publisher("ann").await.expect("read").expect("claimed");
        assert_eq!((publisher.owner, publisher.keys), (owner, vec![key("A")]));
    }

    async fn a_name_belongs_to_whom_it_was_claimed_by(store: Store) {
        let (ann, bob) = (account(&store, "ann").await.id, account(&store, "bob").await.id);
        published(&store, ann, "ann", "ann/one").await;
        assert_eq!(Draft::new(bob, "ann", "ann/two", "1.0.0").publish(&store).await, PublishOutcome::NameTaken);
        assert_eq!(store.extensions.by_name("ann/two").await.expect("read"), None);
        for (publisher, name) in [("bob", "bob/one"), ("rob", "rob/one")] {
            published(&store, bob, publisher, name).await;
        }
        assert_eq!(Draft::new(bob, "bobby", "bobby/one", "1.0.0").publish(&store).await, PublishOutcome::TooManyPublishers);
        assert_eq!(store.extensions.publisher("bobby").await.expect("read"), None);
    }

    async fn only_a_registered_key_that_holds_signs(store: Store) {
        let ann = account(&store, "ann").await.id;
        published(&store, ann, "ann", "ann/one").await;
        let with = |id| Draft { key: key(id), ..Draft::new(ann, "ann", "ann/two", "1.0.0") };
        assert_eq!(with("B").publish(&store).await, PublishOutcome::KeyUnknown);
        let other = Draft { key: PublisherKey { public_key: "other".into(), ..key("A") }, ..with("A") };
        assert_eq!(other.publish(&store).await, PublishOutcome::KeyUnknown);
        assert!(store.extensions.add_key("ann", &key("B"), 2).await.expect("added"));
        assert!(!store.extensions.add_key("ann", &key("B"), 3).await.expect("no error"), "it is there");
        assert!(!store.extensions.add_key("ann", &key("C"), 2).await.expect("no error"), "there are two");
        assert!(store.extensions.revoke_key("ann", "A", later(1)).await.expect("revoked"));
        assert!(!store.extensions.revoke_key("ann", "A", later(2)).await.expect("no error"));
        assert_eq!(with("A").publish(&store).await, PublishOutcome::KeyUnknown);
        assert!(matches!(with("B").publish(&store).await, PublishOutcome::Published(_)));
    }

    async fn of_two_versions_published_at_once_one_is_compared_with_the_other(store: Store) {
        let ann = account(&store, "ann").await.id;
        let (extension, one) = published(&store, ann, "ann", "ann/one").await;
        let drafts: Vec<_> = ["1.1.0", "1.2.0", "1.3.0"].into_iter().map(|number| {
            let mut draft = Draft { versions: 1, ..Draft::new(ann, "ann", "ann/one", number) };
            draft.version.extension = extension.id;
            draft.extension.title = number.into();
            draft.extension.updated_at = later(5);
            draft
        }).collect();
        let outcomes = join_all(drafts.iter().map(|draft| draft.publish(&store))).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == PublishOutcome::Raced).count(), 2);
        let heads = store.extensions.version_heads(extension.id).await.expect("read");
        assert_eq!((heads.len(), heads[0].id), (2, one.id));
        let now = store.extensions.by_name("ann/one").await.expect("read").expect("there");
        assert_eq!((now.id, now.created_at, now.updated_at), (extension.id, NOW, later(5)));
        assert_eq!(now.title, heads[1].version);
    }

    async fn what_is_yanked_or_killed_is_not_usable(store: Store) {
        let ann = account(&store, "ann").await.id;
        let (extension, version) = published(&store, ann, "ann", "ann/one").await;
        let usable = async || store.extensions.version_heads(extension.id).await.expect("read")[0].usable;
        assert!(usable().await);
        assert!(store.extensions.yank(version.id, Some("bad".into())).await.expect("yanked"));
        assert!(!usable().await);
        assert!(store.extensions.yank(version.id, None).await.expect("taken back"));
        assert!(!store.extensions.yank(ExtensionVersionId::new(), None).await.expect("no error"));
        store.extensions.kill(extension.id, Some(version.id), Some("worse".into())).await.expect("killed");
        assert!(!usable().await);
        assert_eq!(store.extensions.versions(&[version.id]).await.expect("read")[0].killed.as_deref(), Some("worse"));
    }

    async fn lists_page_both_ways_in_every_order(store: Store) {
        let (ann, bob) = (account(&store, "ann").await.id, account(&store, "bob").await.id);
        let mut all = Vec::new();
        for (index, name) in ["ann/c", "ann/a", "ann/b"].into_iter().enumerate() {
            let mut draft = Draft::new(ann, "ann", name, "1.0.0");
            draft.extension.created_at = later(index as i64);
            draft.extension.updated_at = later(-(index as i64));
            draft.publish(&store).await;
            all.push(draft);
        }
        for (owner, draft) in [(ann, &all[1]), (bob, &all[1]), (bob, &all[2])] {
            let new = installation(owner, &draft.extension, &draft.version);
            store.extensions.install(&new, &[], 10).await.expect("installed");
        }
        for (order, expected) in [
            (ExtensionOrder::Popular, ["ann/a", "ann/b", "ann/c"]),
            (ExtensionOrder::New, ["ann/b", "ann/a", "ann/c"]),
            (ExtensionOrder::Updated, ["ann/c", "ann/a", "ann/b"]),
            (ExtensionOrder::Name, ["ann/a", "ann/b", "ann/c"]),
        ] {
            let (found, cursors) = names(&store, order, first(10, None)).await;
            assert_eq!(found, expected, "{order:?}");
            assert_eq!(names(&store, order, first(1, Some(&cursors[0]))).await.0, expected[1..2], "{order:?}");
            assert_eq!(names(&store, order, last(1, Some(&cursors[2]))).await.0, expected[1..2], "{order:?}");
        }
        let (_, cursors) = names(&store, ExtensionOrder::Name, first(1, None)).await;
        let wrong = ExtensionQuery { filter: ExtensionFilter::default(), order: ExtensionOrder::New, page: first(1, Some(&cursors[0])) };
        assert!(store.extensions.list(&wrong).await.is_err(), "a cursor of another order");
    }

    async fn lists_are_filtered_by_words_publisher_and_hook(store: Store) {
        let (ann, bob) = (account(&store, "ann").await.id, account(&store, "bob").await.id);
        published(&store, ann, "ann", "ann/one_half").await;
        published(&store, ann, "ann", "ann/oneshalf").await;
        let mut draft = Draft::new(bob, "bob", "bob/two", "1.0.0");
        draft.hooks = vec![Hook::StreamFilter];
        draft.publish(&store).await;
        let count = async |filter: ExtensionFilter| store.extensions.count(&filter).await.expect("counted");
        let words = |words: &str| ExtensionFilter { query: Some(words.into()), ..ExtensionFilter::default() };
        assert_eq!(count(ExtensionFilter::default()).await, 3);
        assert_eq!(count(words("the  one")).await, 2);
        assert_eq!(count(words("one_h")).await, 1, "a line is no wildcard");
        assert_eq!(count(words("%")).await, 0, "nor is a per cent sign");
        assert_eq!(count(ExtensionFilter { publisher: Some("bob".into()), ..ExtensionFilter::default() }).await, 1);
        assert_eq!(count(ExtensionFilter { hook: Some(Hook::Tool), ..ExtensionFilter::default() }).await, 2);
        assert_eq!(count(ExtensionFilter { hook: Some(Hook::Lifecycle), ..ExtensionFilter::default() }).await, 0);
    }

    async fn what_is_stopped_and_which_packages_are_published_is_told(store: Store) {
        let ann = account(&store, "ann").await.id;
        let (one, version) = published(&store, ann, "ann", "ann/one").await;
        let (two, _) = published(&store, ann, "ann", "ann/two").await;
        assert_eq!(store.extensions.publishers_of(ann).await.expect("counted"), 1);
        assert!(store.extensions.is_published(&version.package_sha256).await.expect("read"));
        assert!(!store.extensions.is_published("00").await.expect("read"));
        assert_eq!(store.extensions.killed().await.expect("read"), [""; 0]);
        store.extensions.kill(one.id, Some(version.id), Some("bad".into())).await.expect("killed");
        store.extensions.kill(two.id, None, Some("bad".into())).await.expect("killed");
        let mut killed = store.extensions.killed().await.expect("read");
        killed.sort();
        assert_eq!(killed, [format!("ann/one@{}", version.version), "ann/two".to_owned()]);
    }
}
