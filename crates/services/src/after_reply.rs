//! What extensions do once a reply is stored: annotate it, suggest what to say, set variables.
//!
//! A reply whose owner has such extensions leaves a job behind, in the transaction that ends it; so they
//! are called even if the server dies in between. They are called in the background, some replies at
//! once, and nobody waits for them.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tavern_domain::chat::{ChatRole, ChatSession, MessageBody};
use tavern_domain::event::SessionEventKind;
use tavern_domain::extension::Hook;
use tavern_domain::generation::{GenerationKind, GenerationStatus};
use tavern_domain::{Code, Error, GenerationId, MessageId, Result};
use tavern_plugins::turn::{AfterReply, Message, Role, TurnHooks};

use crate::Shared;
use crate::chat::Chats;
use crate::gather::Wish;
use crate::hooks::{self, no_room};
use crate::lease::{LEASE, RENEW_EVERY, while_held};

/// How long the hooks after a reply may take in all: their limits end them long before, if all is well.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Which attempt it is of the server that stored the reply.
const FIRST: u32 = 1;
/// A job that was begun so often and never ended is given up.
const TRIES: u32 = 3;
/// Jobs that are taken at once.
const BATCH: u32 = 16;
/// What the annotations of a swipe may be in JSON.
const ANNOTATION_BYTES: usize = 64 << 10;
/// What an annotation takes besides its texts, at most.
const PER_ANNOTATION: usize = 32;
/// Where suggestions stand among the annotations.
const SUGGESTIONS: &str = "suggestions";

impl Chats {
    /// Does the job of a reply that was just stored, in the background.
    pub(crate) fn begin_job(&self, generation: GenerationId) {
        let chats = self.clone();
        self.0.tasks.spawn(async move { chats.do_job(generation, FIRST).await });
    }

    /// Takes over the jobs of servers that died, and does them.
    pub(crate) async fn do_jobs(&self) -> Result<()> {
        let now = self.0.shared.clock.now();
        let extensions = &self.0.shared.store.extensions;
        let jobs = extensions.due_jobs(now, now.plus(LEASE), BATCH, TRIES).await?;
        futures::future::join_all(jobs.iter().map(|job| self.do_job(job.generation, job.attempts))).await;
        Ok(())
    }

    async fn do_job(&self, generation: GenerationId, attempt: u32) {
        let Shared { store, clock, .. } = &*self.0.shared;
        let (begun, held) = (Instant::now(), Mutex::new(Instant::now()));
        let renew = || async {
            let until = clock.now().plus(LEASE);
            match store.extensions.renew_job(generation, attempt, until).await {
                Ok(renewed) => {
                    *held.lock() = Instant::now();
                    renewed && begun.elapsed() < PATIENCE
                }
                Err(error) => {
                    tracing::warn!(%generation, ?error, "the lease of a job could not be renewed; it is tried again");
                    held.lock().elapsed() < LEASE
                }
            }
        };
        // A server that was held up may come too late.
        let work = async {
            match renew().await {
                true => Some(Box::pin(self.after_reply(generation)).await),
                false => None,
            }
        };
        let Some(worked) = while_held(RENEW_EVERY, renew, work).await.flatten() else {
            tracing::warn!(%generation, "another server has taken over the hooks after a reply, or they took too long");
            return;
        };
        let done = match worked {
            Ok(()) => store.extensions.job_done(generation, attempt).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(%generation, ?error, "the hooks after a reply failed; they are tried again");
        }
    }

    /// Calls the hooks after a reply, and keeps what they say.
    async fn after_reply(&self, id: GenerationId) -> Result<()> {
        let store = &self.0.shared.store;
        let Some(generation) = store.generations.get(id).await? else {
            return Ok(());
        };
        let (Some(target), GenerationStatus::Completed) = (generation.message, generation.status) else {
            return Ok(());
        };
        let Some(session) = store.chats.get(generation.session).await? else {
            return Ok(());
        };
        let Some((_, body)) = store.documents.messages(&[target]).await?.pop() else {
            return Ok(());
        };
        let Some(swipe) = body.swipe_of(id).and_then(|index| body.swipes.get(index)) else {
            return Ok(());
        };
        // The turn's own: the same draws come out the same.
        let prompt = store.documents.prompt(id).await?;
        let seed = prompt.map_or_else(rand::random, |prompt| prompt.seed);
        let material = self
            .gather(&Wish {
                session: &session,
                kind: generation.kind,
                character: generation.character,
                target: Some(target),
                content: None,
                guidance: None,
                options: &generation.options,
                model: &generation.model,
                seed,
                dry_run: false,
            })
            .await?;
        let Some(mut hooks) = self.hooks(&session, &id.to_string(), &material).await? else {
            return Ok(());
        };
        let target_id = target.to_string();
        let history: Vec<_> = material
            .history
            .iter()
            .filter(|past| generation.kind != GenerationKind::Continue || past.id != target_id)
            .map(hooks::message)
            .collect();
        let user = material
            .history
            .iter()
            .rev()
            .find(|past| past.role == ChatRole::User)
            .map(hooks::message);
        let reply = Message {
            id: target_id,
            role: Role::Assistant,
            name: Some(material.cast[material.speaker].called().to_owned()),
            text: swipe.content.clone(),
        };
        let said = hooks.after_reply(&history, user.as_ref(), &reply).await;
        let kept = self.keep(&session, target, id, said, &mut hooks).await;
        store.extensions.add_traces(id, &hooks.take_traces()).await?;
        kept
    }

