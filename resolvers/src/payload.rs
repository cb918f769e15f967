//! Payloads of mutations: what came of one, or the errors that the person who asked can put right.

/// A payload of one thing, which is null if there are errors.
macro_rules! payload {
    ($name:ident { $(#[$doc:meta])* $field:ident: $thing:ty }, $error:ty) => {
        #[derive(async_graphql::SimpleObject, Default)]
        pub struct $name {
            $(#[$doc])*
            $field: Option<$thing>,
            user_errors: Vec<$error>,
        }

        impl $name {
            /// # Errors
            /// What is not for the person who asked to put right.
            fn of(outcome: Result<$thing, tavern_domain::Error>) -> async_graphql::Result<Self> {
                match outcome {
                    Ok(thing) => Ok(Self {
                        $field: Some(thing),
                        user_errors: Vec::new(),
                    }),
                    Err(error) => Ok(Self {
                        $field: None,
                        user_errors: tavern_schema::error::user_errors(error)?,
                    }),
                }
            }
        }
    };
}

pub(crate) use payload;
