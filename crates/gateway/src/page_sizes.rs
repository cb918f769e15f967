//! Page sizes that a request leaves out.
//!
//! The executor weighs an operation before it runs, and there refuses one whose page size is a
//! variable without a value, which the specification allows. An omitted page size means the same as
//! null, so such variables get null as their default, once, when the document is parsed.

use std::collections::HashSet;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value as ConstValue};
use async_graphql_value::Value;

/// The arguments that the cost of a list depends on.
const PAGE_SIZES: [&str; 2] = ["first", "last"];

/// Gives nullable variables without a default that serve as page sizes the default null.
pub fn default_to_null(document: &mut ExecutableDocument) {
    let mut names = HashSet::new();
    for (_, operation) in document.operations.iter() {
        collect(&operation.node.selection_set.node, &mut names);
    }
    for fragment in document.fragments.values() {
        collect(&fragment.node.selection_set.node, &mut names);
    }
    if names.is_empty() {
        return;
    }
    match &mut document.operations {
        DocumentOperations::Single(operation) => complete(&mut operation.node, &names),
        DocumentOperations::Multiple(operations) => operations
            .values_mut()
            .for_each(|operation| complete(&mut operation.node, &names)),
    }
}

fn complete(operation: &mut OperationDefinition, names: &HashSet<Name>) {
    for variable in &mut operation.variable_definitions {
        let definition = &mut variable.node;
        if definition.default_value.is_none()
            && definition.var_type.node.nullable
            && names.contains(&definition.name.node)
        {
            definition.default_value = Some(Positioned::new(ConstValue::Null, variable.pos));
        }
    }
}

fn collect(selections: &SelectionSet, names: &mut HashSet<Name>) {
    for selection in &selections.items {
        match &selection.node {
            Selection::Field(field) => {
                for (argument, value) in &field.node.arguments {
                    if let Value::Variable(name) = &value.node
                        && PAGE_SIZES.contains(&argument.node.as_str())
                    {
                        names.insert(name.clone());
                    }
                }
                collect(&field.node.selection_set.node, names);
            }
            Selection::InlineFragment(fragment) => collect(&fragment.node.selection_set.node, names),
            Selection::FragmentSpread(_) => {}
        }
    }
}
