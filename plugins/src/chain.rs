//! The extensions of an account in the order they are called.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tavern_domain::extension::{Capability, Hook};
use tavern_domain::{InstallationId, UserId};

use crate::manifest::Manifest;
pub use crate::order::Conflict;
use crate::order::order;
use crate::program::Program;
use crate::triggers::Triggers;

/// An extension that is installed and on, with all that its calls need.
#[derive(Clone)]
pub struct Member {
    pub installation: InstallationId,
    /// The account it is on for, out of whose part of the sandboxes it is served. `None` before anybody has
    /// it: what is nobody's has one part together.
    pub owner: Option<UserId>,
    /// `publisher/name`.
    pub name: String,
    pub version: String,
    pub manifest: Arc<Manifest>,
    /// Where its code comes from; loaded when it is first called.
    pub program: Arc<Program>,
    /// What it may: manifest, grants and policy together.
    pub granted: Arc<Vec<Capability>>,
    /// The configuration as JSON, without secrets.
    pub config: Arc<Value>,
    /// The owner's, before the manifest's.
    pub priority: Option<i32>,
    /// Its failure stops the turn.
    pub fail_closed: bool,
}

impl Member {
    #[must_use]
    pub fn may(&self, wanted: &Capability) -> bool {
        self.granted.iter().any(|granted| granted.covers(wanted))
    }

    /// How many messages of the chat it may see.
    #[must_use]
    pub fn history(&self) -> usize {
        let seen = self.granted.iter().map(|granted| match granted {
            Capability::History(messages) => *messages as usize,
            _ => 0,
        });
        seen.max().unwrap_or(0)
    }
}

/// What a member must be permitted to be called at a hook at all; further permissions are asked for by edit.
#[must_use]
pub const fn required(hook: Hook) -> Option<Capability> {
    match hook {
        Hook::WorldInfo => Some(Capability::LoreRead),
        Hook::StreamFilter => Some(Capability::StreamObserve),
        Hook::MacroProvider => Some(Capability::Macros),
        Hook::Tool => Some(Capability::Tools),
        Hook::ListingValidate | Hook::ListingPrice | Hook::SearchRank => Some(Capability::Marketplace),
        Hook::Lifecycle | Hook::BeforePrompt | Hook::PromptTransform | Hook::AfterReply => None,
    }
}

/// All of them, ordered for each hook. Made once, and swapped when an installation changes; a turn keeps
/// the one it began with.
#[derive(Clone, Default)]
pub struct Chain {
    members: Vec<Arc<Member>>,
    order: BTreeMap<Hook, Vec<usize>>,
    conflicts: Vec<Conflict>,
    /// What stream filters wait for, in their order; `None` is everything.
    triggers: Vec<Option<Arc<Triggers>>>,
}

impl Chain {
    /// Orders by phase, priority, hints, and name. A member stands at the hooks of its manifest, except
    /// where the permission that a hook needs is not granted.
    #[must_use]
    pub fn new(members: Vec<Member>) -> Self {
        let members: Vec<_> = members.into_iter().map(Arc::new).collect();
        let mut at: BTreeMap<Hook, Vec<usize>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            for hook in member.manifest.hooks.keys() {
                if required(*hook).is_none_or(|capability| member.may(&capability)) {
                    at.entry(*hook).or_default().push(index);
                }
            }
        }
        let mut chain = Self::default();
        for (hook, indexes) in at {
            let (ordered, conflicts) = order(&members, hook, indexes);
            chain.order.insert(hook, ordered);
            chain.conflicts.extend(conflicts);
        }
        chain.members = members;
        let triggers = chain.at(Hook::StreamFilter).map(|member| {
            let settings = member.manifest.hooks.get(&Hook::StreamFilter);
            let triggers = settings.and_then(|settings| Triggers::new(settings, &member.config));
            triggers.map(Arc::new)
        });
        chain.triggers = triggers.collect();
        chain
    }

    /// Where the wishes of members contradict each other. An installation that brings one about is to be
    /// refused; a turn goes by priority.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// The stream filters, first to last, each with what it waits for.
    pub(crate) fn filters(&self) -> impl Iterator<Item = (&Arc<Member>, Option<&Arc<Triggers>>)> {
        self.at(Hook::StreamFilter)
            .zip(self.triggers.iter().map(Option::as_ref))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    #[must_use]
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Who is called at a hook, first to last.
    pub fn at(&self, hook: Hook) -> impl Iterator<Item = &Arc<Member>> {
        let order = self.order.get(&hook).map_or(&[][..], Vec::as_slice);
        order.iter().map(|index| &self.members[*index])
    }

    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        self.order.get(&hook).is_some_and(|order| !order.is_empty())
    }
}
