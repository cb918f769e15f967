//! What is called outside of turns: a component before it is published, an installation's life, and the
//! marketplace.
//!
//! Each call has a sandbox of its own. On the marketplace an extension sees what it is given and nothing else,
//! whatever it was granted, and its failure changes nothing: what it should have judged goes to a person, the
//! price stays, and so does the order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tavern_domain::InstallationId;
use tavern_domain::extension::{Capability, Hook, Outcome};

pub use crate::bindings::exports::tavern::extension::listing_price::Quote;
pub use crate::bindings::exports::tavern::extension::listing_validate::Finding;
use crate::bindings::exports::tavern::extension::search_rank::Change;
pub use crate::bindings::exports::tavern::extension::search_rank::Item;
use crate::bindings::tavern::extension::types::Pair;
use crate::calls::scaled;
use crate::chain::{Chain, Member};
use crate::host::Host;
use crate::imports::log::clean;
use crate::inspect::Inspection;
use crate::instance::{CallFacts, CallLimits, Failure, Instance, Share};
use crate::manifest::{About, Manifest};
use crate::ports::KvWrite;
use crate::program::{LoadError, Program};

/// Findings of one extension, and bytes of one.
const FINDINGS: usize = 64;
const FINDING_BYTES: usize = 1 << 10;
/// Bytes of why a price is what it is.
const REASON_BYTES: usize = 200;
/// Micro-credits that anything may cost: what the ledger can hold.
const MAX_AMOUNT: u64 = i64::MAX as u64;
/// Results that are ranked; those after them stay where they are.
const RANKED: usize = 100;
/// How far one extension may move a score.
const MAX_DELTA: f64 = 1e6;

/// What `listing-validate` hooks have found.
#[derive(Debug, Clone, Default)]
pub struct ListingReview {
    /// With the name of the extension each is from.
    pub findings: Vec<(String, Finding)>,
    /// Who failed. If there is anybody, a person must look at the listing.
    pub failures: Vec<(String, Failure)>,
}

/// What `listing-price` hooks have made of a price, one after the other.
#[derive(Debug, Clone)]
pub struct Price {
    /// Micro-credits.
    pub amount: u64,
    /// Why, with the name of the extension that says so.
    pub reasons: Vec<(String, String)>,
    pub failures: Vec<(String, Failure)>,
}

/// The order that `search-rank` hooks have given to results.
#[derive(Debug, Clone, Default)]
pub struct Ranked {
    /// Indexes of the results, best first.
    pub order: Vec<usize>,
    pub failures: Vec<(String, Failure)>,
}

impl Host {
    /// Compiles a component, makes an instance of it, and looks at what it imports, exports and needs: what is
    /// done once, when it is published. Its code stays in the cache.
    ///
    /// # Errors
    /// Why it cannot be run here, or cannot be checked now.
    pub async fn check_component(&self, component: Bytes, large_runtime: bool) -> Result<Inspection, LoadError> {
        let program = Arc::new(Program::of(component, large_runtime));
        let loaded = self.inner().programs.load_anew(self.inner(), &program).await?;
        let member = nobodys(program);
        let limits = self.limits_outside(&member, self.settings().limits.fuel_prompt);
        let blame = |failure: Failure| match failure.outcome {
            Outcome::PoolBusy | Outcome::HostError => LoadError::House(failure.message),
            _ => LoadError::Component(failure.message),
        };
        let mut instance = self.outside(&member).await.map_err(blame)?;
        let checked = instance.check(limits).await.result;
        checked.map_err(blame)?.map_err(LoadError::Component)?;
        Ok(loaded.inspection.clone())
    }

    /// Whether an extension can work with a configuration. One without the hook can.
    ///
    /// # Errors
    /// What it has against it, or how it failed.
    pub async fn validate_config(&self, member: &Arc<Member>, config: &Value) -> Result<(), Failure> {
        if !member.manifest.hooks.contains_key(&Hook::Lifecycle) {
            return Ok(());
        }
        let mut configured = Member::clone(member);
        configured.config = Arc::new(config.clone());
        let mut instance = self.outside(&Arc::new(configured)).await?;
        let limits = self.limits_outside(member, self.settings().limits.fuel_validate);
        unless_skipped(instance.validate_config(limits, &config.to_string()).await.result)
    }