    async fn keep(
        &self,
        session: &ChatSession,
        target: MessageId,
        reply: GenerationId,
        said: AfterReply,
        hooks: &mut TurnHooks,
    ) -> Result<()> {
        if !said.variables.is_empty() {
            let mut refused = Vec::new();
            let set = |variables: &mut _| refused = hooks::set_variables(variables, said.variables);
            self.0.shared.store.chats.change_variables(session.id, set).await?;
            for refused in refused {
                no_room(hooks, Hook::AfterReply, &refused);
            }
        }
        let (annotations, refused) = annotations(said.annotations, said.suggestions);
        for (extension, what) in refused {
            let remark = format!("{what}: the annotations of a reply have no room for it");
            hooks.remark(&extension, Hook::AfterReply, &remark);
        }
        if annotations.is_empty() {
            return Ok(());
        }
        let annotate = |body: &mut MessageBody| {
            let swipe = body.swipe_of(reply).and_then(|index| body.swipes.get_mut(index));
            let swipe = swipe.ok_or_else(|| Error::conflict("", "The reply was replaced."))?;
            swipe.annotations = annotations.clone();
            Ok(())
        };
        match self.change_body(target, annotate).await {
            Ok(_) => self.tell(session.id, SessionEventKind::MessageUpdated(target)),
            // Deleted meanwhile, or replaced by another reply.
            Err(error) if matches!(error.code(), Code::NotFound | Code::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// An edit that was not made: who wanted it, and which.
type Refused = (String, &'static str);

/// What is said of a reply, as far as there is room: an object for each extension, and the suggestions.
fn annotations(
    wanted: Vec<(String, String, Value)>,
    suggested: Vec<(String, String)>,
) -> (Map<String, Value>, Vec<Refused>) {
    let (mut annotations, mut refused) = (Map::new(), Vec::new());
    let mut room = ANNOTATION_BYTES;
    let mut fits = |bytes: usize| match room.checked_sub(bytes + PER_ANNOTATION) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    for (extension, key, value) in wanted {
        if !fits(extension.len() + key.len() + value.to_string().len()) {
            refused.push((extension, "annotate"));
            continue;
        }
        let own = annotations
            .entry(extension)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(own) = own {
            own.insert(key, value);
        }
    }
    let mut suggestions = Vec::new();
    for (extension, text) in suggested {
        let text = Value::from(text);
        if fits(text.to_string().len()) {
            suggestions.push(text);
        } else {
            refused.push((extension, "suggest-reply"));
        }
    }
    if !suggestions.is_empty() {
        annotations.insert(SUGGESTIONS.into(), suggestions.into());
    }
    (annotations, refused)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_has_room_for_so_many_annotations_and_who_gets_none_is_told() {
        let name = "ann/mood".to_owned();
        let most = "x".repeat(ANNOTATION_BYTES - PER_ANNOTATION - name.len() - "key".len() - "\"\"".len());
        let wanted = |text: String| vec![(name.clone(), "key".to_owned(), Value::from(text))];
        let (kept, refused) = annotations(wanted(most.clone()), Vec::new());
        assert_eq!(kept["ann/mood"]["key"], most);
        assert!(refused.is_empty());
        assert!(Value::Object(kept).to_string().len() <= ANNOTATION_BYTES);
        let suggested = vec![("ann/next".to_owned(), "Go on.".to_owned())];
        let (kept, refused) = annotations(wanted(format!("{most}x")), suggested);
        assert_eq!(Value::Object(kept), json!({ "suggestions": ["Go on."] }));
        assert_eq!(refused, [(name, "annotate")]);
    }
}
