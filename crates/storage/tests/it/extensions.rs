//! Extensions: who may publish what, who has it, what it keeps, and what stays of it.

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

    async fn an_installation_comes_back_as_it_was_stored_and_changes_from_the_revision_named(store: Store) {
        let ann = account(&store, "ann").await.id;
        let mut one = installed(&store, ann).await;
        assert_eq!(store.extensions.installed_by(ann).await.expect("read"), [one.clone()]);
        assert_eq!(store.extensions.running(ann).await.expect("read").len(), 1);
        one.revision = 2;
        one.pending = Some(ExtensionVersionId::new());
        one.enabled = false;
        one.disabled_reason = Some("why".into());
        one.previous = vec![PreviousVersion { version_id: one.version_id, version: "0.1.0".into(), grants: vec![Capability::Kv(KvScope::User)], config: json!({}) }];
        assert!(!store.extensions.change_installation(&one, 2, &[]).await.expect("no error"));
        assert!(store.extensions.change_installation(&one, 1, &[]).await.expect("changed"));
        assert_eq!(store.extensions.installations(&[one.id, InstallationId::new()]).await.expect("read"), [one.clone()]);
        assert_eq!(store.extensions.running(ann).await.expect("read"), []);
    }

    async fn an_account_has_an_extension_once_and_no_more_than_it_may(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        let again = Installation { id: InstallationId::new(), ..one.clone() };
        assert_eq!(store.extensions.install(&again, &[], 10).await.expect("no error"), InstallOutcome::Exists);
        let (extension, version) = published(&store, ann, "ann", "ann/two").await;
        let two = installation(ann, &extension, &version);
        assert_eq!(store.extensions.install(&two, &[], 1).await.expect("no error"), InstallOutcome::Full);
        assert_eq!(store.extensions.install(&two, &[], 2).await.expect("no error"), InstallOutcome::Installed);
    }

    async fn many_who_install_at_once_get_one(store: Store) {
        let ann = account(&store, "ann").await.id;
        let (extension, version) = published(&store, ann, "ann", "ann/one").await;
        let installs = (0..6).map(|_| {
            let (store, new) = (store.clone(), installation(ann, &extension, &version));
            async move { store.extensions.install(&new, &[], 10).await.expect("no error") }
        });
        let outcomes = join_all(installs).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == InstallOutcome::Installed).count(), 1);
    }

    async fn what_is_killed_does_not_run_wherever_it_is_installed(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        let runs = async || !store.extensions.running(ann).await.expect("read").is_empty();
        store.extensions.kill(one.extension, None, Some("bad".into())).await.expect("killed");
        assert!(!runs().await);
        store.extensions.kill(one.extension, None, None).await.expect("revived");
        assert!(runs().await);
        store.extensions.kill(one.extension, Some(one.version_id), Some("bad".into())).await.expect("killed");
        assert!(!runs().await);
    }

    async fn what_is_switched_off_says_why_and_once(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        let off = store.extensions.disable(one.id, "It fails.", later(1)).await.expect("no error").expect("switched off");
        assert_eq!((off.enabled, off.disabled_reason.as_deref(), off.revision), (false, Some("It fails."), 2));
        assert_eq!(store.extensions.disable(one.id, "Again.", later(2)).await.expect("no error"), None);
    }

    async fn what_runs_is_known_by_when_its_owners_chatted_and_by_how_many_have_it(store: Store) {
        let (ann, bob) = (account(&store, "ann").await.id, account(&store, "bob").await.id);
        let (one, first) = published(&store, ann, "ann", "ann/one").await;
        let (two, second) = published(&store, ann, "ann", "ann/two").await;
        for (owner, extension, version) in [(ann, &one, &first), (bob, &two, &second)] {
            let new = installation(owner, extension, version);
            store.extensions.install(&new, &[], 10).await.expect("installed");
        }
        stored_session(&store, bob).await;
        let recent = async |limit| store.extensions.recently_run(limit).await.expect("read");
        let (first, second) = ((first.id, one.name.clone()), (second.id, two.name.clone()));
        assert_eq!(recent(10).await, [second.clone(), first.clone()]);
        assert_eq!(recent(1).await, [second]);
        store.extensions.kill(two.id, None, Some("bad".into())).await.expect("killed");
        assert_eq!(recent(10).await, [first]);

        let names = async |at_least, limit| store.extensions.names_with_installs(at_least, limit).await.expect("read");
        assert_eq!(names(2, 10).await, [""; 0]);
        let version = store.extensions.newest(&[two.id]).await.expect("read").remove(0);
        store.extensions.install(&installation(ann, &two, &version), &[], 10).await.expect("installed");
        assert_eq!(names(2, 10).await, ["ann/two"]);
        assert_eq!(names(1, 10).await, ["ann/two", "ann/one"]);
        assert_eq!(names(1, 1).await, ["ann/two"]);
    }

    async fn secrets_of_all_come_batch_by_batch(store: Store) {
        let ann = account(&store, "ann").await.id;
        let mut all = Vec::new();
        for name in ["ann/one", "ann/two"] {
            let (extension, version) = published(&store, ann, "ann", name).await;
            let new = installation(ann, &extension, &version);
            let secrets = [sealed(&new, "a", "key"), sealed(&new, "b", "key")];
            store.extensions.install(&new, &secrets, 10).await.expect("installed");
            all.extend(secrets);
        }
        all.sort_by_key(|secret| (secret.installation, secret.name.clone()));
        for limit in [1, 3, 10] {
            let mut found: Vec<SealedSecret> = Vec::new();
            loop {
                let after = found.last().map(|last| (last.installation, last.name.as_str()));
                let next = store.extensions.all_secrets(after, limit).await.expect("read");
                if next.is_empty() {
                    break;
                }
                assert!(next.len() <= limit as usize);
                found.extend(next);
            }
            assert_eq!(found, all, "{limit} at once");
        }
    }

    async fn secrets_are_set_cleared_resealed_and_gone_with_their_installation(store: Store) {
        let ann = account(&store, "ann").await.id;
        let mut one = installed(&store, ann).await;
        let changes = [SecretChange::Set(sealed(&one, "b", "old")), SecretChange::Set(sealed(&one, "a", "new"))];
        one.revision = 2;
        assert!(store.extensions.change_installation(&one, 1, &changes).await.expect("changed"));
        assert_eq!(store.extensions.secret_names(&[one.id]).await.expect("read"), [(one.id, "a".into()), (one.id, "b".into())]);
        let old = store.extensions.secrets_of_other_keys("new", 10).await.expect("read").remove(0);
        assert_eq!(old, sealed(&one, "b", "old"));
        let new = SealedSecret { key_id: "new".into(), nonce: vec![2; 12], ..old.clone() };
        assert!(store.extensions.reseal(&old, &new).await.expect("resealed"));
        assert!(!store.extensions.reseal(&old, &new).await.expect("no error"), "it is another by now");
        assert_eq!(store.extensions.secret(one.id, "1.0.0", "b").await.expect("read"), Some(new));
        one.revision = 3;
        assert!(store.extensions.change_installation(&one, 2, &[SecretChange::Clear("a".into())]).await.expect("changed"));
        assert_eq!(store.extensions.secret(one.id, "1.0.0", "a").await.expect("read"), None);
        assert!(store.extensions.uninstall(one.id).await.expect("gone"));
        assert_eq!(store.extensions.secret(one.id, "1.0.0", "b").await.expect("read"), None);
    }

    async fn values_have_versions_that_writes_can_insist_on(store: Store) {
        let ann = account(&store, "ann").await.id;
        let id = installed(&store, ann).await.id;
        assert_eq!(write(&store, id, &[put("a", b"1"), put("b", &[0, 255])]).await, ValueOutcome::Written);
        assert_eq!(write(&store, id, &[put("a", b"2")]).await, ValueOutcome::Written);
        assert_eq!(read(&store, id, &["a", "c", "b"]).await, [Some((2, b"2".to_vec())), None, Some((1, vec![0, 255]))]);
        let insist = |expected| ValueWrite { expected: Some(expected), ..put("a", b"3") };
        assert_eq!(write(&store, id, &[put("b", b"lost"), insist(1)]).await, ValueOutcome::Conflict);
        assert_eq!(write(&store, id, &[insist(0)]).await, ValueOutcome::Conflict);
        assert_eq!(read(&store, id, &["b"]).await, [Some((1, vec![0, 255]))], "all or nothing");
        assert_eq!(write(&store, id, &[insist(2)]).await, ValueOutcome::Written);
        let gone = ValueWrite { value: None, ..put("a", b"") };
        assert_eq!(write(&store, id, &[gone.clone(), gone]).await, ValueOutcome::Written);
        assert_eq!(read(&store, id, &["a"]).await, [None]);
        assert_eq!(write(&store, id, &[insist(0)]).await, ValueOutcome::Written, "it is as if it had never been");
        let elsewhere = ValueKey { owner: "ses_2".into(), ..at("a") };
        assert_eq!(store.extensions.values(id, &[elsewhere], NOW).await.expect("read"), [None]);
        assert_eq!(write(&store, InstallationId::new(), &[put("a", b"")]).await, ValueOutcome::Gone);
    }

    async fn of_many_who_insist_on_a_version_one_writes(store: Store) {
        let ann = account(&store, "ann").await.id;
        let id = installed(&store, ann).await.id;
        let writes = (0..6).map(|number| {
            let store = store.clone();
            let insist = ValueWrite { expected: Some(0), ..put("a", &[number]) };
            async move { write(&store, id, &[insist]).await }
        });
        let outcomes = join_all(writes).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == ValueOutcome::Written).count(), 1);
    }

    async fn an_installation_keeps_no_more_than_it_has_room_for(store: Store) {
        let ann = account(&store, "ann").await.id;
        let id = installed(&store, ann).await.id;
        let many: Vec<_> = (0..10).map(|number| put(&number.to_string(), b"")).collect();
        assert_eq!(write(&store, id, &many).await, ValueOutcome::Written, "ten keys");
        assert_eq!(write(&store, id, &[put("x", b"")]).await, ValueOutcome::Full, "eleven");
        assert_eq!(write(&store, id, &[put("0", &[0; 990])]).await, ValueOutcome::Written, "1,000 bytes");
        assert_eq!(write(&store, id, &[put("0", &[0; 991])]).await, ValueOutcome::Full, "1,001");
        assert_eq!(read(&store, id, &["0", "x"]).await, [Some((2, vec![0; 990])), None]);
        let swap = [ValueWrite { value: None, ..put("1", b"") }, put("x", b"")];
        assert_eq!(write(&store, id, &swap).await, ValueOutcome::Written, "one goes, one comes");
    }

    async fn what_has_expired_is_gone_and_takes_no_room(store: Store) {
        let ann = account(&store, "ann").await.id;
        let id = installed(&store, ann).await.id;
        let short: Vec<_> = (0..10).map(|number| ValueWrite { expires_at: Some(later(10)), ..put(&number.to_string(), b"v") }).collect();
        assert_eq!(write(&store, id, &short).await, ValueOutcome::Written);
        assert!(store.extensions.values(id, &[at("0")], later(9)).await.expect("read")[0].is_some());
        assert_eq!(store.extensions.values(id, &[at("0")], later(10)).await.expect("read"), [None]);
        assert_eq!(store.extensions.value_keys(id, &at(""), None, 100, later(10)).await.expect("read"), [""; 0]);
        let anew = ValueWrite { expected: Some(0), ..put("0", b"w") };
        let wrote = store.extensions.write_values(id, "1.0.0", &[anew, put("x", b"")], ROOM, later(10)).await;
        assert_eq!(wrote.expect("no error"), ValueOutcome::Written);
        let again = store.extensions.values(id, &[at("0")], later(10)).await.expect("read")[0].clone().expect("there");
        assert_eq!((again.version, again.expires_at), (1, None));
        assert_eq!(store.extensions.sweep_values(later(9)).await.expect("swept"), 0);
        assert_eq!(store.extensions.sweep_values(later(10)).await.expect("swept"), 9);
    }

    async fn keys_come_in_the_order_of_their_bytes(store: Store) {
        let ann = account(&store, "ann").await.id;
        let id = installed(&store, ann).await.id;
        let keys = ["b", "B", "ä", "a\u{10ffff}", "a\0", "a", "aa", "\u{10ffff}"];
        let writes: Vec<_> = keys.iter().map(|key| put(key, b"")).collect();
        assert_eq!(write(&store, id, &writes).await, ValueOutcome::Written);
        let list = async |prefix: &str, after: Option<&str>, limit| {
            store.extensions.value_keys(id, &at(prefix), after, limit, NOW).await.expect("listed")
        };
        assert_eq!(list("", None, 100).await, ["B", "a", "a\0", "aa", "a\u{10ffff}", "b", "ä", "\u{10ffff}"]);
        assert_eq!(list("a", None, 3).await, ["a", "a\0", "aa"]);
        assert_eq!(list("a", Some("aa"), 3).await, ["a\u{10ffff}"]);
        assert_eq!(list("a", Some("B"), 1).await, ["a"], "what comes after is within what begins so");
        assert_eq!(list("a", Some("b"), 1).await, [""; 0]);
        assert_eq!(list("c", None, 1).await, [""; 0]);
    }

    async fn an_upgrade_keeps_the_values_and_a_rollback_brings_them_back(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        write(&store, one.id, &[put("a", b"1"), put("b", b"1")]).await;
        let (v1, v2) = (one.version_id, ExtensionVersionId::new());
        let previous = PreviousVersion { version_id: v1, version: "1.0.0".into(), grants: one.grants.clone(), config: one.config.clone() };
        let two = Installation { version_id: v2, version: "2.0.0".into(), revision: 2, previous: vec![previous], ..one.clone() };
        let up = |writes: Vec<ValueWrite>| Switch::Upgrade { keep: v1, seen: 1, writes, room: ROOM, now: NOW };
        let clash = up(vec![put("a", b"lost"), ValueWrite { expected: Some(7), ..put("b", b"lost") }]);
        let refused = store.extensions.switch(&two, 1, &[], &clash).await.expect("no error");
        assert_eq!(refused, SwitchOutcome::Refused(ValueOutcome::Conflict));
        assert_eq!(store.extensions.installations(&[one.id]).await.expect("read"), std::slice::from_ref(&one), "nothing has changed");
        let changed = store.extensions.switch(&two, 7, &[], &up(Vec::new())).await.expect("no error");
        assert_eq!(changed, SwitchOutcome::Changed);
        let moved = up(vec![put("a", b"2"), ValueWrite { value: None, ..put("b", b"") }, put("c", b"2")]);
        let secrets = [SecretChange::Set(sealed(&one, "s", "k"))];
        assert_eq!(store.extensions.switch(&two, 1, &secrets, &moved).await.expect("no error"), SwitchOutcome::Switched);
        assert_eq!(read(&store, one.id, &["a", "b", "c"]).await, [Some((2, b"2".to_vec())), None, Some((1, b"2".to_vec()))]);
        let secret = async |version: &str| store.extensions.secret(one.id, version, "s").await.expect("read");
        assert!(secret("2.0.0").await.is_some());
        assert_eq!(secret("1.0.0").await, None, "what was set for a version is not for the one before");
        let back = Installation { revision: 3, ..one.clone() };
        assert_eq!(store.extensions.switch(&back, 2, &[], &Switch::Rollback(v1)).await.expect("no error"), SwitchOutcome::Switched);
        assert_eq!(read(&store, one.id, &["a", "b", "c"]).await, [Some((1, b"1".to_vec())), Some((1, b"1".to_vec())), None]);
        assert_eq!(store.extensions.installations(&[one.id]).await.expect("read"), std::slice::from_ref(&back));
        // What was kept is used up: the same way again begins anew.
        let again = Installation { revision: 4, ..two };
        let up = Switch::Upgrade { keep: v1, seen: seen(&store, one.id).await, writes: Vec::new(), room: ROOM, now: NOW };
        assert_eq!(store.extensions.switch(&again, 3, &[], &up).await.expect("no error"), SwitchOutcome::Switched);
    }

    async fn values_are_written_by_the_version_that_is_installed_alone(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        write(&store, one.id, &[put("a", b"1")]).await;
        let two = moved(&one, "2.0.0");
        let up = Switch::Upgrade { keep: one.version_id, seen: seen(&store, one.id).await, writes: vec![put("a", b"2")], room: ROOM, now: NOW };
        assert_eq!(store.extensions.switch(&two, 1, &[], &up).await.expect("no error"), SwitchOutcome::Switched);
        assert_eq!(write_as(&store, one.id, "1.0.0", &[put("a", b"1")]).await, ValueOutcome::OtherVersion);
        assert_eq!(read(&store, one.id, &["a"]).await, [Some((2, b"2".to_vec()))]);
        assert_eq!(write_as(&store, one.id, "2.0.0", &[put("a", b"2+")]).await, ValueOutcome::Written);
        let back = Installation { revision: 3, ..one.clone() };
        store.extensions.switch(&back, 2, &[], &Switch::Rollback(one.version_id)).await.expect("no error");
        assert_eq!(write_as(&store, one.id, "2.0.0", &[put("a", b"2")]).await, ValueOutcome::OtherVersion);
        assert_eq!(read(&store, one.id, &["a"]).await, [Some((1, b"1".to_vec()))]);
    }

    async fn values_that_were_written_while_they_were_moved_are_not_lost(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        write(&store, one.id, &[put("a", b"1")]).await;
        let two = moved(&one, "2.0.0");
        let up = |seen| Switch::Upgrade { keep: one.version_id, seen, writes: vec![put("a", b"moved")], room: ROOM, now: NOW };
        let read_before = seen(&store, one.id).await;
        write(&store, one.id, &[put("a", b"newer")]).await;
        assert_eq!(store.extensions.switch(&two, 1, &[], &up(read_before)).await.expect("no error"), SwitchOutcome::ValuesChanged);
        assert_eq!(read(&store, one.id, &["a"]).await, [Some((2, b"newer".to_vec()))]);
        assert_eq!(store.extensions.installations(&[one.id]).await.expect("read"), std::slice::from_ref(&one));
        // What was refused was not a write.
        let read_after = seen(&store, one.id).await;
        assert_eq!(write(&store, one.id, &[ValueWrite { expected: Some(9), ..put("a", b"x") }]).await, ValueOutcome::Conflict);
        assert_eq!(store.extensions.switch(&two, 1, &[], &up(read_after)).await.expect("no error"), SwitchOutcome::Switched);
    }

    async fn a_fork_begins_with_what_is_kept_for_its_source_where_there_is_room(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        let chat = stored_session(&store, ann).await.id;
        let of = |chat: tavern_domain::SessionId, key: &str| ValueKey { scope: KvScope::Chat, owner: chat.to_string(), key: key.into() };
        let kept = |key: &str| ValueWrite { key: of(chat, key), ..put(key, b"v") };
        let expired = ValueWrite { expires_at: Some(NOW), ..kept("gone") };
        let writes = [kept("a"), kept("b"), put("c", b"v"), expired];
        assert_eq!(write(&store, one.id, &writes).await, ValueOutcome::Written);
        let revision = seen(&store, one.id).await;
        // Three are kept, and two more for each fork.
        for (keys, copied) in [(5, true), (6, false), (7, true)] {
            let fork = session(ann, &[]);
            let room = ValueRoom { keys, ..ROOM };
            store.chats.fork(&fork, &[], None, chat, room).await.expect("stored");
            let found = store.extensions.values(one.id, &[of(fork.id, "a"), of(fork.id, "b"), of(fork.id, "gone")], NOW).await.expect("read");
            assert_eq!(found.iter().map(|value| value.as_ref().map(|value| value.version)).collect::<Vec<_>>(), [copied.then_some(1), copied.then_some(1), None], "{keys}");
            store.chats.delete(fork.id).await.expect("deleted");
            if copied {
                let fork = session(ann, &[]);
                store.chats.fork(&fork, &[], None, chat, ROOM).await.expect("stored");
            }
        }
        assert!(seen(&store, one.id).await > revision, "who moves values sees that there are more");
    }

    async fn of_a_chat_nothing_is_kept_when_it_goes(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        let (chat, other) = (stored_session(&store, ann).await.id, stored_session(&store, ann).await.id);
        let of = |chat: &tavern_domain::SessionId| ValueWrite { key: ValueKey { scope: KvScope::Chat, owner: chat.to_string(), key: "k".into() }, ..put("k", b"v") };
        let keys = [of(&chat).key, of(&other).key, at("a")];
        assert_eq!(write(&store, one.id, &[of(&chat), of(&other), put("a", b"1")]).await, ValueOutcome::Written);
        let there = async || {
            let found = store.extensions.values(one.id, &keys, NOW).await.expect("read");
            found.iter().map(Option::is_some).collect::<Vec<_>>()
        };
        let two = moved(&one, "2.0.0");
        let up = Switch::Upgrade { keep: one.version_id, seen: seen(&store, one.id).await, writes: Vec::new(), room: ROOM, now: NOW };
        assert_eq!(store.extensions.switch(&two, 1, &[], &up).await.expect("no error"), SwitchOutcome::Switched);
        assert_eq!(there().await, [true, true, true]);
        store.chats.delete(chat).await.expect("deleted");
        assert_eq!(there().await, [false, true, true]);
        let back = Installation { revision: 3, ..one.clone() };
        store.extensions.switch(&back, 2, &[], &Switch::Rollback(one.version_id)).await.expect("no error");
        assert_eq!(there().await, [false, true, true], "nor does it come back");
        assert_eq!(write(&store, one.id, &[of(&chat)]).await, ValueOutcome::Gone, "nothing is written behind it");
        assert_eq!(write(&store, one.id, &[of(&other)]).await, ValueOutcome::Written);
        let nobodys = ValueWrite { key: ValueKey { owner: "x".into(), ..of(&other).key }, ..of(&other) };
        assert_eq!(write(&store, one.id, &[nobodys]).await, ValueOutcome::Gone);
    }

    async fn only_what_can_be_gone_back_to_is_kept(store: Store) {
        let ann = account(&store, "ann").await.id;
        let mut now = installed(&store, ann).await;
        let first_version = now.version_id;
        for number in 0..2 {
            write(&store, now.id, &[put("a", &[number])]).await;
            let keep = now.version_id;
            let previous = PreviousVersion { version_id: keep, version: now.version.clone(), grants: Vec::new(), config: json!({}) };
            // One version alone can be gone back to.
            let next = Installation { version_id: ExtensionVersionId::new(), previous: vec![previous], revision: now.revision + 1, ..now.clone() };
            let switch = Switch::Upgrade { keep, seen: seen(&store, now.id).await, writes: Vec::new(), room: ROOM, now: NOW };
            assert_eq!(store.extensions.switch(&next, now.revision, &[], &switch).await.expect("no error"), SwitchOutcome::Switched);
            now = next;
        }
        let back = Installation { version_id: first_version, previous: Vec::new(), revision: now.revision + 1, ..now.clone() };
        store.extensions.switch(&back, now.revision, &[], &Switch::Rollback(first_version)).await.expect("no error");
        assert_eq!(read(&store, now.id, &["a"]).await, [None]);
    }

    async fn of_an_installation_nothing_is_left_when_it_goes(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        write(&store, one.id, &[put("a", b"1")]).await;
        store.extensions.add_logs(&[(one.id, line("x", NOW))], 10).await.expect("logged");
        store.extensions.reserve_tokens(one.id, 1, 5, 10).await.expect("no error").expect("reserved");
        assert!(store.extensions.uninstall(one.id).await.expect("gone"));
        assert!(!store.extensions.uninstall(one.id).await.expect("no error"));
        assert_eq!(store.extensions.installed_by(ann).await.expect("read"), []);
        assert_eq!(read(&store, one.id, &["a"]).await, [None]);
        assert_eq!(store.extensions.logs(one.id, 10).await.expect("read"), []);
        let query = ExtensionQuery { filter: ExtensionFilter::default(), order: ExtensionOrder::Popular, page: first(1, None) };
        assert_eq!(store.extensions.list(&query).await.expect("listed").items[0].extension.installs, 0);
    }

    async fn the_newest_lines_stay_and_those_of_others_too(store: Store) {
        let ann = account(&store, "ann").await.id;
        let (one, bob) = (installed(&store, ann).await, account(&store, "bob").await.id);
        let other = Installation { id: InstallationId::new(), owner: bob, ..one.clone() };
        store.extensions.install(&other, &[], 10).await.expect("installed");
        let lines: Vec<_> = (0..5).map(|number| (one.id, line(&number.to_string(), later(number)))).collect();
        let mut all = vec![(other.id, line("theirs", NOW)), (InstallationId::new(), line("nobody's", NOW))];
        all.extend(lines[..3].to_vec());
        store.extensions.add_logs(&all, 3).await.expect("logged");
        store.extensions.add_logs(&lines[3..], 3).await.expect("logged");
        let kept: Vec<_> = lines[2..].iter().map(|(_, line)| line.clone()).collect();
        assert_eq!(store.extensions.logs(one.id, 10).await.expect("read"), kept);
        assert_eq!(store.extensions.logs(one.id, 2).await.expect("read"), kept[1..]);
        assert_eq!(store.extensions.logs(other.id, 10).await.expect("read").len(), 1);
        assert_eq!(store.extensions.delete_logs_before(later(3)).await.expect("deleted"), 2);
        assert_eq!(store.extensions.logs(one.id, 10).await.expect("read"), kept[1..]);
    }

    async fn a_budget_is_not_overdrawn_by_many_at_once(store: Store) {
        let ann = account(&store, "ann").await.id;
        let id = installed(&store, ann).await.id;
        let takes = (0..8).map(|_| {
            let store = store.clone();
            async move { store.extensions.reserve_tokens(id, 1, 30, 100).await.expect("no error") }
        });
        let mut left: Vec<_> = join_all(takes).await.into_iter().flatten().collect();
        left.sort_unstable();
        assert_eq!(left, [10, 40, 70]);
        store.extensions.settle_tokens(id, 1, 30, 20).await.expect("settled");
        assert_eq!(store.extensions.reserve_tokens(id, 1, 21, 100).await.expect("no error"), None);
        assert_eq!(store.extensions.reserve_tokens(id, 1, 20, 100).await.expect("no error"), Some(0));
        assert_eq!(store.extensions.reserve_tokens(id, 2, 100, 100).await.expect("no error"), Some(0), "another day");
        assert_eq!(store.extensions.reserve_tokens(id, 3, 101, 100).await.expect("no error"), None);
        assert_eq!(store.extensions.delete_budgets_before(3, 1).await.expect("deleted"), 1);
        assert_eq!(store.extensions.delete_budgets_before(3, 1).await.expect("deleted"), 1);
        assert_eq!(store.extensions.delete_budgets_before(3, 1).await.expect("deleted"), 0);
    }

    async fn a_budget_is_spent_also_when_the_extension_is_installed_anew(store: Store) {
        let ann = account(&store, "ann").await.id;
        let one = installed(&store, ann).await;
        store.extensions.reserve_tokens(one.id, 1, 80, 100).await.expect("no error").expect("reserved");
        assert!(store.extensions.uninstall(one.id).await.expect("gone"));
        assert_eq!(store.extensions.reserve_tokens(one.id, 1, 1, 100).await.expect("no error"), None, "it is gone");
        let again = Installation { id: InstallationId::new(), ..one.clone() };
        store.extensions.install(&again, &[], 10).await.expect("installed");
        assert_eq!(store.extensions.reserve_tokens(again.id, 1, 21, 100).await.expect("no error"), None);
        assert_eq!(store.extensions.reserve_tokens(again.id, 1, 20, 100).await.expect("no error"), Some(0));
        let bob = account(&store, "bob").await.id;
        let theirs = Installation { id: InstallationId::new(), owner: bob, ..one };
        store.extensions.install(&theirs, &[], 10).await.expect("installed");
        assert_eq!(store.extensions.reserve_tokens(theirs.id, 1, 100, 100).await.expect("no error"), Some(0));
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

    async fn traces_are_in_order_and_go_with_their_reply(store: Store) {
        let ann = account(&store, "ann").await.id;
        let chat = stored_session(&store, ann).await;
        let reply = running(&store, &chat).await;
        let (one, two, three) = (trace("1"), trace("2"), trace("3"));
        store.extensions.add_traces(reply.id, &[one.clone(), two.clone()]).await.expect("added");
        store.extensions.add_traces(reply.id, std::slice::from_ref(&three)).await.expect("added");
        store.extensions.add_traces(GenerationId::new(), std::slice::from_ref(&three)).await.expect("nobody's are dropped");
        let found = store.extensions.traces(&[reply.id, GenerationId::new()]).await.expect("read");
        assert_eq!(found, [(reply.id, one), (reply.id, two), (reply.id, three)]);
        assert_eq!(store.extensions.delete_traces_before(NOW, 10).await.expect("deleted"), 0);
        store.chats.delete(chat.id).await.expect("deleted");
        assert_eq!(store.extensions.traces(&[reply.id]).await.expect("read"), []);
    }

    async fn old_traces_are_forgotten(store: Store) {
        let ann = account(&store, "ann").await.id;
        let chat = stored_session(&store, ann).await;
        let reply = running(&store, &chat).await;
        store.extensions.add_traces(reply.id, &[trace("1"), trace("2")]).await.expect("added");
        let far = Timestamp(4_000_000_000_000);
        assert_eq!(store.extensions.delete_traces_before(far, 1).await.expect("deleted"), 2, "those of one reply go together");
        assert_eq!(store.extensions.delete_traces_before(far, 1).await.expect("deleted"), 0);
    }

    async fn a_job_is_stored_with_the_end_of_its_reply_and_worked_on_by_one(store: Store) {
        let ann = account(&store, "ann").await.id;
        let chat = stored_session(&store, ann).await;
        let reply = running(&store, &chat).await;
        assert!(store.generations.finish_with_job(&reply, 0, None, later(100)).await.expect("no error"));
        assert!(!store.generations.finish_with_job(&tavern_domain::generation::Generation { fence: 9, ..reply.clone() }, 0, None, later(100)).await.expect("no error"));
        let due = async |now: i64| store.extensions.due_jobs(later(now), later(now + 100), 10, 3).await.expect("no error");
        assert_eq!(due(100).await, [], "who ended it works on it");
        let all = join_all((0..4).map(|_| due(101))).await.concat();
        assert_eq!(all.iter().map(|job| (job.generation, job.session, job.attempts)).collect::<Vec<_>>(), [(reply.id, chat.id, 2)]);
        assert_eq!(due(202).await[0].attempts, 3);
        assert_eq!(due(303).await, [], "it was begun three times");
        assert_eq!(due(404).await, [], "and is given up");
    }

    async fn a_job_that_is_held_is_not_due_and_one_that_was_lost_is_not_held(store: Store) {
        let ann = account(&store, "ann").await.id;
        let chat = stored_session(&store, ann).await;
        let reply = running(&store, &chat).await;
        assert!(store.generations.finish_with_job(&reply, 0, None, later(100)).await.expect("no error"));
        let due = async |now: i64| store.extensions.due_jobs(later(now), later(now + 100), 10, 3).await.expect("no error");
        let renew = async |attempt, until| store.extensions.renew_job(reply.id, attempt, later(until)).await.expect("no error");
        assert!(renew(1, 300).await);
        assert_eq!(due(300).await, []);
        assert_eq!(due(301).await[0].attempts, 2);
        assert!(!renew(1, 900).await, "it is another's");
        store.extensions.job_done(reply.id, 1).await.expect("no error");
        assert!(renew(2, 500).await, "and stays so");
        assert_eq!(due(500).await, []);
        store.extensions.job_done(reply.id, 2).await.expect("done");
        assert_eq!(due(1_000).await, []);
        assert!(!renew(2, 2_000).await);
    }

    async fn a_job_that_is_done_or_whose_chat_is_gone_is_gone(store: Store) {
        let ann = account(&store, "ann").await.id;
        for done in [true, false] {
            let chat = stored_session(&store, ann).await;
            let reply = running(&store, &chat).await;
            let ended = tavern_domain::generation::Generation { status: tavern_domain::generation::GenerationStatus::Completed, ..reply };
            store.generations.finish_with_job(&ended, 0, None, later(0)).await.expect("no error");
            if done {
                store.extensions.job_done(ended.id, 1).await.expect("done");
            } else {
                store.chats.delete(chat.id).await.expect("deleted");
            }
            assert_eq!(store.extensions.due_jobs(later(1), later(2), 10, 3).await.expect("no error"), []);
        }
    }
}
