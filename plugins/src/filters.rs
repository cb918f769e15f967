//! The filters of one reply, warm as long as it lasts.
//!
//! They stand one behind the other: what one lets out goes into the next. Those that only observe get the
//! text beside the stream, never delay it, and may miss some of it if they are slow. A filter that fails is
//! out for the rest of the reply, and the text passes by it; unless it must work, then the reply ends.

mod observer;
mod post;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tavern_domain::extension::{Capability, PluginTrace};
use tokio::time::Instant;

use crate::calls::scaled;
use crate::chain::{Chain, Member};
use crate::host::Host;
use crate::turn::{Abort, TurnFacts};
use observer::Observer;
use post::Post;

/// The `stream-filter` hooks of a reply, one behind the other. To be dropped if one of its calls is.
pub struct Filters {
    places: Vec<Place>,
    /// The reply has ended, by itself or through a filter.
    ended: bool,
    /// How long their last words are waited for.
    observers_patience: Duration,
}

enum Place {
    Filter(Box<Post>),
    Observer(Observer),
}

/// What may be shown now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filtered {
    pub text: String,
    /// The reply ends here: what comes after is not shown, and need not be pushed.
    pub stop: bool,
    /// A filter that must work did not: the reply ends here, and this is why.
    pub abort: Option<Abort>,
}

impl Filters {
    pub(crate) fn new(host: &Host, chain: &Chain, facts: &TurnFacts) -> Self {
        let facts = Arc::new(facts.clone());
        let limits = &host.settings().limits;
        let flush = |member: &Member| scaled(limits, member, 0, limits.wall_flush_ms).wall;
        let observers = chain
            .filters()
            .filter(|(member, _)| !member.may(&Capability::StreamModify));
        let longest = observers.map(|(member, _)| flush(member)).max().unwrap_or_default();
        let places = chain.filters().map(|(member, triggers)| {
            let post = Post::new(host.clone(), Arc::clone(&facts), Arc::clone(member), triggers.cloned());
            match member.may(&Capability::StreamModify) {
                true => Place::Filter(Box::new(post)),
                false => Place::Observer(Observer::start(post)),
            }
        });
        Self {
            places: places.collect(),
            ended: false,
            observers_patience: 2 * longest,
        }
    }

    /// More of the reply has come.
    pub async fn push(&mut self, piece: &str) -> Filtered {
        if self.ended {
            return Filtered {
                stop: true,
                ..Filtered::default()
            };
        }
        self.advance(piece, false).await
    }

    /// When [`Self::flush`] is to be called, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = self.places.iter().filter_map(|place| match place {
            Place::Filter(post) => post.deadline(),
            Place::Observer(_) => None,
        });
        deadlines.min()
    }

    /// Lets what has waited long enough go on.
    pub async fn flush(&mut self) -> Filtered {
        self.push("").await
    }

    /// The reply has ended: all that was held comes out.
    pub async fn finish(&mut self) -> Filtered {
        match self.ended {
            true => Filtered::default(),
            false => self.advance("", true).await,
        }
    }

    /// One trace an extension, all its calls together. To be asked for when the reply has ended; those that
    /// observe may take as long as two flushes to come to their end.
    pub async fn take_traces(&mut self) -> Vec<PluginTrace> {
        let deadline = Instant::now() + self.observers_patience;
        let mut traces = Vec::with_capacity(self.places.len());
        for place in std::mem::take(&mut self.places) {
            traces.push(match place {
                Place::Filter(post) => post.into_trace(),
                Place::Observer(observer) => observer.into_trace(deadline).await,
            });
        }
        self.ended = true;
        traces
    }

    async fn advance(&mut self, piece: &str, mut ending: bool) -> Filtered {
        let mut filtered = Filtered {
            text: piece.to_owned(),
            ..Filtered::default()
        };
        for index in 0..self.places.len() {
            let post = match &mut self.places[index] {
                Place::Observer(observer) => {
                    observer.see(&filtered.text, ending);
                    continue;
                }
                Place::Filter(post) => post,
            };
            let passed = Box::pin(post.advance(&filtered.text, ending)).await;
            filtered.text = passed.text;
            if passed.stop || passed.abort.is_some() {
                // Those behind it come to their end as well, those before it have nothing more to say.
                ending = true;
                filtered.stop = true;
                filtered.abort = filtered.abort.or(passed.abort);
                self.close(index).await;
            }
        }
        self.ended |= ending;
        filtered
    }

    /// Ends the filters before one that has ended the reply.
    async fn close(&mut self, before: usize) {
        for place in &mut self.places[..before] {
            match place {
                Place::Filter(post) => Box::pin(post.close()).await,
                Place::Observer(observer) => observer.see("", true),
            }
        }
    }
}
