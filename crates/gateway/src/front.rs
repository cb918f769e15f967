//! What every transport does with an operation: find its document, bind its variables, execute it.
//!
//! [`Front::prepare`] turns a document (or the hash of a persisted one) into a [`Prepared`]
//! operation: parsed, within the limits, the operation chosen. [`Prepared::bind`] adds variables.
//! [`Front::execute`] and [`Front::subscribe`] run it and promise that every error that comes out
//! carries a code of the closed list and nothing internal, that no panic gets through, and that a
//! mutation that has started is not cut off because its client went away.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, Response, UploadValue, Value, Variables};
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use tavern_domain::{Actor, Code, Limits};
use tokio_util::task::TaskTracker;

use crate::cache::{DocumentCache, PersistedQuery};
use crate::document::Document;
use crate::error::{ErrorCode, RequestError};
use crate::house::{Authenticated, Caller, House};
use crate::http::MemoryPool;
use crate::outcome::Finish;
use crate::request_id::RequestId;
use crate::uploads;

/// What an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

/// The way from a transport to the schema. Cheap to clone.
pub struct Front<H: House>(Arc<Inner<H>>);

struct Inner<H> {
    house: Arc<H>,
    documents: DocumentCache,
    upload_memory: MemoryPool,
    mutations: TaskTracker,
}

impl<H: House> Clone for Front<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// An operation that may be executed: its document is parsed and within the limits.
#[derive(Debug, Clone)]
pub struct Prepared {
    document: Arc<Document>,
    operation_name: Option<Box<str>>,
    kind: OperationKind,
}

/// A prepared operation with its variables.
pub struct Operation {
    /// To which a transport may add uploads and data before the operation runs.
    pub request: Request,
    document: Arc<Document>,
    kind: OperationKind,
}

impl Prepared {
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        self.kind
    }

    /// # Errors
    /// BAD_USER_INPUT if a variable that must have a value has none.
    pub fn bind(self, variables: Variables) -> Result<Operation, RequestError> {
        self.bind_with_uploads(variables, Vec::new())
    }

    /// Binds variables some of which may refer to `files`.
    ///
    /// # Errors
    /// BAD_USER_INPUT if a variable that must have a value has none, or refers to a file that is not there.
    pub fn bind_with_uploads(self, variables: Variables, files: Vec<UploadValue>) -> Result<Operation, RequestError> {
        let definition = self.document.operation(self.operation_name.as_deref())?;
        for variable in &definition.node.variable_definitions {
            let (name, kind) = (&variable.node.name.node, &variable.node.var_type.node);
            let missing = match variables.get(name) {
                None => variable.node.default_value.is_none(),
                Some(value) => *value == Value::Null,
            };
            if missing && !kind.nullable {
                let message = format!("Variable `${name}` of required type `{kind}` has no value.");
                return Err(RequestError::document(ErrorCode::House(Code::BadUserInput), message).at(variable.pos));
            }
        }
        // Only mutations take uploads.
        if self.kind == OperationKind::Mutation && !variables.values().all(|value| uploads::exist(value, files.len())) {
            return Err(RequestError::document(
                ErrorCode::House(Code::BadUserInput),
                "A variable refers to an upload that is not part of the request.",
            ));
        }
        // The executor looks at the text only to parse it, which has been done.
        let mut request = Request::new(String::new()).variables(variables);
        request.operation_name = self.operation_name.map(String::from);
        request.uploads = files;
        request.set_parsed_query(self.document.ast.clone());
        Ok(Operation {
            request,
            document: self.document,
            kind: self.kind,
        })
    }
}

impl Operation {
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        self.kind
    }
}

impl<H: House> Front<H> {
    #[must_use]
    pub fn new(house: Arc<H>) -> Self {
        let documents = DocumentCache::new(house.limits().document_cache_bytes);
        let upload_memory = MemoryPool::new(house.limits().upload_memory_bytes);
        Self(Arc::new(Inner {
            house,
            documents,
            upload_memory,
            mutations: TaskTracker::new(),
        }))
    }

    #[must_use]
    pub fn house(&self) -> &H {
        &self.0.house
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.0.house.limits()
    }

    pub(crate) fn upload_memory(&self) -> &MemoryPool {
        &self.0.upload_memory
    }

    /// Who sends `Authorization: authorization`; anonymous without it.
    ///
    /// # Errors
    /// UNAUTHENTICATED, status 401, for another scheme than `Bearer` and for a token that does not hold.
    pub fn caller(
        &self,
        authorization: Option<&str>,
        address: IpAddr,
        request_id: RequestId,
    ) -> Result<Caller, RequestError> {
        let (actor, expires_at) = match authorization {
            None => (Actor::Anonymous, None),
            Some(text) => {
                let Authenticated { actor, expires_at } = self.authenticate(text)?;
                (actor, Some(expires_at))
            }
        };
        Ok(Caller {
            actor,
            expires_at,
            address,
            request_id: request_id.0,
        })
    }

