//! Typed, opaque ids: a prefix that names the type and a UUIDv7 in Crockford base32 (`chr_01J…`).
//!
//! UUIDv7 is time-ordered, so ids double as tie-breaks of keyset pages and keep b-trees local.

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;
use uuid::Uuid;

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix belongs to another type, or to none.
    #[error("expected an id that starts with `{expected}`")]
    WrongType { expected: &'static str },
    /// The part behind the prefix is not 26 characters of Crockford base32.
    #[error("malformed id: `{expected}` must be followed by 26 characters of Crockford base32")]
    Malformed { expected: &'static str },
}

/// The canonical text of `uuid` behind `prefix`.
fn write_id(f: &mut fmt::Formatter<'_>, prefix: &str, uuid: Uuid) -> fmt::Result {
    let mut buffer = [0; ulid::ULID_LEN];
    f.write_str(prefix)?;
    f.write_str(Ulid(uuid.as_u128()).array_to_str(&mut buffer))
}

fn parse_id(text: &str, prefix: &'static str) -> Result<Uuid, IdError> {
    let rest = text
        .strip_prefix(prefix)
        .ok_or(IdError::WrongType { expected: prefix })?;
    let malformed = IdError::Malformed { expected: prefix };
    let ulid = Ulid::from_string(rest).map_err(|_| malformed.clone())?;
    let mut buffer = [0; ulid::ULID_LEN];
    // One text per id: lower case and the look-alikes that Crockford tolerates are refused.
    if ulid.array_to_str(&mut buffer) != rest {
        return Err(malformed);
    }
    Ok(Uuid::from_u128(ulid.0))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this type starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id, later in order than all earlier ones of this process.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a fresh id is not a default")]
            pub fn new() -> Self { Self(Uuid::now_v7()) }
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self { Self(uuid) }
            #[must_use]
            pub const fn uuid(self) -> Uuid { self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write_id(f, $prefix, self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write_id(f, $prefix, self.0) }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { parse_id(text, $prefix).map(Self) }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// An account.
    UserId, "usr_");
id!(/// An account as its owner sees it; the same UUID as the account's [`UserId`], under a name of its own.
    ViewerId, "vwr_");
id!(/// A character.
    CharacterId, "chr_");
id!(/// A chat session.
    SessionId, "ses_");
id!(/// A message of a chat session.
    MessageId, "msg_");
id!(/// One attempt to produce a reply.
    GenerationId, "gen_");
id!(/// A world book.
    WorldBookId, "wld_");
id!(/// An entry of a world book.
    WorldEntryId, "ent_");
id!(/// A preset.
    PresetId, "pre_");
id!(/// A persona.
    PersonaId, "per_");
id!(/// An extension that somebody published.
    ExtensionId, "ext_");
id!(/// A version of an extension.
    ExtensionVersionId, "exv_");
id!(/// An extension in an account.
    InstallationId, "ins_");
id!(/// A login: the family of refresh tokens that descend from one sign-in.
    RefreshFamilyId, "lgn_");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = CharacterId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with("chr_"));
        assert_eq!(id.to_string().len(), 30);
    }

    #[test]
    fn an_id_of_another_type_is_refused() {
        let text = SessionId::new().to_string();
        assert_eq!(
            text.parse::<CharacterId>(),
            Err(IdError::WrongType { expected: "chr_" })
        );
    }

    #[test]
    fn only_the_canonical_text_is_an_id() {
        let text = CharacterId::new().to_string();
        for wrong in [
            text.to_lowercase(),
            format!("{text}0"),
            text[..29].to_owned(),
            "chr_".into(),
            format!("chr_Z{}", &text[5..]),
            "chr_é".into(),
        ] {
            assert!(wrong.parse::<CharacterId>().is_err(), "{wrong}");
        }
    }
}
