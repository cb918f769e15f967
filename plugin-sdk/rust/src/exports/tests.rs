use super::stream_filter::{Guest, GuestFilter, Verdict};
use super::*;
use crate::testing::{self, turn};
use crate::{Extension, Value, json};

/// What the derive makes names this crate by its name, which it has not here.
struct Echo {
    greeting: String,
}

impl Extension for Echo {
    fn from_config(config: &str) -> Result<Self> {
        let config: Value = crate::config::parse(config)?;
        match config["greeting"].as_str() {
            Some(greeting) => Ok(Self {
                greeting: greeting.into(),
            }),
            None => Err(HookError::InvalidConfig("greeting is missing".into())),
        }
    }

    fn instance() -> Result<&'static Self> {
        thread_local! {
            static INSTANCE: crate::Instance<Echo> = const { crate::Instance::new() };
        }
        INSTANCE.with(crate::Instance::get)
    }
}

impl Lifecycle for Echo {}

impl Tool for Echo {
    fn call(&self, _turn: &Turn, name: &str, arguments: Value) -> Result<Value> {
        Ok(json!([self.greeting, name, arguments]))
    }
}

impl StreamFilter for Echo {
    type Filter = Held;

    fn filter(&self, _turn: &Turn) -> Result<Held> {
        Ok(Held(self.greeting.clone()))
    }
}

struct Held(String);

impl ReplyFilter for Held {
    fn push(&mut self, chunk: &str) -> Result<Verdict> {
        self.0 += chunk;
        Ok(Verdict::Replace(self.0.clone()))
    }
}

fn configured(config: Value) {
    testing::host(|host| host.config = config);
}

#[test]
fn the_instance_is_made_of_the_configuration_once() {
    configured(json!({ "greeting": "hail" }));
    let call = || <Echo as tool::Guest>::call(turn(), "echo".into(), "{\"a\":1}".into());
    assert_eq!(call().as_deref(), Ok(r#"["hail","echo",{"a":1}]"#));
    configured(json!({}));
    assert!(call().is_ok());
}

#[test]
fn a_configuration_that_cannot_be_worked_with_is_told_at_every_hook() {
    configured(json!({}));
    let invalid = HookError::InvalidConfig("greeting is missing".into());
    let called = <Echo as tool::Guest>::call(turn(), "echo".into(), "{}".into());
    assert_eq!(called, Err(invalid.clone()));
    let filter = <Echo as Guest>::Filter::new(turn());
    assert_eq!(filter.push("text".into()), Err(invalid.clone()));
    assert_eq!(filter.finish(String::new()), Err(invalid));
}

#[test]
fn what_is_proposed_is_validated_and_not_what_is_set() {
    configured(json!({ "greeting": "hail" }));
    assert_eq!(
        <Echo as lifecycle::Guest>::validate_config("{\"greeting\":\"hello\"}".into()),
        Ok(())
    );
    for config in ["{}", "{", "7"] {
        assert!(matches!(
            <Echo as lifecycle::Guest>::validate_config(config.into()),
            Err(HookError::InvalidConfig(_))
        ));
    }
}

#[test]
fn arguments_that_are_no_json_fail_the_call_alone() {
    configured(json!({ "greeting": "hail" }));
    let called = <Echo as tool::Guest>::call(turn(), "echo".into(), "{".into());
    assert!(matches!(called, Err(HookError::Failed(why)) if why.contains("arguments of `echo`")));
}

#[test]
fn a_filter_keeps_what_it_knows_of_its_reply() {
    configured(json!({ "greeting": "hail " }));
    let (one, other) = (
        <Echo as Guest>::Filter::new(turn()),
        <Echo as Guest>::Filter::new(turn()),
    );
    assert_eq!(one.push("a".into()), Ok(Verdict::Replace("hail a".into())));
    assert_eq!(one.finish("b".into()), Ok(Verdict::Replace("hail ab".into())));
    assert_eq!(other.push("c".into()), Ok(Verdict::Replace("hail c".into())));
}
