//! Registration, sign-in, tokens, profiles.

use serde_json::{Value, json};
use tavern_domain::Role;

use crate::support::{Client, PASSWORD, Tavern, text, user_errors};

const REGISTER: &str = "mutation($i: RegisterInput!) { register(input: $i) { viewer { id user { username displayName } email roles permissions } tokens { accessToken refreshToken expiresAt } userErrors { message field code } } }";
const LOGIN: &str = "mutation($l: String!, $p: String!) { login(input: { login: $l, password: $p }) { viewer { user { username } } tokens { accessToken refreshToken } userErrors { message field code } } }";
const REFRESH: &str = "mutation($t: String!) { refreshTokens(input: { refreshToken: $t }) { tokens { accessToken refreshToken } userErrors { message field code } } }";
const VIEWER: &str = "{ viewer { user { username } } }";

async fn register(client: &Client, username: &str, email: &str, password: &str) -> Value {
    client
        .data(
            REGISTER,
            json!({ "i": { "username": username, "email": email, "password": password } }),
        )
        .await["register"]
        .take()
}

#[tokio::test]
async fn a_new_account_is_signed_in_and_can_sign_in_by_name_and_by_address() {
    let tavern = Tavern::start().await;
    let mut client = tavern.anonymous();
    let made = register(&client, "Ada.Lovelace", "Ada@Example.org", PASSWORD).await;
    assert_eq!(made["viewer"]["user"]["username"], "Ada.Lovelace");
    assert_eq!(made["viewer"]["roles"], json!(["user"]));
    client.token = Some(text(&made["tokens"]["accessToken"], &made));
    assert_eq!(
        client.data(VIEWER, json!({})).await["viewer"]["user"]["username"],
        "Ada.Lovelace"
    );
    for login in ["ada.lovelace", "ADA.LOVELACE", "ada@example.org"] {
        let signed_in = client.data(LOGIN, json!({ "l": login, "p": PASSWORD })).await;
        assert_eq!(
            signed_in["login"]["viewer"]["user"]["username"], "Ada.Lovelace",
            "{login}"
        );
    }
}

#[tokio::test]
async fn everything_wrong_with_a_registration_is_told_at_once() {
    let tavern = Tavern::start().await;
    let refused = register(&tavern.anonymous(), "a", "nowhere", "short").await;
    assert_eq!(
        user_errors(&refused),
        [
            "BAD_USER_INPUT username",
            "BAD_USER_INPUT email",
            "BAD_USER_INPUT password"
        ]
    );
    assert!(refused["viewer"].is_null() && refused["tokens"].is_null());
}

#[tokio::test]
async fn a_taken_name_or_address_is_a_conflict_and_names_that_look_alike_are_taken() {
    let tavern = Tavern::start().await;
    let client = tavern.user("paypal").await;
    assert_eq!(
        user_errors(&register(&client, "PayPal", "paypal@example.org", PASSWORD).await),
        ["CONFLICT username", "CONFLICT email"]
    );
    assert_eq!(
        user_errors(&register(&client, "paypaI", "else@example.org", PASSWORD).await),
        ["CONFLICT username"]
    );
    assert_eq!(
        user_errors(&register(&client, "somebody", "PAYPAL@EXAMPLE.ORG", PASSWORD).await),
        ["CONFLICT email"]
    );
}

#[tokio::test]
async fn common_passwords_are_refused() {
    let tavern = Tavern::start().await;
    for password in ["password", "12345678", "qwertyuiop"] {
        assert_eq!(
            user_errors(&register(&tavern.anonymous(), "newcomer", "n@example.org", password).await),
            ["BAD_USER_INPUT password"],
            "{password}"
        );
    }
}

#[tokio::test]
async fn a_failed_sign_in_does_not_tell_whether_the_account_exists() {
    let tavern = Tavern::start().await;
    let client = tavern.user("known").await;
    let wrong = client
        .data(LOGIN, json!({ "l": "known", "p": "not the password" }))
        .await;
    let unknown = client
        .data(LOGIN, json!({ "l": "unknown", "p": "not the password" }))
        .await;
    assert_eq!(wrong, unknown);
    assert_eq!(user_errors(&wrong["login"]), ["UNAUTHENTICATED"]);
}

