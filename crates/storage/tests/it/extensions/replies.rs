//! What extensions leave with replies: traces, and jobs for what comes after.

use super::*;

on_both! {
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
