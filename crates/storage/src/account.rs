//! Accounts: names that are taken once, profiles, roles and password hashes.

use std::collections::HashMap;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, SqlErr};
use tavern_domain::account::{Email, User, Username};
use tavern_domain::error::FieldError;
use tavern_domain::{Code, Error, Result, Role, Timestamp, UserId};
use uuid::Uuid;

use crate::db::{Db, DbResult, lists};
use crate::entity::{user, user_role};

/// What is needed to make an account.
#[derive(Debug, Clone, Copy)]
pub struct NewAccount<'a> {
    pub id: UserId,
    pub username: &'a Username,
    pub email: &'a Email,
    pub password_hash: &'a str,
    pub roles: &'a [Role],
    pub now: Timestamp,
}

/// An account with the hash of its password.
#[derive(Clone)]
pub struct Credentials {
    pub user: User,
    pub password_hash: String,
}

/// What of a profile is to change; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    pub display_name: Option<String>,
    pub bio: Option<String>,
}

/// Accounts and their logins. Cheap to clone.
#[derive(Clone)]
pub struct AccountStore {
    pub(crate) db: Db,
}

impl AccountStore {
    /// # Errors
    /// CONFLICT that names every taken field: `username` (the same or one that looks like it), `email`.
    pub async fn create(&self, account: NewAccount<'_>) -> Result<User> {
        let now = account.now.0;
        let tx = self.db.begin().await?;
        let taken = taken(&tx, account.username, account.email).await?;
        if !taken.is_empty() {
            return Err(Error::from_fields(taken));
        }
        let row = user::ActiveModel {
            id: Set(account.id.uuid()),
            username: Set(account.username.as_str().to_owned()),
            username_key: Set(account.username.key().to_owned()),
            username_skeleton: Set(account.username.skeleton().to_owned()),
            display_name: Set(account.username.as_str().to_owned()),
            email: Set(account.email.as_str().to_owned()),
            email_key: Set(account.email.key().to_owned()),
            bio: Set(String::new()),
            is_verified: Set(false),
            password_hash: Set(account.password_hash.to_owned()),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let row = match row.insert(&tx).await {
            // Over PostgreSQL another registration can have been faster; say which names it took.
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                drop(tx);
                let taken = self::taken(&self.db.write, account.username, account.email).await?;
                return Err(if taken.is_empty() {
                    Error::internal(error)
                } else {
                    Error::from_fields(taken)
                });
            }
            inserted => inserted.db()?,
        };
        insert_roles(&tx, account.id, account.roles).await?;
        tx.commit().await.db()?;
        Ok(to_user(row, account.roles.to_vec()))
    }

    pub async fn by_id(&self, id: UserId) -> Result<Option<User>> {
        Ok(self
            .find(Condition::all().add(user::Column::Id.eq(id.uuid())))
            .await?
            .map(|found| found.user))
    }

    /// Those that exist, in no particular order.
    pub async fn by_ids(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let mut users = Vec::with_capacity(ids.len());
        for list in lists(ids.iter().map(|id| id.uuid())) {
            let rows = user::Entity::find()
                .filter(user::Column::Id.is_in(list.clone()))
                .all(&self.db.read)
                .await
                .db()?;
            let mut roles: HashMap<Uuid, Vec<Role>> = HashMap::new();
            for row in user_role::Entity::find()
                .filter(user_role::Column::UserId.is_in(list))
                .all(&self.db.read)
                .await
                .db()?
            {
                roles.entry(row.user_id).or_default().extend(row.role.parse::<Role>());
            }
            users.extend(rows.into_iter().map(|row| {
                let roles = roles.remove(&row.id).unwrap_or_default();
                to_user(row, roles)
            }));
        }
        Ok(users)
    }

    /// By the form of the name that [`Username::key_of`] gives.
    pub async fn by_username(&self, key: &str) -> Result<Option<User>> {
        Ok(self
            .find(Condition::all().add(user::Column::UsernameKey.eq(key)))
            .await?
            .map(|found| found.user))
    }

    /// The account with this username's key or this e-mail's key.
    pub async fn credentials(&self, username_key: &str, email_key: &str) -> Result<Option<Credentials>> {
        self.find(
            Condition::any()
                .add(user::Column::UsernameKey.eq(username_key))
                .add(user::Column::EmailKey.eq(email_key)),
        )
        .await
    }

