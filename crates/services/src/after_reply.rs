//! What extensions do once a reply is stored: annotate it, suggest what to say, set variables.
//!
//! A reply whose owner has such extensions leaves a job behind, in the transaction that ends it; so they
//! are called even if the server dies in between. They are called in the background, some replies at
//! once, and nobody waits for them.

use std::time::Duration;

use serde_json::{Map, Value};
use tavern_domain::chat::{ChatRole, MessageBody};
use tavern_domain::event::SessionEventKind;
use tavern_domain::generation::{GenerationKind, GenerationStatus};
use tavern_domain::{Code, Error, GenerationId, Result};
use tavern_plugins::turn::{AfterReply, Message, Role};

use crate::chat::Chats;
use crate::gather::Wish;
use crate::hooks;

/// How long a server may take for a reply before another one may try.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// A job that was begun so often and never ended is given up.
const TRIES: u32 = 3;
/// Jobs that are taken at once.
const BATCH: u32 = 16;
/// What a message's annotations may be in JSON.
const ANNOTATION_BYTES: usize = 64 << 10;
/// Where suggestions stand among the annotations.
const SUGGESTIONS: &str = "suggestions";

impl Chats {
    /// Does the job of a reply that was just stored, in the background.
    pub(crate) fn begin_job(&self, generation: GenerationId) {
        let chats = self.clone();
        self.0.tasks.spawn(async move { chats.do_job(generation).await });
    }

    /// Takes over the jobs of servers that died, and does them.
    pub(crate) async fn do_jobs(&self) -> Result<()> {
        let now = self.0.shared.clock.now();
        let extensions = &self.0.shared.store.extensions;
        let jobs = extensions.due_jobs(now, now.plus(LEASE), BATCH, TRIES).await?;
        futures::future::join_all(jobs.iter().map(|job| self.do_job(job.generation))).await;
        Ok(())
    }

    async fn do_job(&self, generation: GenerationId) {
        let done = match self.after_reply(generation).await {
            Ok(()) => self.0.shared.store.extensions.job_done(generation).await,
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
                seed: rand::random(),
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
        store.extensions.add_traces(id, &hooks.take_traces()).await?;
        if !said.variables.is_empty() {
            let changes = said.variables.clone();
            let set = |variables: &mut _| hooks::set_variables(variables, changes);
            store.chats.change_variables(session.id, set).await?;
        }
        if said.annotations.is_empty() && said.suggestions.is_empty() {
            return Ok(());
        }
        match self.change_body(target, |body| annotate(body, id, &said)).await {
            Ok(_) => self.tell(session.id, SessionEventKind::MessageUpdated(target)),
            // Deleted meanwhile, or replaced by another reply.
            Err(error) if matches!(error.code(), Code::NotFound | Code::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Puts what was said of a reply into its message: an object for each extension, and the suggestions.
fn annotate(body: &mut MessageBody, reply: GenerationId, said: &AfterReply) -> Result<()> {
    if body.swipe_of(reply).is_none() {
        return Err(Error::conflict("", "The reply was replaced."));
    }
    let mut annotations = match &body.annotations {
        Value::Object(annotations) => annotations.clone(),
        _ => Map::new(),
    };
    for (extension, _, _) in &said.annotations {
        annotations.remove(extension);
    }
    for (extension, key, value) in &said.annotations {
        let own = annotations
            .entry(extension)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(own) = own {
            own.insert(key.clone(), value.clone());
        }
    }
    let suggestions: Vec<_> = said
        .suggestions
        .iter()
        .map(|(_, text)| Value::from(text.as_str()))
        .collect();
    if suggestions.is_empty() {
        annotations.remove(SUGGESTIONS);
    } else {
        annotations.insert(SUGGESTIONS.into(), suggestions.into());
    }
    let annotations = Value::Object(annotations);
    if annotations.to_string().len() <= ANNOTATION_BYTES {
        body.annotations = annotations;
    }
    Ok(())
}
