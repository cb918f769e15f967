//! Root fields of subscriptions: one each, and where the executor looks for it.

use std::collections::{HashMap, HashSet};

use async_graphql::Name;
use async_graphql::parser::Positioned;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection,
    SelectionSet,
};

use crate::error::{ErrorCode, RequestError};

/// What the schema calls its root of subscriptions.
const ROOT_TYPE: &str = "Subscription";

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Puts the root field of every subscription directly into its operation: the executor passes over
/// fragments there, and the stream would end without a word. Fragments that nothing spreads any
/// more are removed. The document must have passed [`check`](super::check).
///
/// # Errors
/// GRAPHQL_VALIDATION_FAILED unless there is exactly one root field that is neither introspection
/// nor subject to `@skip` or `@include`.
pub fn hoist_subscription_roots(document: &mut ExecutableDocument) -> Result<(), RequestError> {
    let mut hoisted = false;
    let fragments = &document.fragments;
    match &mut document.operations {
        DocumentOperations::Single(operation) => hoisted = hoist(operation, fragments)?,
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                hoisted |= hoist(operation, fragments)?;
            }
        }
    }
    if hoisted {
        let mut used = HashSet::new();
        for (_, operation) in document.operations.iter() {
            spread_in(&operation.node.selection_set.node, &document.fragments, &mut used);
        }
        document.fragments.retain(|name, _| used.contains(name));
    }
    Ok(())
}

fn hoist(operation: &mut Positioned<OperationDefinition>, fragments: &Fragments) -> Result<bool, RequestError> {
    if operation.node.ty != OperationType::Subscription {
        return Ok(false);
    }
    let invalid = |message: String| Err(RequestError::document(ErrorCode::ValidationFailed, message).at(operation.pos));
    let mut roots = Vec::new();
    let mut sets = vec![&operation.node.selection_set.node];
    while let Some(set) = sets.pop() {
        for selection in &set.items {
            if selection
                .node
                .directives()
                .iter()
                .any(|directive| matches!(directive.node.name.node.as_str(), "skip" | "include"))
            {
                return invalid("The root field of a subscription takes neither @skip nor @include.".into());
            }
            let condition = match &selection.node {
                Selection::Field(field) => {
                    roots.push(field);
                    continue;
                }
                Selection::InlineFragment(inline) => {
                    sets.push(&inline.node.selection_set.node);
                    inline.node.type_condition.as_ref()
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = fragments.get(name) else {
                        return invalid(format!("There is no fragment `{name}`."));
                    };
                    sets.push(&fragment.node.selection_set.node);
                    Some(&fragment.node.type_condition)
                }
            };
            if let Some(other) = condition
                .map(|condition| &condition.node.on.node)
                .filter(|on| *on != ROOT_TYPE)
            {
                return invalid(format!("A fragment on `{other}` cannot be spread in a subscription."));
            }
        }
    }
    let [root] = roots[..] else {
        return invalid(format!(
            "A subscription has exactly one root field; this one has {}.",
            roots.len()
        ));
    };
    if root.node.name.node.starts_with("__") {
        return invalid("The root field of a subscription cannot be introspection.".into());
    }
    if let [
        Positioned {
            node: Selection::Field(_),
            ..
        },
    ] = operation.node.selection_set.node.items[..]
    {
        return Ok(false);
    }
    let root: Positioned<Field> = root.clone();
    operation.node.selection_set.node.items = vec![Positioned::new(Selection::Field(root.clone()), root.pos)];
    Ok(true)
}

fn spread_in(set: &SelectionSet, fragments: &Fragments, used: &mut HashSet<Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => spread_in(&field.node.selection_set.node, fragments, used),
            Selection::InlineFragment(inline) => spread_in(&inline.node.selection_set.node, fragments, used),
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if used.insert(name.clone())
                    && let Some(fragment) = fragments.get(name)
                {
                    spread_in(&fragment.node.selection_set.node, fragments, used);
                }
            }
        }
    }
}