    /// `None` if there is no such account.
    pub async fn update_profile(&self, id: UserId, change: ProfileChange, now: Timestamp) -> Result<Option<User>> {
        let mut update = user::Entity::update_many()
            .filter(user::Column::Id.eq(id.uuid()))
            .col_expr(user::Column::UpdatedAt, Expr::value(now.0));
        if let Some(display_name) = change.display_name {
            update = update.col_expr(user::Column::DisplayName, Expr::value(display_name));
        }
        if let Some(bio) = change.bio {
            update = update.col_expr(user::Column::Bio, Expr::value(bio));
        }
        let tx = self.db.begin().await?;
        let Some(row) = update.exec_with_returning(&tx).await.db()?.pop() else {
            return Ok(None);
        };
        let roles = roles_of(&tx, id).await?;
        tx.commit().await.db()?;
        Ok(Some(to_user(row, roles)))
    }

    pub async fn set_password_hash(&self, id: UserId, hash: &str) -> Result<()> {
        user::Entity::update_many()
            .filter(user::Column::Id.eq(id.uuid()))
            .col_expr(user::Column::PasswordHash, Expr::value(hash))
            .exec(&self.db.write)
            .await
            .db()?;
        Ok(())
    }

    /// Replaces all roles. False if there is no such account.
    pub async fn set_roles(&self, id: UserId, roles: &[Role], now: Timestamp) -> Result<bool> {
        let tx = self.db.begin().await?;
        let touched = user::Entity::update_many()
            .filter(user::Column::Id.eq(id.uuid()))
            .col_expr(user::Column::UpdatedAt, Expr::value(now.0))
            .exec(&tx)
            .await
            .db()?;
        if touched.rows_affected == 0 {
            return Ok(false);
        }
        user_role::Entity::delete_many()
            .filter(user_role::Column::UserId.eq(id.uuid()))
            .exec(&tx)
            .await
            .db()?;
        insert_roles(&tx, id, roles).await?;
        tx.commit().await.db()?;
        Ok(true)
    }

    async fn find(&self, which: Condition) -> Result<Option<Credentials>> {
        let found = user::Entity::find()
            .filter(which)
            .find_with_related(user_role::Entity)
            .all(&self.db.read)
            .await
            .db()?;
        Ok(found.into_iter().next().map(|(row, roles)| {
            let password_hash = row.password_hash.clone();
            Credentials {
                user: to_user(row, roles.iter().filter_map(|role| role.role.parse().ok()).collect()),
                password_hash,
            }
        }))
    }
}

async fn roles_of(db: &impl ConnectionTrait, id: UserId) -> Result<Vec<Role>> {
    let rows = user_role::Entity::find()
        .filter(user_role::Column::UserId.eq(id.uuid()))
        .all(db)
        .await
        .db()?;
    Ok(rows.iter().filter_map(|row| row.role.parse().ok()).collect())
}

async fn insert_roles(db: &impl ConnectionTrait, id: UserId, roles: &[Role]) -> Result<()> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    let rows = roles.into_iter().map(|role| user_role::ActiveModel {
        user_id: Set(id.uuid()),
        role: Set(role.as_str().to_owned()),
    });
    user_role::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await
        .db()?;
    Ok(())
}

/// The fields whose value somebody else has. One statement, so that what it sees is of one moment.
async fn taken(db: &impl ConnectionTrait, username: &Username, email: &Email) -> Result<Vec<FieldError>> {
    let same = Condition::any()
        .add(user::Column::UsernameKey.eq(username.key()))
        .add(user::Column::UsernameSkeleton.eq(username.skeleton()))
        .add(user::Column::EmailKey.eq(email.key()));
    let others = user::Entity::find().filter(same).all(db).await.db()?;
    let name_taken = others
        .iter()
        .any(|other| other.username_key == username.key() || other.username_skeleton == username.skeleton());
    let email_taken = others.iter().any(|other| other.email_key == email.key());
    let taken = [
        (
            name_taken,
            "username",
            "This username, or one that looks like it, is taken.",
        ),
        (email_taken, "email", "There is an account with this e-mail address."),
    ];
    Ok(taken
        .into_iter()
        .filter(|(taken, ..)| *taken)
        .map(|(_, field, message)| FieldError {
            path: vec![field.to_owned()],
            code: Code::Conflict,
            message: message.to_owned(),
        })
        .collect())
}

fn to_user(row: user::Model, mut roles: Vec<Role>) -> User {
    roles.sort_unstable();
    roles.dedup();
    User {
        id: UserId::from_uuid(row.id),
        username: row.username,
        display_name: row.display_name,
        email: row.email,
        bio: row.bio,
        is_verified: row.is_verified,
        roles,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    }
}
