//! A reply in whose course functions are called, as its readers see it.

use tavern_domain::Actor;
use tavern_domain::generation::{GenerationOptions, StreamPosition};

use super::*;
use crate::character::CardSource;
use crate::chat::NewSession;
use crate::live::ReplyEvent;
use crate::testing::House;
use crate::tool::tests::{Dice, Model, answer, beginning, dice};

/// Somebody's turn in a house whose model says this.
struct Scene {
    house: House,
    model: Model,
    turn: Turn,
}

impl Scene {
    async fn of(answers: Vec<String>) -> Self {
        let model = Model::saying(answers).await;
        let house = House::with_models(&model.config).await;
        let card = CardSource::Json(serde_json::json!({ "name": "Orla", "description": "d", "first_mes": "hi" }));
        let actor = house.user("reader").await;
        let imported = house.services.characters.import(&actor, card).await.expect("a card");
        let character = imported.character.summary.id;
        let session = start(&house, &actor, character).await;
        let chats = &house.services.chats;
        let options = GenerationOptions::default();
        let generation = chats.new_generation(&session, GenerationKind::Quiet, Some(character), options);
        let turn = Turn {
            live: chats.0.live.insert(generation.id, generation.fence),
            session,
            generation,
            guidance: None,
            said: None,
            traces: Vec::new(),
            next: Vec::new(),
        };
        Self { house, model, turn }
    }

    /// Reads the model's answer to its end.
    async fn read(&self, tools: &mut Dice) -> (Outcome, Counted) {
        let chats = &self.house.services.chats;
        let Asked {
            models,
            request,
            mut reply,
            ..
        } = chats.ask(&self.turn).await.expect("no error").expect("a prompt");
        let mut counted = Counted::default();
        let outcome = chats
            .stream(&self.turn, &mut counted, &mut reply, &models, request, Some(tools))
            .await;
        let (text, reasoning) = reply.finish().await;
        self.turn.live.append(&text, &reasoning);
        self.turn.live.flush();
        (outcome, counted)
    }

    /// Waits until readers see `text`.
    async fn shown(&self, text: &str) {
        let mut watcher = Arc::clone(&self.turn.live).watch(None);
        while self.turn.live.so_far() != text {
            watcher.next().await.expect("it is being written");
        }
    }
}

async fn start(house: &House, actor: &Actor, character: CharacterId) -> ChatSession {
    let wish = NewSession {
        characters: vec![character],
        ..NewSession::default()
    };
    let chats = &house.services.chats;
    chats.create(actor, wish).await.expect("a session")
}

fn seven() -> Dice {
    dice(|_| Ok("7".into()))
}

#[tokio::test]
async fn a_reply_can_be_stopped_in_its_second_round() {
    let scene = Scene::of(vec![answer("One.", &[("a", "{}")]), beginning("Two.")]).await;
    let mut tools = seven();
    let stop = async {
        scene.shown("One.\n\nTwo.").await;
        scene.turn.live.cancel.cancel();
    };
    let ((outcome, counted), ()) = tokio::join!(scene.read(&mut tools), stop);
    assert!(matches!(outcome, Outcome::Cancelled));
    scene.model.left().await;
    assert_eq!(scene.turn.live.written().text, "One.\n\nTwo.");
    // Nobody told of the second round: all of it is counted here.
    assert!(counted.provider.is_none() && counted.tools.prompt_tokens > 0);
    assert_eq!(counted.tools.uses.len(), 1);
    let outcomes: Vec<_> = scene
        .turn
        .live
        .progress()
        .attempts
        .into_iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, ["completed", "running"]);
}

#[tokio::test]
async fn a_reply_can_be_stopped_while_a_function_runs() {
    let scene = Scene::of(vec![answer("One.", &[("a", "{}")])]).await;
    let mut tools = seven();
    tools.hangs = true;
    let stop = async {
        scene.shown("One.").await;
        scene.turn.live.cancel.cancel();
    };
    let ((outcome, _), ()) = tokio::join!(scene.read(&mut tools), stop);
    assert!(matches!(outcome, Outcome::Cancelled));
    assert_eq!(scene.turn.live.written().text, "One.");
}

#[tokio::test]
async fn a_writer_that_is_fenced_out_calls_nothing_more() {
    let scene = Scene::of(vec![answer("One.", &[("a", "{}")])]).await;
    let mut tools = seven();
    tools.hangs = true;
    let fence = async {
        scene.shown("One.").await;
        scene.turn.live.fenced_out.cancel();
    };
    let ((outcome, _), ()) = tokio::join!(scene.read(&mut tools), fence);
    assert!(matches!(outcome, Outcome::FencedOut));
}

#[tokio::test]
async fn a_reader_that_reconnects_between_rounds_gets_every_byte_once() {
    let scene = Scene::of(vec![
        answer("Ich würfle 🎲", &[("a", "{}")]),
        answer("Und noch einmal.", &[("b", "{}")]),
        beginning("Sieben!"),
    ])
    .await;
    let whole = "Ich würfle 🎲\n\nUnd noch einmal.\n\nSieben!";
    let mut tools = seven();
    let read = async {
        let (mut seen, mut at): (String, Option<StreamPosition>) = (String::new(), None);
        while seen != whole {
            // Each event is read by a watcher of its own.
            let event = Arc::clone(&scene.turn.live).watch(at).next().await;
            let position = match event.expect("it is being written") {
                ReplyEvent::Snapshot { position, text, .. } => {
                    assert!(at.is_none(), "the text began anew");
                    seen.push_str(&text);
                    position
                }
                ReplyEvent::Delta { position, text, .. } => {
                    seen.push_str(&text);
                    position
                }
                ReplyEvent::Ended { .. } => panic!("it does not end"),
            };
            assert_eq!(position.text as usize, seen.len());
            at = Some(position);
        }
        scene.turn.live.cancel.cancel();
    };
    let (_, ()) = tokio::join!(scene.read(&mut tools), read);
    assert_eq!(scene.turn.live.written().text, whole);
}
