//! Tokens: short-lived signed access tokens, other signed claims, and opaque refresh tokens.
//!
//! Access tokens are JWTs signed with Ed25519; their `kid` names the key, the public halves are
//! published as a JWKS. Nothing but our own keys, algorithm, type, issuer and audience is accepted.
//! Refresh tokens are 256 random bits; only their SHA-256 is stored.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tavern_domain::actor::SignedIn;
use tavern_domain::{Actor, Error, RefreshFamilyId, Result, Role, Timestamp, UserId};

/// How long an access token holds.
pub const ACCESS_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a refresh token holds after it was issued.
pub const REFRESH_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a refresh token may be used a second time: two tabs, or an answer that got lost.
pub const REFRESH_GRACE: Duration = Duration::from_secs(20);

pub(crate) const ISSUER: &str = "tavern";
/// RFC 9068: keeps other JWTs of the same key from passing as access tokens.
const TOKEN_TYPE: &str = "at+jwt";
/// Longer texts are none of our tokens.
const LONGEST_TOKEN: usize = 2048;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: RefreshFamilyId,
    roles: Vec<String>,
    iat: i64,
    exp: i64,
}

/// Signs and checks access tokens.
#[derive(Clone)]
pub struct AccessTokens(Arc<Inner>);

struct Inner {
    kid: String,
    signing: EncodingKey,
    verifying: Vec<(String, DecodingKey)>,
    jwks: serde_json::Value,
    /// Tokens whose signature was checked: a check costs about 50 µs, which is more than most requests.
    checked: Cache<Box<str>, (Arc<SignedIn>, Timestamp)>,
    /// Logins that ended while access tokens of theirs may still hold.
    revoked: Cache<RefreshFamilyId, ()>,
}

impl AccessTokens {
    /// Reads the keys in `folder`, or makes the first one. The file that sorts last signs; all verify.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or holds a `.pk8` file that is not an Ed25519 key.
    pub fn open(folder: &Path) -> Result<Self> {
        crate::files::create_private_folder(folder)?;
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .map_err(Error::internal)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "pk8"))
            .collect();
        paths.sort();
        if paths.is_empty() {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| Error::internal(error.to_string()))?;
            let der = SigningKey::from_bytes(&seed)
                .to_pkcs8_der()
                .map_err(|error| Error::internal(error.to_string()))?;
            let path = folder.join("access-0001.pk8");
            crate::files::write_private_file(&path, der.as_bytes())?;
            paths.push(path);
        }
        let mut keys = Vec::with_capacity(paths.len());
        for path in &paths {
            let der = std::fs::read(path).map_err(Error::internal)?;
            let key = SigningKey::from_pkcs8_der(&der)
                .map_err(|error| Error::internal(format!("{} is not an Ed25519 key: {error}", path.display())))?;
            keys.push((key, der));
        }
        Ok(Self::of_keys(&keys))
    }

    fn of_keys(keys: &[(SigningKey, Vec<u8>)]) -> Self {
        let public = |key: &SigningKey| URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let kid = |key: &SigningKey| URL_SAFE_NO_PAD.encode(&Sha256::digest(key.verifying_key().as_bytes())[..12]);
        let jwks: Vec<_> = keys.iter().map(|(key, _)| serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid(key), "x": public(key) })).collect();
        let verifying = keys
            .iter()
            .map(|(key, _)| (kid(key), DecodingKey::from_ed_der(key.verifying_key().as_bytes())))
            .collect();
        let (signer, der) = keys.last().expect("at least one key was read or made");
        Self(Arc::new(Inner {
            kid: kid(signer),
            signing: EncodingKey::from_ed_der(der),
            verifying,
            jwks: serde_json::json!({ "keys": jwks }),
            checked: Cache::builder().max_capacity(50_000).time_to_live(ACCESS_LIFE).build(),
            revoked: Cache::builder()
                .max_capacity(1_000_000)
                .time_to_live(ACCESS_LIFE)
                .build(),
        }))
    }

    /// The public keys, as RFC 7517 wants them.
    #[must_use]
    pub fn jwks(&self) -> &serde_json::Value {
        &self.0.jwks
    }

    /// A token for `user`, and when it ends.
    ///
    /// # Errors
    /// If signing fails.
    pub fn issue(
        &self,
        user: UserId,
        login: RefreshFamilyId,
        roles: &[Role],
        now: Timestamp,
    ) -> Result<(String, Timestamp)> {
        let expires_at = Timestamp(now.plus(ACCESS_LIFE).seconds() * 1000);
        let claims = Claims {
            iss: ISSUER.into(),
            aud: ISSUER.into(),
            sub: user,
            sid: login,
            roles: roles.iter().map(Role::to_string).collect(),
            iat: now.seconds(),
            exp: expires_at.seconds(),
        };
        Ok((self.sign(TOKEN_TYPE, &claims)?, expires_at))
    }

    /// A JWT of the type `kind`, which no other kind of token passes as.
    ///
    /// # Errors
    /// If signing fails.
    pub(crate) fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<String> {
        let header = Header {
            typ: Some(kind.into()),
            kid: Some(self.0.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.0.signing).map_err(Error::internal)
    }

    /// The claims of a token that we signed as a `kind` for `audience`; `None` of any other. Whoever
    /// asks looks at when it ends: the house has its own clock.
    pub(crate) fn claims<C: DeserializeOwned>(&self, kind: &str, audience: &str, token: &str) -> Option<C> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some(kind) {
            return None;
        }
        let mut keys = self.0.verifying.iter();
        let (_, key) = keys.find(|(kid, _)| Some(kid) == header.kid.as_ref())?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        Some(jsonwebtoken::decode::<C>(token, key, &validation).ok()?.claims)
    }

    /// Whether `login` has ended so lately that access tokens of it may still be about.
    pub(crate) fn is_revoked(&self, login: RefreshFamilyId) -> bool {
        self.0.revoked.contains_key(&login)
    }

    /// Who `token` speaks for, and until when.
    ///
    /// # Errors
    /// UNAUTHENTICATED if it is not ours, has ended, or its login has.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<(Actor, Timestamp)> {
        let (signed_in, expires_at) = match self.0.checked.get(token) {
            Some(known) => known,
            None => {
                let known = self.verify(token)?;
                self.0.checked.insert(token.into(), known.clone());
                known
            }
        };
        if expires_at <= now {
            return Err(refused("The access token has expired."));
        }
        if self.is_revoked(signed_in.login) {
            return Err(refused("This login has ended."));
        }
        Ok((Actor::User(signed_in), expires_at))
    }

    fn verify(&self, token: &str) -> Result<(Arc<SignedIn>, Timestamp)> {
        let claims: Claims = self
            .claims(TOKEN_TYPE, ISSUER, token)
            .ok_or_else(|| refused("The access token is not valid."))?;
        let roles = claims.roles.iter().filter_map(|role| role.parse().ok()).collect();
        Ok((
            Arc::new(SignedIn {
                user: claims.sub,
                login: claims.sid,
                roles,
            }),
            Timestamp(claims.exp.saturating_mul(1000)),
        ))
    }

    /// From now on no access token of `login` holds.
    pub fn revoke(&self, login: RefreshFamilyId) {
        self.0.revoked.insert(login, ());
    }
}

