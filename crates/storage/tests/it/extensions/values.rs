//! What extensions keep: versions, room, and what becomes of it at upgrades, forks and ends.

use super::*;

on_both! {
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
}
