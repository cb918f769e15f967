//! The extensions of an account in the order they are called.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tavern_domain::InstallationId;
use tavern_domain::extension::{Capability, Hook};

use crate::manifest::{Manifest, Phase};
use crate::program::Program;

/// An extension that is installed and on, with all that its calls need.
#[derive(Clone)]
pub struct Member {
    pub installation: InstallationId,
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
}

/// All of them, ordered for each hook. Made once, and swapped when an installation changes; a turn keeps
/// the one it began with.
#[derive(Clone, Default)]
pub struct Chain {
    members: Vec<Arc<Member>>,
    order: BTreeMap<Hook, Vec<usize>>,
}

impl Chain {
    /// Orders by phase, priority, hints, and name.
    #[must_use]
    pub fn new(members: Vec<Member>) -> Self {
        let members: Vec<_> = members.into_iter().map(Arc::new).collect();
        let mut order: BTreeMap<Hook, Vec<usize>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            for hook in member.manifest.hooks.keys() {
                order.entry(*hook).or_default().push(index);
            }
        }
        for (hook, indexes) in &mut order {
            indexes.sort_by_key(|index| {
                let member = &members[*index];
                let settings = member.manifest.hooks.get(hook);
                let phase = settings.map_or(Phase::default(), |settings| settings.phase);
                let priority = member.priority.or(settings.map(|settings| settings.priority));
                (phase, std::cmp::Reverse(priority.unwrap_or(0)), member.name.clone())
            });
        }
        Self { members, order }
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
