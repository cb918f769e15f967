//! A document that may be executed: read within the limits, parsed once, shared by all who send it.

use std::collections::HashSet;

use async_graphql::Pos;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, Selection};
use async_graphql::parser::{self, Positioned, parse_query};
use tavern_domain::Limits;

use crate::error::{ErrorCode, RequestError, shorten};
use crate::{guard, page_sizes};

/// A parsed document that has passed the guard.
#[derive(Debug)]
pub struct Document {
    pub ast: ExecutableDocument,
    /// Bytes of its text.
    pub size: usize,
}

impl Document {
    /// # Errors
    /// GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED, or QUERY_TOO_COMPLEX naming the limit.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, RequestError> {
        guard::scan(text, limits)?;
        let mut ast = parse_query(text).map_err(syntax_error)?;
        guard::check(&ast, limits)?;
        guard::hoist_subscription_roots(&mut ast)?;
        page_sizes::default_to_null(&mut ast);
        Ok(Self { ast, size: text.len() })
    }

    /// The operation a request means: the named one, or the only one.
    ///
    /// # Errors
    /// OPERATION_RESOLUTION_FAILURE if there is none of that name, or no name where one is needed.
    pub fn operation(&self, name: Option<&str>) -> Result<&Positioned<OperationDefinition>, RequestError> {
        let fail = |message: String| Err(RequestError::document(ErrorCode::OperationResolution, message));
        match (&self.ast.operations, name) {
            (DocumentOperations::Single(operation), None) => Ok(operation),
            (DocumentOperations::Multiple(operations), Some(name)) if operations.contains_key(name) => {
                Ok(&operations[name])
            }
            (DocumentOperations::Multiple(operations), None) => match operations.values().next() {
                Some(only) if operations.len() == 1 => Ok(only),
                _ => fail(format!(
                    "The document has {} operations: `operationName` must say which.",
                    operations.len()
                )),
            },
            (_, Some(name)) => fail(format!("The document has no operation named `{}`.", shorten(name, 64))),
        }
    }

    /// The names of the root fields of an operation, fragments expanded; none of one that is not there.
    pub fn root_fields(&self, operation: Option<&str>) -> HashSet<&str> {
        let mut names = HashSet::new();
        let Ok(operation) = self.operation(operation) else {
            return names;
        };
        let (mut open, mut spread) = (vec![&operation.node.selection_set.node], HashSet::new());
        while let Some(set) = open.pop() {
            for selection in &set.items {
                match &selection.node {
                    Selection::Field(field) => {
                        names.insert(field.node.name.node.as_str());
                    }
                    Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                    Selection::FragmentSpread(of) => {
                        let name = &of.node.fragment_name.node;
                        let fragment = self.ast.fragments.get(name).filter(|_| spread.insert(name));
                        open.extend(fragment.map(|fragment| &fragment.node.selection_set.node));
                    }
                }
            }
        }
        names
    }
}

fn syntax_error(error: parser::Error) -> RequestError {
    let code = match &error {
        parser::Error::Syntax { .. } | parser::Error::MissingOperation | parser::Error::RecursionLimitExceeded => {
            ErrorCode::ParseFailed
        }
        _ => ErrorCode::ValidationFailed,
    };
    let locations: Vec<Pos> = error.positions().collect();
    let message = match &error {
        // The parser draws a picture of several lines; its last line says what was expected.
        parser::Error::Syntax { message, start, .. } => {
            let reason = message
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches([' ', '=']);
            format!(
                "Syntax error at line {}, column {}: {reason}.",
                start.line, start.column
            )
        }
        other => format!("Invalid document: {other}."),
    };
    RequestError {
        locations,
        ..RequestError::document(code, message)
    }
}
