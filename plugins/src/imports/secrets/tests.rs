use std::sync::Arc;

use tavern_domain::extension::Hook;

use super::*;
use crate::ports::Secret;
use crate::testing::House;
use crate::testing::guest::Guest;

#[tokio::test]
async fn names_are_those_that_are_declared_granted_and_set() {
    let house = House::new();
    for name in ["weather", "ungranted", "undeclared"] {
        let secret = Secret("hush".into());
        house.ports.secrets.lock().insert(name.into(), secret);
    }
    let granted = ["secret:weather", "secret:undeclared", "secret:unset"];
    let guest = Guest::before_prompt("(call $ok)").build();
    let mut member = house.plain_member(Hook::BeforePrompt, &guest, &granted);
    let mut manifest = (*member.manifest).clone();
    let declared = ["unset", "ungranted", "weather"].map(|name| SecretDeclaration {
        name: name.into(),
        title: name.into(),
        hosts: vec!["example.org".into()],
        header: "X-Key".into(),
        format: "{}".into(),
    });
    manifest.secrets = declared.into();
    member.manifest = Arc::new(manifest);
    let mut state = house.state_of(Arc::new(member)).await;
    assert_eq!(state.names().await.expect("no trap"), ["weather"]);
    assert_eq!(
        house.state(&["secret:weather"]).await.names().await.expect("no trap"),
        [""; 0]
    );
}
