//! Requests to the hosts that the owner has permitted. What may be sent where, [`crate::egress`] decides; here a
//! secret's name becomes the secret, which the guest never sees.

use futures::future::join_all;
use tavern_domain::extension::Capability;

use crate::bindings::tavern::extension::http::{Host, HttpError, Request, Response};
use crate::bindings::tavern::extension::types::Pair;
use crate::chain::Member;
use crate::egress::{Asker, EgressError, EgressGrant, EgressRequest, InjectedSecret};
use crate::host::Host as Shared;
use crate::ports::Secret;
use crate::store::State;

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, HttpError>> {
        let mut answers = self.send_many(vec![request]).await?;
        Ok(answers.pop().expect("one for each request"))
    }

    async fn send_many(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, HttpError>>> {
        self.admit(requests.iter().map(bytes_of).sum())?;
        let asker = Asker {
            installation: self.member.installation,
            owner: self.member.owner,
        };
        let mut prepared = Vec::with_capacity(requests.len());
        for request in requests {
            prepared.push(self.prepare(request).await);
        }
        let host = &self.host;
        let sent = prepared.into_iter().map(|prepared| async move {
            let (grant, request) = prepared?;
            send(host, asker, &grant, request).await
        });
        Ok(join_all(sent).await)
    }
}

fn bytes_of(request: &Request) -> usize {
    let headers = request.headers.iter().map(|pair| pair.key.len() + pair.value.len());
    request.method.len() + request.url.len() + request.body.len() + headers.sum::<usize>()
}

impl State {
    async fn prepare(&mut self, request: Request) -> Result<(EgressGrant, EgressRequest), HttpError> {
        if self.facts.dry_run {
            return Err(HttpError::Denied("this is a preview, in which nobody is asked".into()));
        }
        if self.call.http_requests >= self.limits().http_requests {
            return Err(HttpError::Quota);
        }
        self.call.http_requests += 1;
        let hosts: Vec<_> = self
            .member
            .granted
            .iter()
            .filter_map(|granted| match granted {
                Capability::Http(host) => Some(host.clone()),
                _ => None,
            })
            .collect();
        if hosts.is_empty() {
            return Err(HttpError::Denied("no host is permitted".into()));
        }
        let secret = match &request.auth {
            Some(name) => Some(self.secret(name).await?),
            None => None,
        };
        let request = EgressRequest {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(|pair| (pair.key, pair.value)).collect(),
            body: request.body.into(),
            timeout_ms: request.timeout_ms,
        };
        Ok((EgressGrant { hosts, secret }, request))
    }

    async fn secret(&mut self, name: &str) -> Result<InjectedSecret, HttpError> {
        let Some(declared) = self.granted_secret(name) else {
            return Err(HttpError::Denied("the secret is not granted".into()));
        };
        let Member {
            installation, version, ..
        } = &*self.member;
        let secret = self.host.inner().ports.secret(*installation, version, name).await;
        let Some(secret) = secret else {
            return Err(HttpError::Denied("the secret is not set".into()));
        };
        Ok(InjectedSecret {
            header: declared.header.clone(),
            value: Secret(declared.format.replace("{}", &secret.0)),
            hosts: declared.hosts.clone(),
        })
    }
}

async fn send(host: &Shared, asker: Asker, grant: &EgressGrant, request: EgressRequest) -> Result<Response, HttpError> {
    let answer = host.inner().egress.send(asker, grant, request).await;
    answer
        .map(|response| Response {
            status: response.status,
            headers: response
                .headers
                .into_iter()
                .map(|(key, value)| Pair { key, value })
                .collect(),
            body: response.body.into(),
        })
        .map_err(|error| match error {
            EgressError::Denied(why) => HttpError::Denied(why),
            EgressError::Timeout => HttpError::Timeout,
            EgressError::TooLarge => HttpError::TooLarge,
            EgressError::Dns => HttpError::Dns,
            EgressError::Connect => HttpError::Connect,
            EgressError::Tls => HttpError::Tls,
            EgressError::Protocol(what) => HttpError::Protocol(what),
            EgressError::Quota => HttpError::Quota,
            EgressError::BreakerOpen => HttpError::BreakerOpen,
        })
}

#[cfg(test)]
mod tests;
