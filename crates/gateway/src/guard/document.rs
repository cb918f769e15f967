//! The parsed document: what it stands for with its fragments expanded.

use std::collections::HashMap;
use std::convert::Infallible;

use async_graphql::parser::Positioned;
use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Pos, Value};
use tavern_domain::Limits;

use crate::error::{ErrorCode, RequestError};
use crate::uploads;

/// Levels of selection sets, fields and fragments alike: the executor recurses that deep. What
/// introspection needs (the usual tools ask 17 levels deep) is the reason for more than `query_depth`.
const LEVELS: usize = 32;
/// How often introspection may go from a type to the types of its members. The usual tools ask once;
/// each further time multiplies the answer by the size of the schema.
const INTROSPECTION_HOPS: usize = 1;

/// # Errors
/// QUERY_TOO_COMPLEX naming the limit; GRAPHQL_VALIDATION_FAILED for fragments that spread
/// themselves and for mutations that answer twice under one name.
pub fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), RequestError> {
    limit("operations", document.operations.iter().count(), limits.operations)?;
    limit("fragments", document.fragments.len(), limits.fragments)?;

    let mut measurer = Measurer {
        document,
        limits,
        directives: 0,
        fragments: HashMap::with_capacity(document.fragments.len()),
    };
    for name in document.fragments.keys() {
        measurer.fragment(name, 0)?.check(limits)?;
    }
    for (_, operation) in document.operations.iter() {
        let size = measurer.operation(&operation.node)?;
        size.check(limits)?;
        // Of a fragment by itself one cannot tell whether it belongs to introspection.
        limit("levels of fields", size.depth, limits.query_depth)?;
        let roots = if operation.node.ty == OperationType::Mutation {
            limits.mutation_root_fields
        } else {
            limits.root_fields
        };
        limit("root fields", size.fields_here, roots)?;
        if operation.node.ty == OperationType::Mutation {
            measurer.check_mutation_keys(&operation.node)?;
        }
    }
    limit("directives", measurer.directives, limits.directives)
}

fn limit(what: &str, actual: usize, limit: usize) -> Result<(), RequestError> {
    if actual > limit {
        Err(RequestError::too_complex(what, actual, limit))
    } else {
        Ok(())
    }
}

fn no_upload(value: &Value, position: Pos) -> Result<(), RequestError> {
    if uploads::exist(value, 0) {
        Ok(())
    } else {
        Err(RequestError::document(ErrorCode::ValidationFailed, "An upload must be a variable.").at(position))
    }
}

/// What a selection set stands for.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Fields and fragments of all levels.
    selections: usize,
    aliases: usize,
    /// Levels of fields, introspection apart.
    depth: usize,
    /// Levels of selection sets, those of fragments and of introspection included.
    levels: usize,
    /// Fields of this level itself.
    fields_here: usize,
    /// The most lists of members of types, one within the other.
    hops: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.fields_here = self.fields_here.saturating_add(other.fields_here);
        self.depth = self.depth.max(other.depth);
        self.levels = self.levels.max(other.levels);
        self.hops = self.hops.max(other.hops);
    }

    fn check(self, limits: &Limits) -> Result<(), RequestError> {
        limit("selections (fragments expanded)", self.selections, limits.selections)?;
        limit("aliases (fragments expanded)", self.aliases, limits.aliases)
    }
}

