//! Installations: who has what, their secrets, their lines, and what they may spend.

use super::*;

on_both! {
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
}
