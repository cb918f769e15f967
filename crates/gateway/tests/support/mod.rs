//! A small house behind the fronts: a schema with a field for each way to behave, and a world that
//! tests steer and look into.

// Each test binary uses a part of it.
#![allow(dead_code)]
// The macro wants every resolver async.
#![allow(clippy::unused_async)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::{Context, Error, ErrorExtensions, Object, Request, Schema, SimpleObject, Subscription, Upload};
use futures::stream::{self, Stream, StreamExt};
use tavern_domain::actor::SignedIn;
use tavern_domain::{Actor, Clock, Limits, RefreshFamilyId, Result, Role, SystemClock, Timestamp, UserId};
use tavern_gateway::{Authenticated, Caller, House};
use tokio::sync::{Semaphore, watch};

/// A token of a user that holds for an hour.
pub const TOKEN: &str = "good";
/// A token of the same user that holds for a moment.
pub const BRIEF_TOKEN: &str = "brief";

pub type ToySchema = Schema<Query, Mutation, Subscriptions>;

/// What resolvers do to the world, and what the world does to resolvers.
pub struct World {
    /// How often `bump` and `bumpAtGate` have happened.
    pub bumps: AtomicUsize,
    /// `bumpAtGate` and `atGate` wait for a permit.
    pub gate: Semaphore,
    /// How many resolvers and streams have started to wait…
    pub waiting: watch::Sender<usize>,
    /// …and how many of those were dropped before they were done.
    pub dropped: watch::Sender<usize>,
}

impl World {
    /// Waits until `count` resolvers and streams have started to wait.
    pub async fn until_waiting(&self, count: usize) {
        self.waiting
            .subscribe()
            .wait_for(|waiting| *waiting >= count)
            .await
            .expect("the world outlives its watchers");
    }

    /// Waits until `count` resolvers and streams were dropped while they waited.
    pub async fn until_dropped(&self, count: usize) {
        self.dropped
            .subscribe()
            .wait_for(|dropped| *dropped >= count)
            .await
            .expect("the world outlives its watchers");
    }

    pub fn bumps(&self) -> usize {
        self.bumps.load(Ordering::SeqCst)
    }
}

/// Counts itself as dropped unless it is forgotten.
struct Waiting(Arc<World>);