struct Measurer<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    directives: usize,
    /// `None` while the fragment is being measured: meeting it then is a cycle.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Measurer<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<Size, RequestError> {
        self.count_directives(&operation.directives)?;
        for variable in &operation.variable_definitions {
            self.count_directives(&variable.node.directives)?;
            if let Some(value) = &variable.node.default_value {
                no_upload(&value.node, value.pos)?;
            }
        }
        self.selection_set(&operation.selection_set, 0)
    }

    /// `level` is that of the selection set in which the fragment is spread.
    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Size, RequestError> {
        // The validator names fragments that are not defined.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Size::default());
        };
        match self.fragments.get(name) {
            Some(Some(size)) => return Self::within_levels(*size, level),
            Some(None) => {
                let message = format!("Fragment `{name}` spreads itself.");
                return Err(RequestError::document(ErrorCode::ValidationFailed, message).at(fragment.pos));
            }
            None => self.fragments.insert(name, None),
        };
        self.count_directives(&fragment.node.directives)?;
        let size = self.selection_set(&fragment.node.selection_set, level)?;
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    fn selection_set(&mut self, set: &'a Positioned<SelectionSet>, level: usize) -> Result<Size, RequestError> {
        let mut sum = Self::within_levels(Size::default(), level)?;
        for selection in &set.node.items {
            self.count_directives(selection.node.directives())?;
            let mut size = match &selection.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::FragmentSpread(spread) => {
                    Self::deeper(self.fragment(&spread.node.fragment_name.node, level + 1)?)
                }
                Selection::InlineFragment(inline) => {
                    Self::deeper(self.selection_set(&inline.node.selection_set, level + 1)?)
                }
            };
            size.selections = size.selections.saturating_add(1);
            sum.add(size);
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Size, RequestError> {
        for (name, value) in &field.arguments {
            let Ok(value) = value.node.clone().into_const_with(|_| Ok::<_, Infallible>(Value::Null));
            no_upload(&value, name.pos)?;
        }
        let mut size = Size {
            fields_here: 1,
            depth: 1,
            ..Size::default()
        };
        if !field.selection_set.node.items.is_empty() {
            let below = self.selection_set(&field.selection_set, level + 1)?;
            size = Self::deeper(Size {
                fields_here: 1,
                depth: below.depth + 1,
                ..below
            });
        }
        match field.name.node.as_str() {
            "__schema" | "__type" => {
                size.depth = 1;
                limit("steps from types to members of types", size.hops, INTROSPECTION_HOPS)?;
            }
            "fields" | "inputFields" | "interfaces" | "possibleTypes" => size.hops += 1,
            _ => {}
        }
        size.aliases = size.aliases.saturating_add(usize::from(field.alias.is_some()));
        Ok(size)
    }

    fn deeper(size: Size) -> Size {
        Size {
            levels: size.levels + 1,
            ..size
        }
    }

    fn within_levels(size: Size, level: usize) -> Result<Size, RequestError> {
        limit(
            "levels of selections (fragments and introspection included)",
            level + size.levels,
            LEVELS,
        )?;
        Ok(size)
    }

    fn count_directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), RequestError> {
        self.directives += directives.len();
        limit(
            "directives in one place",
            directives.len(),
            self.limits.directives_per_node,
        )
    }

    /// The executor runs a field once for every time it is selected, so two mutations that answer
    /// under one name would both happen and only one would be told.
    fn check_mutation_keys(&self, operation: &'a OperationDefinition) -> Result<(), RequestError> {
        let mut keys: Vec<&Name> = Vec::new();
        let mut sets = vec![&operation.selection_set.node];
        while let Some(set) = sets.pop() {
            for selection in &set.items {
                match &selection.node {
                    Selection::Field(field) => {
                        let key = field.node.response_key();
                        if keys.contains(&&key.node) {
                            let message = format!(
                                "Mutation field `{}` is selected more than once: each needs an alias of its own.",
                                key.node
                            );
                            return Err(RequestError::document(ErrorCode::ValidationFailed, message).at(key.pos));
                        }
                        keys.push(&key.node);
                    }
                    Selection::InlineFragment(inline) => sets.push(&inline.node.selection_set.node),
                    Selection::FragmentSpread(spread) => {
                        let fragment = self.document.fragments.get(&spread.node.fragment_name.node);
                        sets.extend(fragment.map(|fragment| &fragment.node.selection_set.node));
                    }
                }
            }
        }
        Ok(())
    }
}
