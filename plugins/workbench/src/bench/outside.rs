//! Hooks that are not called in turns: the life of an installation, and the marketplace.

use std::sync::Arc;

use serde_json::{Value, json};
use tavern_domain::extension::{Hook, Outcome};
use tavern_plugins::chain::{Chain, Member};
use tavern_plugins::outside::{Finding, Item};
use tavern_plugins::ports::Ports;
use tavern_plugins::{Failure, Host};

use super::Run;
use crate::case::{Case, Values};

/// Calls the hook of the case, if it is none of a turn. Values are not in what it gives.
pub(super) async fn call(host: &Host, ports: &dyn Ports, member: Member, case: &Case) -> Run {
    let member = Arc::new(member);
    let chain = Chain::new(vec![Member::clone(&member)]);
    let listing = case.input.listing.to_string();
    match case.hook {
        Hook::ListingValidate => {
            let review = host.validate_listing(&chain, &listing).await;
            let findings = review.findings.iter().map(|(_, finding)| match finding {
                Finding::Info(text) => json!({ "info": text }),
                Finding::Warn(text) => json!({ "warn": text }),
                Finding::Reject(text) => json!({ "reject": text }),
            });
            ran(findings.collect(), review.failures.into_iter().next())
        }
        Hook::ListingPrice => {
            let buyer: Vec<_> = case.input.buyer.clone().into_iter().collect();
            let price = host.price(&chain, &listing, &buyer, case.input.base.amount).await;
            let reason = price.reasons.last().map(|(_, reason)| reason.as_str());
            let result = json!({ "amount": price.amount, "reason": reason });
            ran(result, price.failures.into_iter().next())
        }
        Hook::SearchRank => {
            let items: Vec<_> = case.input.items.iter().cloned().map(Item::from).collect();
            let ranked = host.rank(&chain, &case.input.query, &items).await;
            let order = ranked.order.iter().map(|place| json!(items[*place].id));
            ran(order.collect(), ranked.failures.into_iter().next())
        }
        _ => {
            let done = match &case.input.migrate_from {
                Some(version) => match host.migrate(&member, version).await {
                    Ok(writes) => {
                        let kept = ports.kv_commit(member.installation, &member.version, writes).await;
                        kept.map_err(|fault| Failure {
                            outcome: Outcome::HostError,
                            message: fault.to_string(),
                            retryable: true,
                        })
                    }
                    Err(failure) => Err(failure),
                },
                None => host.validate_config(&member, &member.config).await,
            };
            ran(Value::Null, done.err().map(|failure| (String::new(), failure)))
        }
    }
}

fn ran(result: Value, failure: Option<(String, Failure)>) -> Run {
    Run {
        outcome: failure.as_ref().map_or(Outcome::Ok, |(_, failure)| failure.outcome),
        edits: Vec::new(),
        result,
        kv: Values::new(),
        notes: failure.map(|(_, failure)| failure.message).into_iter().collect(),
        requests: Vec::new(),
        trace: None,
    }
}
