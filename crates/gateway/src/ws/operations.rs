//! The operations of one socket, and whose turn it is.

use std::task::{Context, Poll};

use async_graphql::Response;
use futures::StreamExt as _;
use futures::stream::BoxStream;

/// What an operation says: a result, or that there are no more.
pub(super) struct Emitted {
    pub(super) id: Box<str>,
    pub(super) result: Option<Response>,
}

/// Polled in turn, starting after the one that spoke last. A socket has few operations (the limit is
/// in the tens), so going through all of them on a wake costs less than keeping track of which woke.
#[derive(Default)]
pub(super) struct Operations {
    running: Vec<Operation>,
    turn: usize,
}

struct Operation {
    id: Box<str>,
    results: BoxStream<'static, Response>,
}

impl Operations {
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.running.iter().any(|operation| &*operation.id == id)
    }

    pub(super) fn start(&mut self, id: Box<str>, results: BoxStream<'static, Response>) {
        // Most sockets run one operation, and stay at that.
        self.running.reserve_exact(1);
        self.running.push(Operation { id, results });
    }

    /// Drops the operation at once, if it runs.
    pub(super) fn stop(&mut self, id: &str) {
        self.running.retain(|operation| &*operation.id != id);
    }

    /// The next thing any operation has to say; pending if none has anything, or there is none.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Emitted> {
        for _ in 0..self.running.len() {
            self.turn = (self.turn + 1) % self.running.len();
            let operation = &mut self.running[self.turn];
            match operation.results.poll_next_unpin(cx) {
                Poll::Pending => {}
                Poll::Ready(Some(response)) => {
                    return Poll::Ready(Emitted {
                        id: operation.id.clone(),
                        result: Some(response),
                    });
                }
                Poll::Ready(None) => {
                    let Operation { id, .. } = self.running.swap_remove(self.turn);
                    return Poll::Ready(Emitted { id, result: None });
                }
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn next(operations: &mut Operations) -> Option<(String, bool)> {
        match operations.poll_next(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(Emitted { id, result }) => Some((id.into(), result.is_some())),
            Poll::Pending => None,
        }
    }

    fn endless() -> BoxStream<'static, Response> {
        stream::repeat_with(Response::default).boxed()
    }

    #[test]
    fn operations_that_always_have_results_take_turns() {
        let mut operations = Operations::default();
        for id in ["a", "b", "c"] {
            operations.start(id.into(), endless());
        }
        let spoken: Vec<String> = (0..300)
            .filter_map(|_| next(&mut operations))
            .map(|(id, _)| id)
            .collect();
        for id in ["a", "b", "c"] {
            assert_eq!(spoken.iter().filter(|spoke| *spoke == id).count(), 100);
        }
    }

    #[test]
    fn an_operation_that_ends_says_so_once() {
        let mut operations = Operations::default();
        operations.start("a".into(), stream::iter([Response::default()]).boxed());
        operations.start("b".into(), stream::pending().boxed());
        assert_eq!(next(&mut operations), Some(("a".into(), true)));
        assert_eq!(next(&mut operations), Some(("a".into(), false)));
        assert_eq!(next(&mut operations), None);
        assert_eq!(operations.len(), 1);
    }

    #[test]
    fn a_stopped_operation_says_nothing_more() {
        let mut operations = Operations::default();
        operations.start("a".into(), endless());
        operations.stop("a");
        assert_eq!(next(&mut operations), None);
        assert!(!operations.contains("a"));
    }
}
