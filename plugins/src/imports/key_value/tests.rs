use crate::testing::House;

use super::*;

async fn set(state: &mut State, key: &str, value: &[u8], if_version: Option<u64>) -> Result<u64, KvError> {
    let set = state.set(Scope::Chat, key.into(), value.to_vec(), None, if_version);
    set.await.expect("no trap")
}

async fn get(state: &mut State, key: &str) -> Result<Option<Entry>, KvError> {
    state.get(Scope::Chat, key.into()).await.expect("no trap")
}

/// Commits what is waiting, as the chain does.
async fn commit(house: &House, state: &mut State) -> Result<(), KvFault> {
    let writes = state.writes.take();
    house
        .host
        .inner()
        .ports
        .kv_commit(state.member.installation, &state.member.version, writes)
        .await
}

#[tokio::test]
async fn what_was_written_is_seen_at_once_and_stored_when_it_is_committed() {
    let house = House::new();
    let mut state = house.state(&["kv:chat"]).await;
    assert_eq!(set(&mut state, "a", b"one", None).await, Ok(1));
    let seen = get(&mut state, "a").await.expect("permitted").expect("a value");
    assert_eq!((seen.value.as_slice(), seen.version), (&b"one"[..], 1));
    assert!(house.ports.values.lock().is_empty());
    commit(&house, &mut state).await.expect("stored");
    assert_eq!(set(&mut state, "a", b"two", None).await, Ok(2));
    commit(&house, &mut state).await.expect("stored");
    let stored = get(&mut state, "a").await.expect("permitted").expect("a value");
    assert_eq!((stored.value.as_slice(), stored.version), (&b"two"[..], 2));
}

#[tokio::test]
async fn a_value_is_changed_only_if_it_is_the_one_that_was_seen() {
    let house = House::new();
    let mut state = house.state(&["kv:chat"]).await;
    assert_eq!(set(&mut state, "a", b"one", Some(0)).await, Ok(1));
    assert_eq!(set(&mut state, "a", b"one", Some(0)).await, Err(KvError::Conflict));
    assert_eq!(set(&mut state, "a", b"two", Some(1)).await, Ok(1));
    // What the store must still have is what was there before all of it.
    let writes = state.writes.take();
    assert_eq!((writes.len(), writes[0].expected), (1, Some(0)));

    // Two calls that saw the same: the second one does not overwrite what it never saw.
    assert_eq!(set(&mut state, "a", b"mine", Some(0)).await, Ok(1));
    let mut other = State::new(
        state.host.clone(),
        std::sync::Arc::clone(&state.member),
        state.facts.clone(),
        house
            .host
            .place(None, crate::instance::Share::Calls)
            .await
            .expect("a place"),
    );
    assert_eq!(set(&mut other, "a", b"theirs", Some(0)).await, Ok(1));
    assert_eq!(commit(&house, &mut other).await, Ok(()));
    assert_eq!(commit(&house, &mut state).await, Err(KvFault::Conflict));
}

#[tokio::test]
async fn keys_and_values_have_a_largest_size() {
    let house = House::new();
    let mut state = house.state(&["kv:chat"]).await;
    let limits = house.host.settings().limits.clone();
    let (key, value) = ("k".repeat(limits.kv_key_bytes), vec![0; limits.kv_value_bytes]);
    assert_eq!(set(&mut state, &key, &value, None).await, Ok(1));
    assert_eq!(
        set(&mut state, &format!("{key}k"), &value, None).await,
        Err(KvError::TooLarge)
    );
    assert_eq!(
        set(&mut state, "k", &vec![0; limits.kv_value_bytes + 1], None).await,
        Err(KvError::TooLarge)
    );
    assert_eq!(set(&mut state, "", &value, None).await, Err(KvError::TooLarge));
}

#[tokio::test]
async fn a_call_has_so_many_operations_and_so_much_room() {
    let house = House::with(|settings| {
        settings.limits.kv_operations = 4;
        settings.limits.kv_bytes = 11;
    });
    let mut state = house.state(&["kv:chat"]).await;
    assert_eq!(set(&mut state, "a", &[0; 10], None).await, Ok(1));
    assert_eq!(set(&mut state, "b", &[], None).await, Err(KvError::Quota));
    let two = state
        .get_many(Scope::Chat, vec!["a".into(), "b".into()])
        .await
        .expect("no trap");
    assert_eq!(two.map(|entries| entries.iter().flatten().count()), Ok(1));
    assert_eq!(get(&mut state, "a").await, Err(KvError::Quota));
}

