//! Turns a model's name into a reply: which deployment is asked, how often, and for how long.
//!
//! Per deployment up to three attempts, then the next deployment, then the next model, all of it
//! only while nothing of a reply was shown. The only retry loop in the house.

use std::collections::HashMap;
use std::sync::Arc;

use futures::channel::mpsc;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use tavern_domain::model::Model;

use crate::breaker::Breaker;
use crate::config::{DEMO, ModelConfig, ModelsConfig, ProviderConfig, ProviderKind, Timeouts};
use crate::demo::Demo;
use crate::openai::OpenAi;
use crate::provider::Provider;
use crate::request::{CompletionRequest, ModelEvent};
use turn::Turn;

mod turn;

/// What is wrong with a configuration of models: all of it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct RouterError(pub Vec<String>);

/// Micro-credits per 1,000 tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub prompt: i64,
    pub completion: i64,
}

/// The configured models. Cheap to clone; clones share connections and circuit breakers.
#[derive(Clone)]
pub struct Router {
    routes: Arc<Vec<Arc<Route>>>,
    reply_bytes: usize,
}

struct Route {
    config: ModelConfig,
    deployments: Vec<Deployment>,
}

struct Deployment {
    provider_name: String,
    model: String,
    provider: Arc<dyn Provider>,
    timeouts: Timeouts,
    breaker: Breaker,
    /// Whether it can call functions.
    tools: bool,
}

impl Router {
    /// `reply_bytes` bounds the text of a reply, and likewise its reasoning; a longer one is cut
    /// there and finishes with the reason `length`.
    ///
    /// # Errors
    /// All mistakes of the configuration, unreadable key files included.
    pub fn new(config: &ModelsConfig, reply_bytes: usize) -> Result<Self, RouterError> {
        let mut mistakes = config.validate();
        if !mistakes.is_empty() {
            return Err(RouterError(mistakes));
        }
        let demo = ProviderConfig::demo();
        let mut providers: HashMap<&str, (Arc<dyn Provider>, &Timeouts)> = HashMap::new();
        providers.insert(DEMO, (Arc::new(Demo), &demo.timeouts));
        for (index, provider) in config.providers.iter().enumerate() {
            let made: Arc<dyn Provider> = match provider.kind {
                ProviderKind::Openai => match OpenAi::new(provider) {
                    Ok(openai) => Arc::new(openai),
                    Err(mistake) => {
                        mistakes.push(format!("providers[{index}].{mistake}"));
                        continue;
                    }
                },
                _ => Arc::new(Demo),
            };
            providers.insert(&provider.name, (made, &provider.timeouts));
        }
        if !mistakes.is_empty() {
            return Err(RouterError(mistakes));
        }
        let mut models = config.models.clone();
        if models.iter().all(|model| model.name != DEMO) {
            models.push(ModelConfig::demo());
        }
        let routes = models.into_iter().map(|config| {
            let deployments = config.deployments.iter().map(|deployment| {
                let (provider, timeouts) = &providers[deployment.provider.as_str()];
                Deployment {
                    provider_name: deployment.provider.clone(),
                    model: deployment.model.clone(),
                    provider: Arc::clone(provider),
                    timeouts: (*timeouts).clone(),
                    breaker: Breaker::default(),
                    tools: deployment.tools,
                }
            });
            Arc::new(Route {
                deployments: deployments.collect(),
                config,
            })
        });
        Ok(Self {
            routes: Arc::new(routes.collect()),
            reply_bytes,
        })
    }

    /// All models, in the configuration's order.
    #[must_use]
    pub fn models(&self) -> Vec<Model> {
        self.routes.iter().map(|route| route.model()).collect()
    }

    #[must_use]
    pub fn model(&self, name: &str) -> Option<Model> {
        self.route(name).map(|route| route.model())
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.route(name).is_some()
    }

    /// The first configured model, or the demo.
    #[must_use]
    pub fn default_model(&self) -> &str {
        &self.routes.first().expect("there is always the demo").config.name
    }

    #[must_use]
    pub fn price(&self, name: &str) -> Option<Price> {
        let config = &self.route(name)?.config;
        Some(Price {
            prompt: config.prompt_price,
            completion: config.completion_price,
        })
    }

    /// Asks the first of `models` that can answer; unknown names are passed over. Nothing happens
    /// until the stream is polled, and dropping it ends the provider's call at once.
    #[must_use]
    pub fn stream(&self, models: &[String], request: CompletionRequest) -> BoxStream<'static, ModelEvent> {
        let (events, received) = mpsc::channel(0);
        let routes = models.iter().filter_map(|name| self.route(name).cloned());
        let turn = Turn::new(routes.collect(), request, self.reply_bytes, events);
        // The turn runs inside the stream rather than in a task, so that it cannot outlive it.
        let turn = turn.run().boxed().into_stream().filter_map(|()| async { None });
        stream::select(received, turn).boxed()
    }

    fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.config.name == name)
    }
}

impl Route {
    fn model(&self) -> Model {
        Model {
            name: self.config.name.clone(),
            context_tokens: self.config.context_tokens,
            max_output_tokens: self.config.max_output_tokens,
            available: self
                .deployments
                .iter()
                .any(|deployment| deployment.breaker.is_available()),
            prompt_price: self.config.prompt_price,
            completion_price: self.config.completion_price,
            prompt: self.config.prompt,
            tokenizer: self.config.tokenizer.clone(),
            served_as: self
                .config
                .deployments
                .first()
                .map_or_else(String::new, |deployment| deployment.model.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