impl Waiting {
    fn new(world: &Arc<World>) -> Self {
        world.waiting.send_modify(|count| *count += 1);
        Self(world.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dropped.send_modify(|count| *count += 1);
    }
}

/// A function, so that the compiler does not see the panic in what is made around a resolver.
fn secret_panic() -> i32 {
    panic!("a secret of the resolver")
}

pub struct Query;

#[derive(SimpleObject)]
pub struct Row {
    id: i32,
    name: String,
    tags: Vec<String>,
}

/// A type that contains itself.
pub struct Node;

#[Object]
impl Node {
    async fn value(&self) -> i32 {
        1
    }
    async fn node(&self) -> Node {
        Node
    }
}

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
    async fn echo(&self, text: String) -> String {
        text
    }
    /// Any JSON, as text.
    async fn any(&self, value: async_graphql::Json<serde_json::Value>) -> String {
        value.to_string()
    }
    async fn number(&self, #[graphql(validator(maximum = 10))] n: i32) -> i32 {
        n
    }
    async fn rows(&self, #[graphql(default = 20)] count: i32) -> Vec<Row> {
        (0..count)
            .map(|id| Row {
                id,
                name: format!("row {id}"),
                tags: vec!["a".into(), "b".into()],
            })
            .collect()
    }
    async fn node(&self) -> Node {
        Node
    }
    #[graphql(complexity = 40)]
    async fn costly(&self) -> i32 {
        1
    }
    async fn whoami(&self, ctx: &Context<'_>) -> Option<String> {
        ctx.data_unchecked::<Caller>().actor.user_id().map(|id| id.to_string())
    }
    async fn panics(&self) -> i32 {
        secret_panic()
    }
    async fn fails(&self) -> Result<Option<i32>, Error> {
        Err(Error::new("a secret of the database"))
    }
    async fn forbidden(&self) -> Result<Option<i32>, Error> {
        Err(Error::new("Not yours.").extend_with(|_, extensions| extensions.set("code", "FORBIDDEN")))
    }
    async fn at_gate(&self, ctx: &Context<'_>) -> i32 {
        let world = ctx.data_unchecked::<Arc<World>>();
        let waiting = Waiting::new(world);
        world.gate.acquire().await.expect("the gate stays").forget();
        std::mem::forget(waiting);
        1
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn bump(&self, ctx: &Context<'_>) -> usize {
        ctx.data_unchecked::<Arc<World>>().bumps.fetch_add(1, Ordering::SeqCst) + 1
    }
    async fn bump_at_gate(&self, ctx: &Context<'_>) -> usize {
        let world = ctx.data_unchecked::<Arc<World>>();
        let waiting = Waiting::new(world);
        world.gate.acquire().await.expect("the gate stays").forget();
        std::mem::forget(waiting);
        world.bumps.fetch_add(1, Ordering::SeqCst) + 1
    }
    /// `bumpAtGate`, with a minute for it.
    async fn bump_patiently(&self, ctx: &Context<'_>) -> usize {
        self.bump_at_gate(ctx).await.expect("it does not fail")
    }
    /// The name of each file with its size.
    async fn upload(&self, ctx: &Context<'_>, files: Vec<Upload>) -> Result<Vec<String>, Error> {
        files
            .into_iter()
            .map(|file| {
                file.value(ctx)
                    .map(|file| format!("{} {}", file.filename, file.content.len()))
                    .map_err(Error::from)
            })
            .collect()
    }
    async fn panics(&self) -> i32 {
        secret_panic()
    }
}

pub struct Subscriptions;

#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// 1 to `to`, then the end.
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }
    /// As fast as it is asked.
    async fn endless(&self) -> impl Stream<Item = i32> {
        stream::iter(0..)
    }
    /// Says nothing.
    async fn silent(&self, ctx: &Context<'_>) -> impl Stream<Item = i32> {
        let waiting = Waiting::new(ctx.data_unchecked::<Arc<World>>());
        stream::pending().map(move |n| {
            let _ = &waiting;
            n
        })
    }
    async fn panics(&self) -> impl Stream<Item = i32> {
        stream::iter(1..).map(|n| if n == 2 { panic!("a secret of the stream") } else { n })
    }
    async fn forbidden(&self) -> Result<stream::Empty<i32>, Error> {
        Err(Error::new("Not yours.").extend_with(|_, extensions| extensions.set("code", "FORBIDDEN")))
    }
}

pub struct ToyHouse {
    schema: ToySchema,
    limits: Limits,
    user: UserId,
    pub world: Arc<World>,
}

impl ToyHouse {
    pub fn new(limits: Limits) -> Arc<Self> {
        let world = Arc::new(World {
            bumps: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            waiting: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
        });
        let schema = Schema::build(Query, Mutation, Subscriptions)
            .data(world.clone())
            .limit_complexity(limits.complexity)
            .finish();
        Arc::new(Self {
            schema,
            limits,
            user: UserId::new(),
            world,
        })
    }

    pub fn user(&self) -> UserId {
        self.user
    }
}

impl House for ToyHouse {
    type Schema = ToySchema;

    fn schema(&self) -> &ToySchema {
        &self.schema
    }

    fn authenticate(&self, token: &str) -> Result<Authenticated> {
        let lifetime = match token {
            TOKEN => Duration::from_secs(3600),
            BRIEF_TOKEN => Duration::from_millis(100),
            _ => {
                return Err(tavern_domain::Error::new(
                    tavern_domain::Code::Unauthenticated,
                    "The token does not hold.",
                ));
            }
        };
        let actor = Actor::User(Arc::new(SignedIn {
            user: self.user,
            login: RefreshFamilyId::new(),
            roles: vec![Role::User],
        }));
        Ok(Authenticated {
            actor,
            expires_at: self.now().plus(lifetime),
        })
    }

    fn with_context(&self, request: Request, caller: &Caller) -> Request {
        request.data(caller.clone())
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn mutation_time_ms(&self, root_field: &str) -> u64 {
        match root_field {
            "bumpPatiently" => 60_000,
            _ => self.limits.mutation_timeout_ms,
        }
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}