/// The next call of the same sandbox.
fn next_call(state: &mut State) {
    state.call = crate::store::Call::default();
    state.writes.keep();
}

#[tokio::test]
async fn what_waits_of_many_calls_is_bounded_in_keys_and_bytes() {
    let house = House::with(|settings| {
        settings.limits.kv_keys = 100;
        settings.limits.kv_bytes = 1_000;
    });
    let mut state = house.state(&["kv:chat"]).await;
    let delete = async |state: &mut State, key: String| state.delete(Scope::Chat, key).await.expect("no trap");
    for number in 0..100 {
        next_call(&mut state);
        assert_eq!(delete(&mut state, format!("{number:04}")).await, Ok(false));
    }
    next_call(&mut state);
    assert_eq!(delete(&mut state, "0100".into()).await, Err(KvError::Quota));
    assert_eq!(set(&mut state, "0100", b"", None).await, Err(KvError::Quota));
    assert_eq!(delete(&mut state, "0099".into()).await, Ok(false), "it waits already");
    // Their keys have 400 bytes.
    assert_eq!(set(&mut state, "0099", &[0; 601], None).await, Err(KvError::Quota));
    assert_eq!(set(&mut state, "0099", &[0; 600], None).await, Ok(1));
    assert_eq!(
        set(&mut state, "0099", &[1; 600], None).await,
        Ok(1),
        "in its own place"
    );
    assert_eq!(set(&mut state, "0098", &[1], None).await, Err(KvError::Quota));
    assert_eq!(commit(&house, &mut state).await, Ok(()));
    assert_eq!(set(&mut state, "more", &[0; 600], None).await, Ok(1));
}

#[tokio::test]
async fn what_a_call_wrote_is_undone_and_what_was_written_before_it_is_not() {
    let house = House::with(|settings| settings.limits.kv_bytes = 20);
    let mut state = house.state(&["kv:chat"]).await;
    set(&mut state, "a", b"one", None).await.expect("written");
    next_call(&mut state);
    set(&mut state, "a", b"two", None).await.expect("written");
    set(&mut state, "a", b"three", None).await.expect("written");
    set(&mut state, "b", b"four", None).await.expect("written");
    state.writes.undo();
    let seen = get(&mut state, "a").await.expect("permitted").expect("a value");
    assert_eq!(seen.value, b"one");
    assert_eq!(get(&mut state, "b").await, Ok(None));
    let room = 20 - "a".len() - "one".len() - "b".len();
    assert_eq!(
        set(&mut state, "b", &vec![0; room + 1], None).await,
        Err(KvError::Quota)
    );
    assert_eq!(set(&mut state, "b", &vec![0; room], None).await, Ok(1));
}

#[tokio::test]
async fn a_scope_needs_its_permission_and_somebody_it_belongs_to() {
    let house = House::new();
    let mut state = house.state(&["kv:chat", "kv:user"]).await;
    let read = state.get(Scope::Installation, "a".into()).await.expect("no trap");
    assert_eq!(read, Err(KvError::Denied));
    assert_eq!(get(&mut state, "a").await, Ok(None));
    state.facts.chat = None;
    assert_eq!(get(&mut state, "a").await, Err(KvError::Denied));
    let read = state.get(Scope::User, "a".into()).await.expect("no trap");
    assert_eq!(read, Ok(None));
}

#[tokio::test]
async fn keys_are_listed_as_they_would_be_after_the_commit() {
    let house = House::new();
    let mut state = house.state(&["kv:chat"]).await;
    for key in ["note/a", "note/b", "note/d", "other"] {
        set(&mut state, key, b"1", None).await.expect("written");
    }
    commit(&house, &mut state).await.expect("stored");
    set(&mut state, "note/c", b"1", None).await.expect("written");
    let removed = state.delete(Scope::Chat, "note/a".into()).await.expect("no trap");
    assert_eq!(removed, Ok(true));
    let again = state.delete(Scope::Chat, "note/a".into()).await.expect("no trap");
    assert_eq!(again, Ok(false));
    for (after, limit, keys) in [
        (None, 10, &["note/b", "note/c", "note/d"][..]),
        (None, 2, &["note/b", "note/c"]),
        (Some("note/b"), 1, &["note/c"]),
        (None, 0, &[]),
    ] {
        let listed = state.list_keys(Scope::Chat, "note/".into(), after.map(Into::into), limit);
        let listed = listed.await.expect("no trap").expect("permitted");
        assert_eq!(listed, keys);
    }
}