fn refused(why: &'static str) -> Error {
    Error::new(tavern_domain::Code::Unauthenticated, why)
}

/// A fresh refresh token: the text for the client, and the hash that is stored.
///
/// # Errors
/// If the machine has no randomness.
pub fn new_refresh_token() -> Result<(String, [u8; 32])> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| Error::internal(error.to_string()))?;
    let text = format!("tvr_{}", URL_SAFE_NO_PAD.encode(secret));
    let hash = refresh_token_hash(&text);
    Ok((text, hash))
}

/// What a refresh token is stored and found by.
#[must_use]
pub fn refresh_token_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn tokens() -> (tempfile::TempDir, AccessTokens) {
        let folder = tempfile::tempdir().unwrap();
        let tokens = AccessTokens::open(&folder.path().join("keys")).unwrap();
        (folder, tokens)
    }

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn a_token_holds_for_fifteen_minutes_and_no_longer() {
        let (_folder, tokens) = tokens();
        let user = UserId::new();
        let (token, expires_at) = tokens.issue(user, RefreshFamilyId::new(), &[Role::User], NOW).unwrap();
        assert_eq!(expires_at, NOW.plus(ACCESS_LIFE));
        assert!(tokens.check(&token, Timestamp(expires_at.0 - 1)).unwrap().0.is(user));
        assert!(tokens.check(&token, expires_at).is_err());
    }

    #[test]
    fn keys_survive_a_restart_and_are_private() {
        let (folder, tokens) = tokens();
        let (token, _) = tokens.issue(UserId::new(), RefreshFamilyId::new(), &[], NOW).unwrap();
        let again = AccessTokens::open(&folder.path().join("keys")).unwrap();
        assert!(again.check(&token, NOW).is_ok());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.path().join("keys/access-0001.pk8"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_token_of_another_key_type_or_algorithm_is_refused() {
        let (_a, ours) = tokens();
        let (_b, theirs) = tokens();
        let (foreign, _) = theirs
            .issue(UserId::new(), RefreshFamilyId::new(), &[Role::Admin], NOW)
            .unwrap();
        assert!(ours.check(&foreign, NOW).is_err());
        let (token, _) = ours.issue(UserId::new(), RefreshFamilyId::new(), &[], NOW).unwrap();
        let (head, body) = token.split_once('.').unwrap();
        for header in [
            r#"{"alg":"none","typ":"at+jwt"}"#.to_owned(),
            format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{}"}}"#, ours.0.kid),
        ] {
            assert!(
                ours.check(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), body), NOW)
                    .is_err()
            );
        }
        assert!(ours.check(&format!("{head}.{}", body.replace('.', "A.")), NOW).is_err());
        assert!(ours.check("", NOW).is_err());
        assert!(ours.check(&"a".repeat(3000), NOW).is_err());
    }

    #[test]
    fn the_tokens_of_an_ended_login_stop_holding_at_once() {
        let (_folder, tokens) = tokens();
        let login = RefreshFamilyId::new();
        let (token, _) = tokens.issue(UserId::new(), login, &[], NOW).unwrap();
        assert!(tokens.check(&token, NOW).is_ok());
        tokens.revoke(login);
        assert!(tokens.check(&token, NOW).is_err());
    }
}