#[tokio::test]
async fn attempts_to_sign_in_are_limited_for_an_account() {
    let tavern = Tavern::with(|config| config.limits.logins_per_account = 3).await;
    let client = tavern.user("target").await;
    for _ in 0..3 {
        client.data(LOGIN, json!({ "l": "target", "p": "a wrong guess" })).await;
    }
    let refused = client.run(LOGIN, json!({ "l": "target", "p": PASSWORD })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert!(
        refused["errors"][0]["extensions"]["retryAfterMs"]
            .as_u64()
            .is_some_and(|wait| wait > 0)
    );
}

#[tokio::test]
async fn registrations_are_limited_for_an_address() {
    let tavern = Tavern::with(|config| config.limits.registrations_per_hour = 1).await;
    let client = tavern.user("first-one").await;
    let code = client
        .code(
            REGISTER,
            json!({ "i": { "username": "second-one", "email": "s@example.org", "password": PASSWORD } }),
        )
        .await;
    assert_eq!(code, "RATE_LIMITED");
}

#[tokio::test]
async fn a_refresh_token_gives_a_new_pair_and_the_old_pair_goes_on_for_a_grace() {
    let tavern = Tavern::start().await;
    let client = tavern.user("refresher").await;
    let first = client.data(REFRESH, json!({ "t": client.refresh })).await;
    let second = text(&first["refreshTokens"]["tokens"]["refreshToken"], &first);
    assert_ne!(Some(&second), client.refresh.as_ref());
    // Two tabs, or an answer that got lost: the same token again, at once.
    let again = client.data(REFRESH, json!({ "t": client.refresh })).await;
    assert!(user_errors(&again["refreshTokens"]).is_empty(), "{again}");
    let on = client.data(REFRESH, json!({ "t": second })).await;
    assert!(user_errors(&on["refreshTokens"]).is_empty(), "{on}");
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let tavern = Tavern::start().await;
    let client = tavern.user("refresher").await;
    for token in ["", "tvr_AAAA", client.token.as_deref().expect("a token")] {
        let refused = client.data(REFRESH, json!({ "t": token })).await;
        assert_eq!(
            user_errors(&refused["refreshTokens"]),
            ["UNAUTHENTICATED refreshToken"],
            "{token}"
        );
    }
}

#[tokio::test]
async fn signing_out_ends_the_access_token_too() {
    let tavern = Tavern::start().await;
    let client = tavern.user("leaver").await;
    let other = client.data(LOGIN, json!({ "l": "leaver", "p": PASSWORD })).await;
    client
        .data("mutation { logout(input: {}) { userErrors { code } } }", json!({}))
        .await;
    assert_eq!(client.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    let refused = tavern.anonymous().data(REFRESH, json!({ "t": client.refresh })).await;
    assert_eq!(user_errors(&refused["refreshTokens"]), ["UNAUTHENTICATED refreshToken"]);
    // The other login of the same account goes on.
    let elsewhere = Client {
        token: Some(text(&other["login"]["tokens"]["accessToken"], &other)),
        ..client
    };
    assert_eq!(
        elsewhere.data(VIEWER, json!({})).await["viewer"]["user"]["username"],
        "leaver"
    );
}

#[tokio::test]
async fn an_ended_login_stays_ended_after_a_restart() {
    let tavern = Tavern::start().await;
    let client = tavern.user("leaver").await;
    client
        .data("mutation { logout(input: {}) { userErrors { code } } }", json!({}))
        .await;
    let tavern = tavern.restart().await;
    let client = Client {
        url: tavern.url.clone(),
        ..client
    };
    assert_eq!(client.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let tavern = Tavern::start().await;
    let client = tavern.user("stayer").await;
    let tavern = tavern.restart().await;
    let client = Client {
        url: tavern.url.clone(),
        ..client
    };
    assert_eq!(
        client.data(VIEWER, json!({})).await["viewer"]["user"]["username"],
        "stayer"
    );
}

#[tokio::test]
async fn the_public_keys_verify_the_tokens() {
    let tavern = Tavern::start().await;
    let client = tavern.user("verified").await;
    let jwks: Value = client
        .http
        .get(format!("{}/.well-known/jwks.json", tavern.url))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let token = client.token.as_deref().expect("a token");
    let header = jsonwebtoken::decode_header(token).expect("a header");
    let key = jwks["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .find(|key| key["kid"].as_str() == header.kid.as_deref())
        .expect("the key that signed");
    let key = jsonwebtoken::DecodingKey::from_ed_components(key["x"].as_str().expect("x")).expect("a key");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["tavern"]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation)
        .expect("a good token")
        .claims;
    assert_eq!(
        claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"),
        15 * 60
    );
}

#[tokio::test]
async fn a_profile_changes_within_its_limits() {
    let tavern = Tavern::start().await;
    let client = tavern.user("profiled").await;
    let update = "mutation($d: String, $b: String) { updateProfile(input: { displayName: $d, bio: $b }) { user { displayName bio } userErrors { message field code } } }";
    let done = client
        .data(update, json!({ "d": "x".repeat(60), "b": "y".repeat(4096) }))
        .await;
    assert_eq!(done["updateProfile"]["user"]["bio"].as_str().map(str::len), Some(4096));
    let refused = client
        .data(update, json!({ "d": "x".repeat(61), "b": "y".repeat(4097) }))
        .await;
    assert_eq!(
        user_errors(&refused["updateProfile"]),
        ["BAD_USER_INPUT displayName", "BAD_USER_INPUT bio"]
    );
    let kept = client
        .data("{ user(username: \"profiled\") { displayName } }", json!({}))
        .await;
    assert_eq!(kept["user"]["displayName"].as_str().map(str::len), Some(60));
}

#[tokio::test]
async fn roles_bring_their_permissions() {
    let tavern = Tavern::start().await;
    let admin = tavern.staff("boss", Role::Admin).await;
    let viewer = admin.data("{ viewer { roles permissions } }", json!({})).await;
    assert_eq!(viewer["viewer"]["roles"], json!(["user", "admin"]));
    assert!(
        viewer["viewer"]["permissions"]
            .as_array()
            .expect("a list")
            .contains(&json!("account:manage"))
    );
}

#[tokio::test]
async fn the_limits_of_passwords_hold_on_both_sides() {
    let tavern = Tavern::start().await;
    let phrase = "marmalade tiger on a bicycle ";
    let exactly: String = phrase.chars().cycle().take(256).collect();
    assert!(user_errors(&register(&tavern.anonymous(), "long-one", "l@example.org", &exactly).await).is_empty());
    assert_eq!(
        user_errors(
            &register(
                &tavern.anonymous(),
                "longer-one",
                "m@example.org",
                &format!("{exactly}x")
            )
            .await
        ),
        ["BAD_USER_INPUT password"]
    );
}