    fn authenticate(&self, authorization: &str) -> Result<Authenticated, RequestError> {
        let refuse = |message| RequestError::http(http::StatusCode::UNAUTHORIZED, Code::Unauthenticated, message);
        let token = authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| refuse("`Authorization` must be `Bearer` and an access token.".into()))?;
        self.0
            .house
            .authenticate(token)
            .map_err(|error| refuse(error.message().to_owned()))
    }

    /// Finds or parses the document and chooses the operation. An empty `operation_name` counts as none.
    ///
    /// # Errors
    /// GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED, QUERY_TOO_COMPLEX (naming the limit),
    /// OPERATION_RESOLUTION_FAILURE, PERSISTED_QUERY_NOT_FOUND, or BAD_USER_INPUT if there is
    /// neither a document nor a hash, or the two do not match.
    pub fn prepare(
        &self,
        query: Option<&str>,
        operation_name: Option<&str>,
        persisted: Option<&PersistedQuery>,
    ) -> Result<Prepared, RequestError> {
        let document = self.0.documents.find(query, persisted, self.limits())?;
        let operation_name = operation_name.filter(|name| !name.is_empty());
        let kind = match document.operation(operation_name)?.node.ty {
            OperationType::Query => OperationKind::Query,
            OperationType::Mutation => OperationKind::Mutation,
            OperationType::Subscription => OperationKind::Subscription,
        };
        Ok(Prepared {
            document,
            operation_name: operation_name.map(Box::from),
            kind,
        })
    }

    /// Executes a query or a mutation within its time.
    ///
    /// A query ends when the returned future is dropped. A mutation goes on to its end, or to the
    /// end of its time: half a mutation helps nobody.
    pub async fn execute(&self, operation: Operation, caller: &Caller) -> Response {
        let Operation {
            request,
            document,
            kind,
        } = operation;
        let request = self.0.house.with_context(request, caller);
        let finish = self.finish(Arc::clone(&document), caller);
        if kind != OperationKind::Mutation {
            return self.run(request, finish, self.limits().query_timeout_ms).await;
        }
        let (front, time) = (
            self.clone(),
            self.mutation_time_ms(&document, request.operation_name.as_deref()),
        );
        let task = self
            .0
            .mutations
            .spawn(async move { front.run(request, finish, time).await });
        match task.await {
            Ok(response) => response,
            // The task catches panics itself and nobody aborts it: the runtime is shutting down.
            Err(_) => RequestError::document(ErrorCode::House(Code::Unavailable), "The server is shutting down.")
                .into_response(),
        }
    }

    fn mutation_time_ms(&self, document: &Document, operation_name: Option<&str>) -> u64 {
        let times = document.root_fields(operation_name).into_iter();
        let times = times.map(|field| self.0.house.mutation_time_ms(field));
        times.max().unwrap_or_else(|| self.limits().mutation_timeout_ms)
    }

    async fn run(&self, request: Request, finish: Finish, time_ms: u64) -> Response {
        let execution = AssertUnwindSafe(self.0.house.schema().execute(request)).catch_unwind();
        match tokio::time::timeout(Limits::ms(time_ms), execution).await {
            Ok(outcome) => finish.outcome(outcome),
            Err(_) => RequestError::document(
                ErrorCode::House(Code::RequestTimeout),
                format!("The operation took more than {time_ms} ms."),
            )
            .into_response(),
        }
    }

    /// Starts a subscription. It ends when the stream is dropped. A panic is its last item.
    pub fn subscribe(
        &self,
        operation: Operation,
        caller: &Caller,
    ) -> impl Stream<Item = Response> + Send + Unpin + 'static + use<H> {
        let Operation { request, document, .. } = operation;
        let request = self.0.house.with_context(request, caller);
        let finish = self.finish(document, caller);
        let stream: BoxStream<'static, Response> = self.0.house.schema().execute_stream(request, None);
        let stream = AssertUnwindSafe(stream).catch_unwind();
        stream.map(move |outcome: Result<Response, Box<dyn Any + Send>>| finish.outcome(outcome))
    }

    fn finish(&self, document: Arc<Document>, caller: &Caller) -> Finish {
        Finish::new(document, caller.request_id.clone(), self.limits())
    }

    /// Waits for the mutations whose clients have gone. For use once no transport takes requests any more.
    pub async fn drained(&self) {
        self.0.mutations.close();
        self.0.mutations.wait().await;
    }
}