    /// Lets an extension adapt its values after another version of it ran. Gives what it would write: to be
    /// committed together with the change of versions, so that neither stands without the other.
    ///
    /// # Errors
    /// How it failed: nothing is to be written.
    pub async fn migrate(&self, member: &Arc<Member>, from: &str) -> Result<Vec<KvWrite>, Failure> {
        if !member.manifest.hooks.contains_key(&Hook::Lifecycle) {
            return Ok(Vec::new());
        }
        let mut instance = self.outside(member).await?;
        let limits = self.limits_outside(member, self.settings().limits.fuel_validate);
        unless_skipped(instance.migrate(limits, from).await.result)?;
        Ok(instance.take_writes())
    }

    /// What extensions say of a listing (JSON).
    pub async fn validate_listing(&self, chain: &Chain, listing: &str) -> ListingReview {
        let mut review = ListingReview::default();
        for member in chain.at(Hook::ListingValidate) {
            match self.found(member, listing).await {
                Ok(findings) => review
                    .findings
                    .extend(findings.into_iter().map(|finding| (member.name.clone(), finding))),
                Err(failure) if failure.outcome == Outcome::Skipped => {}
                Err(failure) => review.failures.push((member.name.clone(), failure)),
            }
        }
        review
    }

    async fn found(&self, member: &Arc<Member>, listing: &str) -> Result<Vec<Finding>, Failure> {
        let mut instance = self.outside(&on_the_marketplace(member)).await?;
        let limits = self.limits_outside(member, self.settings().limits.fuel_validate);
        let findings = instance.validate_listing(limits, listing).await.result?;
        if findings.len() > FINDINGS {
            return Err(invalid(format!(
                "it has {} findings; {FINDINGS} are read",
                findings.len()
            )));
        }
        let shortened = findings.into_iter().map(|finding| match finding {
            Finding::Info(text) => Finding::Info(short(&text, FINDING_BYTES)),
            Finding::Warn(text) => Finding::Warn(short(&text, FINDING_BYTES)),
            Finding::Reject(text) => Finding::Reject(short(&text, FINDING_BYTES)),
        });
        Ok(shortened.collect())
    }

    /// What something costs, in micro-credits: each extension gets the price that those before it made.
    pub async fn price(&self, chain: &Chain, listing: &str, buyer: &[(String, String)], base: u64) -> Price {
        let mut price = Price {
            amount: base,
            reasons: Vec::new(),
            failures: Vec::new(),
        };
        let pair = |(key, value): &(String, String)| Pair {
            key: key.clone(),
            value: value.clone(),
        };
        let buyer: Vec<_> = buyer.iter().map(pair).collect();
        for member in chain.at(Hook::ListingPrice) {
            match self.quoted(member, listing, &buyer, price.amount).await {
                Ok(quote) => {
                    price.amount = quote.amount;
                    price
                        .reasons
                        .push((member.name.clone(), short(&quote.reason, REASON_BYTES)));
                }
                Err(failure) if failure.outcome == Outcome::Skipped => {}
                Err(failure) => price.failures.push((member.name.clone(), failure)),
            }
        }
        price
    }

    async fn quoted(&self, member: &Arc<Member>, listing: &str, buyer: &[Pair], amount: u64) -> Result<Quote, Failure> {
        let mut instance = self.outside(&on_the_marketplace(member)).await?;
        let limits = self.limits_outside(member, self.settings().limits.fuel_price);
        let base = Quote {
            amount,
            reason: String::new(),
        };
        let quote = instance.price(limits, listing, buyer, &base).await.result?;
        if quote.amount > MAX_AMOUNT {
            return Err(invalid(format!("a price may be {MAX_AMOUNT} at the most")));
        }
        Ok(quote)
    }

