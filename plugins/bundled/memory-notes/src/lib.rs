//! Notes about a chat: after a reply they are taken, before a prompt those that fit come back.
//!
//! What is kept is what somebody marked with `[[remember: …]]`, what the user told of themselves, what was
//! promised, and, if the owner pays for it, a summary by the model. The notes of a chat are one value of it.

mod extract;
mod notes;
mod recall;

use notes::{Note as Kept, Notes};
use serde::Deserialize;
use tavern_extension::*;

/// Messages that a summary is made of, and bytes of each.
const SUMMARY_MESSAGES: usize = 40;
const SUMMARY_MESSAGE_BYTES: usize = 1_000;

#[derive(Extension, Deserialize)]
#[hooks(BeforePrompt, AfterReply)]
#[serde(default)]
pub struct MemoryNotes {
    max_tokens: u32,
    max_notes: usize,
    depth: u32,
    heading: String,
    facts: Vec<String>,
    promises: Vec<String>,
    summary_every: u32,
    summary_tokens: u32,
}

impl Default for MemoryNotes {
    fn default() -> Self {
        let list = |text: &str| text.split(", ").map(str::to_owned).collect();
        Self {
            max_tokens: 300,
            max_notes: 60,
            depth: 4,
            heading: "Remember what happened before:".into(),
            facts: list(
                "my name is, call me, i am from, i'm from, i come from, i live in, i grew up, i was born, i work as, \
                 i work at, i love, i like, i hate, i can't stand, i'm afraid of, i am afraid of, i'm allergic to, \
                 i am allergic to, my favorite, my favourite, my mother, my father, my sister, my brother, my wife, \
                 my husband, my son, my daughter, my birthday",
            ),
            promises: list(
                "i promise, i swear, i give you my word, i will never, i'll never, i will always, i'll always, \
                 never forget that, you owe me, i owe you",
            ),
            summary_every: 0,
            summary_tokens: 200,
        }
    }
}

impl BeforePrompt for MemoryNotes {
    fn before_prompt(&self, _turn: &Turn, history: &[Message]) -> Result<Vec<Edit>> {
        let notes = Notes::load()?;
        let chosen = recall::choose(&notes, history, self.max_tokens, &self.heading);
        if chosen.is_empty() {
            return Err(HookError::Skip("nothing to remember".into()));
        }
        let text = format!("{}\n{}", self.heading, chosen.join("\n"));
        Ok(vec![Note::in_chat(self.depth, text).into()])
    }
}

impl AfterReply for MemoryNotes {
    fn after_reply(
        &self,
        turn: &Turn,
        history: &[Message],
        user: Option<&Message>,
        reply: &Message,
    ) -> Result<Vec<Effect>> {
        let mut notes = Notes::load()?;
        let before = notes.clone();
        let user_name = match turn.user_name.as_str() {
            "" => "User",
            name => name,
        };
        let character = turn.character.as_ref().map_or("Character", |character| &character.name);
        let asked = user.map_or(0, |message| notes::mark(&message.text));
        if matches!(turn.kind.as_str(), "swipe" | "regenerate") {
            // The reply that this one takes the place of was never said.
            notes.forget_reply(asked);
        }
        if let Some(user) = user {
            for text in extract::marked(&user.text) {
                notes.add(Kept::marked(text, asked), self.max_notes);
            }
            for text in extract::beginning(&user.text, &self.facts) {
                notes.add(Kept::heard(format!("{user_name} said: {text}"), asked), self.max_notes);
            }
            for text in extract::beginning(&user.text, &self.promises) {
                notes.add(
                    Kept::heard(format!("{user_name} promised: {text}"), asked),
                    self.max_notes,
                );
            }
        }
        for text in extract::marked(&reply.text) {
            notes.add(Kept::marked(text, asked).of_reply(), self.max_notes);
        }
        for text in extract::beginning(&reply.text, &self.promises) {
            let note = Kept::heard(format!("{character} promised: {text}"), asked).of_reply();
            notes.add(note, self.max_notes);
        }
        notes.replies += 1;
        if self.summary_every > 0 && notes.replies >= self.summary_every {
            notes.replies = 0;
            self.sum_up(&mut notes, history, user, reply);
        }
        if notes != before {
            notes.save()?;
        }
        Ok(Vec::new())
    }
}

impl MemoryNotes {
    /// Without a budget or an answer there is no new summary, and the rest stays as it is.
    fn sum_up(&self, notes: &mut Notes, history: &[Message], user: Option<&Message>, reply: &Message) {
        let mut transcript = String::new();
        if !notes.summary.is_empty() {
            transcript = format!("So far: {}\n\n", notes.summary);
        }
        let messages: Vec<_> = history.iter().chain(user).chain([reply]).collect();
        for message in &messages[messages.len().saturating_sub(SUMMARY_MESSAGES)..] {
            let who = message.name.as_deref().unwrap_or(match message.role {
                Role::User => "User",
                _ => "Character",
            });
            let text = &message.text[..message.text.floor_char_boundary(SUMMARY_MESSAGE_BYTES)];
            transcript += &format!("{who}: {text}\n");
        }
        let instruction = "Sum up what happened in this story, in the past tense and in the language of the story. \
                           Keep names, promises, and what changed between people. Write the summary alone.";
        match model::complete(instruction, &transcript, self.summary_tokens) {
            Ok(completion) => notes.summary = completion.text.trim().to_owned(),
            Err(error) => log::warn!("no summary: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
