//! A filter that sees the reply and changes nothing of it: it runs beside the stream, and gets what fits
//! into its queue.

use std::sync::Arc;

use parking_lot::Mutex;
use tavern_domain::extension::PluginTrace;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::post::Post;
use crate::edits::note;

/// Pieces that wait for a slow observer; further ones it does not see.
const QUEUE: usize = 64;

pub(super) struct Observer {
    /// Gone when the reply has ended.
    pieces: Option<mpsc::Sender<String>>,
    task: JoinHandle<()>,
    trace: Arc<Mutex<PluginTrace>>,
    missed: u32,
    /// The reply has ended as it should: it may finish what it has begun.
    ended: bool,
}

impl Observer {
    pub fn start(post: Post) -> Self {
        let post = post.observing();
        let (pieces, queue) = mpsc::channel(QUEUE);
        let trace = Arc::new(Mutex::new(post.trace().clone()));
        Self {
            task: tokio::spawn(observe(post, queue, Arc::clone(&trace))),
            pieces: Some(pieces),
            trace,
            missed: 0,
            ended: false,
        }
    }

    /// Never waits.
    pub fn see(&mut self, text: &str, ending: bool) {
        if let Some(pieces) = &self.pieces
            && !text.is_empty()
            && pieces.try_send(text.to_owned()).is_err()
        {
            self.missed += 1;
        }
        if ending {
            self.ended = true;
            self.pieces = None;
        }
    }

    /// What became of it. For its last words, if the reply has ended as it should, this waits until then;
    /// otherwise it is what became of it so far.
    pub async fn into_trace(mut self, deadline: Instant) -> PluginTrace {
        let is_done = !self.ended || tokio::time::timeout_at(deadline, &mut self.task).await.is_ok();
        let mut trace = self.trace.lock().clone();
        if !is_done {
            note(&mut trace.notes, "It was still busy when the reply had ended.");
        }
        if self.missed > 0 {
            note(
                &mut trace.notes,
                &format!("It was too slow to see {} pieces.", self.missed),
            );
        }
        trace
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if !self.ended {
            self.task.abort();
        }
    }
}

async fn observe(mut post: Post, mut queue: mpsc::Receiver<String>, trace: Arc<Mutex<PluginTrace>>) {
    loop {
        let deadline = post.deadline();
        let patience = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let (text, ending) = tokio::select! {
            piece = queue.recv() => (piece.clone().unwrap_or_default(), piece.is_none()),
            () = patience => (String::new(), false),
        };
        post.advance(&text, ending).await;
        trace.lock().clone_from(post.trace());
        if ending {
            break;
        }
    }
}
