//! The filters of one reply, warm as long as it lasts.

use tavern_domain::extension::PluginTrace;
use tokio::time::Instant;

use crate::turn::Abort;

/// The `stream-filter` hooks of a reply, one behind the other.
pub struct Filters {
    traces: Vec<PluginTrace>,
}

/// What may be shown now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filtered {
    pub text: String,
    /// The reply ends here.
    pub stop: bool,
    /// A filter that must work did not: the reply ends here, and this is why.
    pub abort: Option<Abort>,
}

impl Filters {
    /// More of the reply has come.
    pub async fn push(&mut self, piece: &str) -> Filtered {
        Filtered {
            text: piece.to_owned(),
            ..Filtered::default()
        }
    }

    /// When [`Self::flush`] is to be called, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Lets what has waited long enough go on.
    pub async fn flush(&mut self) -> Filtered {
        Filtered::default()
    }

    /// The reply has ended: all that was held comes out.
    pub async fn finish(&mut self) -> Filtered {
        Filtered::default()
    }

    /// One trace an extension, all its calls together.
    pub fn take_traces(&mut self) -> Vec<PluginTrace> {
        std::mem::take(&mut self.traces)
    }
}