    /// In which order results are shown: by their score and what extensions add to it. Results come best first.
    pub async fn rank(&self, chain: &Chain, query: &str, items: &[Item]) -> Ranked {
        let mut ranked = Ranked::default();
        let shown = &items[..items.len().min(RANKED)];
        let mut scores: Vec<f64> = shown.iter().map(|item| item.score).collect();
        for member in chain.at(Hook::SearchRank) {
            match self.moved(member, query, shown).await {
                Ok(deltas) => scores.iter_mut().zip(deltas).for_each(|(score, delta)| *score += delta),
                Err(failure) if failure.outcome == Outcome::Skipped => {}
                Err(failure) => ranked.failures.push((member.name.clone(), failure)),
            }
        }
        ranked.order = (0..items.len()).collect();
        // Stable: equal scores stay in the order they came in.
        ranked.order[..shown.len()].sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        ranked
    }

    /// By how much each item moves.
    async fn moved(&self, member: &Arc<Member>, query: &str, items: &[Item]) -> Result<Vec<f64>, Failure> {
        let mut instance = self.outside(&on_the_marketplace(member)).await?;
        let limits = self.limits_outside(member, self.settings().limits.fuel_rank);
        let changes = instance.rank(limits, query, items).await.result?;
        let mut places: BTreeMap<&str, usize> = items
            .iter()
            .enumerate()
            .map(|(place, item)| (item.id.as_str(), place))
            .collect();
        let mut deltas = vec![0.0; items.len()];
        for Change { id, delta } in &changes {
            if !(-MAX_DELTA..=MAX_DELTA).contains(delta) {
                return Err(invalid(format!(
                    "a score moves by at most {MAX_DELTA}, and by a number"
                )));
            }
            let place = places.remove(id.as_str());
            let place = place.ok_or_else(|| invalid("it moves a result that there is not, or one twice".into()))?;
            deltas[place] = *delta;
        }
        Ok(deltas)
    }

    async fn outside(&self, member: &Arc<Member>) -> Result<Instance, Failure> {
        let facts = CallFacts {
            user: None,
            chat: None,
            model: String::new(),
            seed: 0,
            now: self.inner().clock.now(),
            dry_run: false,
            // Without a model, a token is about four bytes.
            count: Arc::new(|text| u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX)),
        };
        Instance::start(self, member, facts, Share::Calls).await
    }

    fn limits_outside(&self, member: &Member, fuel: u64) -> CallLimits {
        let limits = &self.settings().limits;
        scaled(limits, member, fuel, limits.wall_http_ms)
    }
}

/// A component that nobody has installed.
fn nobodys(program: Arc<Program>) -> Arc<Member> {
    let extension = About {
        id: "nobody/nothing".into(),
        version: "0.0.0".into(),
        title: String::new(),
        summary: String::new(),
        api: String::new(),
        license: String::new(),
        repository: None,
        keywords: Vec::new(),
        large_runtime: program.large_runtime,
    };
    Arc::new(Member {
        installation: InstallationId::new(),
        owner: None,
        name: extension.id.clone(),
        version: extension.version.clone(),
        manifest: Arc::new(Manifest {
            extension,
            hooks: BTreeMap::new(),
            permissions: BTreeMap::new(),
            macros: Vec::new(),
            tools: Vec::new(),
            secrets: Vec::new(),
            metrics: Vec::new(),
        }),
        program,
        granted: Arc::default(),
        config: Arc::default(),
        priority: None,
        fail_closed: false,
    })
}

/// With nothing granted but to be here.
fn on_the_marketplace(member: &Arc<Member>) -> Arc<Member> {
    let mut bare = Member::clone(member);
    bare.granted = Arc::new(vec![Capability::Marketplace]);
    Arc::new(bare)
}

fn unless_skipped(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if failure.outcome == Outcome::Skipped => Ok(()),
        result => result,
    }
}

fn invalid(message: String) -> Failure {
    Failure {
        outcome: Outcome::OutputInvalid,
        message,
        retryable: false,
    }
}

fn short(text: &str, bytes: usize) -> String {
    let mut text = clean(text);
    text.truncate(text.floor_char_boundary(bytes));
    text
}

#[cfg(test)]
mod tests;
