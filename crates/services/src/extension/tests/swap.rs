//! Other versions while turns go on: no reply suffers, no value is lost, and what is kept is in the format
//! of the version that stands.

use futures::future::join_all;
use tavern_domain::extension::KvScope;
use tavern_domain::generation::GenerationStatus;
use tavern_domain::{GenerationId, SessionId};
use tavern_storage::ValueKey;

use super::*;
use crate::character::CardSource;
use crate::chat::NewSession;
use crate::extension::Upgrade;
use crate::live::ReplyEvent;
use crate::turn::Outgoing;

const CHATS: usize = 4;
const TURNS: usize = 25;
/// Longer than anything here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(300);

impl Shop {
    /// The format and the number that the extension keeps.
    async fn counted(&self, of: &Installation) -> Option<(u8, u32)> {
        let key = ValueKey {
            scope: KvScope::Installation,
            owner: String::new(),
            key: "n".into(),
        };
        let store = &self.house.store.extensions;
        let found = store.values(of.id, &[key], self.house.clock.now()).await.unwrap();
        let value = found.into_iter().next().flatten()?.value;
        Some((value[0], u32::from_le_bytes(value[4..8].try_into().unwrap())))
    }

    /// Goes to the newest version. Values that change all the time may need another try.
    async fn go_up(&self, of: &Installation) {
        loop {
            match self.extensions().upgrade(&self.ann, of.id, Upgrade::default()).await {
                Ok(_) => return,
                Err(error) => assert_eq!(error.code(), Code::Conflict, "{error:?}"),
            }
        }
    }

    async fn chat(&self) -> SessionId {
        let card = CardSource::Json(serde_json::json!({ "name": "Orla", "description": "d", "first_mes": "hi" }));
        let imported = self.house.services.characters.import(&self.ann, card).await.unwrap();
        let wish = NewSession {
            characters: vec![imported.character.summary.id],
            ..NewSession::default()
        };
        self.house.services.chats.create(&self.ann, wish).await.unwrap().id
    }

    /// Has a turn, and reads its reply: it comes whole.
    async fn reply(&self, session: SessionId) -> GenerationId {
        let chats = &self.house.services.chats;
        let outgoing = Outgoing {
            session,
            content: "And then?".into(),
            character: None,
            guidance: None,
            idempotency_key: None,
            options: tavern_domain::generation::GenerationOptions::default(),
            generate: true,
        };
        let sent = chats.send(&self.ann, outgoing).await.unwrap();
        let id = sent.generation.unwrap().id;
        let mut stream = chats.watch(&self.ann, id, None).await.unwrap();
        let mut read = String::new();
        let mut ended = None;
        while let Some(event) = stream.next().await.unwrap() {
            match event {
                ReplyEvent::Snapshot { text, .. } => read = text,
                ReplyEvent::Delta { text, .. } => read.push_str(&text),
                ReplyEvent::Ended { generation, .. } => ended = Some(generation),
            }
        }
        let ended = ended.unwrap();
        assert_eq!(ended.status, GenerationStatus::Completed, "{:?}", ended.error);
        let stored = chats.generation_text(&ended).await.unwrap();
        assert!(!read.is_empty());
        assert_eq!(read, stored);
        id
    }

    /// What was called after these replies, once all of it was.
    async fn called_after(&self, replies: &[GenerationId]) -> Vec<PluginTrace> {
        let all = async {
            loop {
                let traces = self.house.store.extensions.traces(replies).await.unwrap();
                if traces.len() == replies.len() {
                    return traces.into_iter().map(|(_, trace)| trace).collect();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap()
    }
}

/// Whether the result was used, or left out because of who else wrote.
#[track_caller]
fn is_used(trace: &PluginTrace) -> bool {
    match trace.outcome {
        Outcome::Ok => true,
        Outcome::Skipped => false,
        Outcome::HostError => {
            let whose = |note: &String| note.contains("another version") || note.contains("somebody else");
            assert!(trace.notes.iter().any(whose), "{trace:?}");
            false
        }
        _ => panic!("{trace:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_turns_go_through_while_versions_come_and_go() {
    let shop = Shop::open().await;
    let formatted = |version: &str, format| Draft {
        format,
        ..Draft::new(NAME, version)
    };
    shop.published(&formatted("1.0.0", 1)).await;
    let installed = shop.installed(&shop.ann).await;
    shop.published(&formatted("1.1.0", 2)).await;
    let first = shop.chat().await;
    let before = shop.reply(first).await;
    assert!(is_used(&shop.called_after(&[before]).await[0]));
    assert_eq!(shop.counted(&installed).await, Some((1, 1)));

    let talk = async || {
        let session = shop.chat().await;
        let mut replies = Vec::new();
        for _ in 0..TURNS {
            replies.push(shop.reply(session).await);
        }
        replies
    };
    let mut swaps = 0;
    let swap = async {
        loop {
            shop.go_up(&installed).await;
            let format = shop.counted(&installed).await.unwrap().0;
            assert_eq!(format, 2);
            tokio::task::yield_now().await;
            shop.extensions().rollback(&shop.ann, installed.id, None).await.unwrap();
            assert_eq!(shop.counted(&installed).await.unwrap().0, 1);
            swaps += 1;
        }
    };
    let replies = tokio::select! {
        replies = join_all((0..CHATS).map(|_| talk())) => replies.concat(),
        () = swap => unreachable!("it goes on for ever"),
    };
    assert_eq!(replies.len(), CHATS * TURNS);
    let used = shop
        .called_after(&replies)
        .await
        .iter()
        .filter(|trace| is_used(trace))
        .count();
    assert!(swaps > 0 && used > 0, "{swaps} swaps, {used} results");
    let stands = shop.extensions().installed(&shop.ann).await.unwrap().remove(0).version;
    let format = if stands == "1.0.0" { 1 } else { 2 };
    assert_eq!(shop.counted(&installed).await.unwrap().0, format, "{stands}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_counted_while_values_are_moved_is_lost() {
    const UPGRADES: u8 = 5;
    let shop = Shop::open().await;
    let formatted = |format: u8| Draft {
        format,
        ..Draft::new(NAME, &format!("1.{format}.0"))
    };
    shop.published(&formatted(0)).await;
    let installed = shop.installed(&shop.ann).await;
    let (done, is_done) = tokio::sync::watch::channel(false);
    let count = async || {
        let mut used = 0;
        while !*is_done.borrow() {
            used += u32::from(is_used(&shop.replied().await));
        }
        used
    };
    let upgrade = async {
        for format in 1..=UPGRADES {
            shop.published(&formatted(format)).await;
            shop.go_up(&installed).await;
        }
        done.send_replace(true);
    };
    let (counts, ()) = tokio::join!(join_all((0..4).map(|_| count())), upgrade);
    let used: u32 = counts.iter().sum();
    assert!(used > 0);
    assert_eq!(shop.counted(&installed).await, Some((UPGRADES, used)));
}
