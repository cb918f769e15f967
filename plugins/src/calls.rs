//! The hooks of a turn as calls: what each is given, what it may take, and how its answer is checked.

use std::borrow::Cow;
use std::time::Duration;

use tavern_domain::extension::{Capability, Hook};

use crate::bindings::exports::tavern::extension as hooks;
use crate::bindings::tavern::extension::types::{Message, Role, Turn};
use crate::chain::Member;
use crate::edits::{
    BeforeEdits, CheckedSelection, Checker, Effects, Plan, Prompt, check_before, check_effects, check_selection, clean,
    invalid, json,
};
use crate::instance::{CallLimits, Called, Failure, Instance};
use crate::settings::PluginLimits;
use crate::turn::MacroCall;

/// Bytes of the arguments of a function, and of what it says.
pub const TOOL_ARGUMENT_BYTES: usize = 64 << 10;
pub const TOOL_RESULT_BYTES: usize = 32 << 10;

/// A call of one hook.
pub(crate) trait HookCall: Sync {
    const HOOK: Hook;
    type Answer: Send;
    /// What of the answer may be used.
    type Taken: Send;

    fn limits(limits: &PluginLimits, member: &Member) -> CallLimits {
        let wall = match may_wait(member) {
            true => limits.wall_http_ms,
            false => limits.wall_ms,
        };
        scaled(limits, member, limits.fuel_prompt, wall)
    }

    fn ask(
        &self,
        instance: &mut Instance,
        limits: CallLimits,
        turn: &Turn,
    ) -> impl Future<Output = Called<Self::Answer>> + Send;

    /// Refuses the answer as a whole, or takes what of it is permitted.
    fn check(&self, checker: &mut Checker<'_>, answer: Self::Answer) -> Result<Self::Taken, Failure>;
}

/// Whether it waits for others: for these there is more time.
fn may_wait(member: &Member) -> bool {
    let waits = |granted: &Capability| matches!(granted, Capability::Http(_) | Capability::Model(_));
    member.granted.iter().any(waits)
}

/// Guests that bring an interpreter along get more.
pub(crate) fn scaled(limits: &PluginLimits, member: &Member, fuel: u64, wall_ms: u64) -> CallLimits {
    let wall = Duration::from_millis(wall_ms);
    match member.program.large_runtime {
        true => CallLimits {
            fuel: fuel.saturating_mul(limits.large_runtime_factor),
            wall: wall.saturating_mul(limits.large_runtime_wall_factor),
        },
        false => CallLimits { fuel, wall },
    }
}

/// The end of a chat, as much as a member may see of it.
pub(crate) fn seen<'a>(history: &'a [Message], member: &Member) -> Cow<'a, [Message]> {
    let seen = &history[history.len().saturating_sub(member.history())..];
    if seen.iter().any(|message| hides_name(message, member)) {
        seen.iter().map(|message| nameless(message.clone(), member)).collect()
    } else {
        Cow::Borrowed(seen)
    }
}

/// A message that a hook is about, which is told only to those who may see messages.
pub(crate) fn alone(message: &Message, member: &Member) -> Message {
    let mut message = nameless(message.clone(), member);
    if member.history() == 0 {
        message.text.clear();
    }
    message
}

/// The name of who speaks for the user is the persona's.
fn hides_name(message: &Message, member: &Member) -> bool {
    message.role == Role::User && message.name.is_some() && !member.may(&Capability::Persona)
}

pub(crate) fn nameless(mut message: Message, member: &Member) -> Message {
    if hides_name(&message, member) {
        message.name = None;
    }
    message
}

pub(crate) struct BeforePromptCall<'a> {
    pub history: &'a [Message],
}

impl HookCall for BeforePromptCall<'_> {
    const HOOK: Hook = Hook::BeforePrompt;
    type Answer = Vec<hooks::before_prompt::Edit>;
    type Taken = BeforeEdits;

    async fn ask(&self, instance: &mut Instance, limits: CallLimits, turn: &Turn) -> Called<Self::Answer> {
        instance.before_prompt(limits, turn, self.history).await
    }

    fn check(&self, checker: &mut Checker<'_>, answer: Self::Answer) -> Result<BeforeEdits, Failure> {
        check_before(checker, answer)
    }
}

pub(crate) struct SelectCall<'a> {
    pub history: &'a [Message],
    pub candidates: &'a [hooks::world_info::Candidate],
}

impl HookCall for SelectCall<'_> {
    const HOOK: Hook = Hook::WorldInfo;
    type Answer = hooks::world_info::Selection;
    type Taken = CheckedSelection;

    async fn ask(&self, instance: &mut Instance, limits: CallLimits, turn: &Turn) -> Called<Self::Answer> {
        instance.select(limits, turn, self.history, self.candidates).await
    }

    fn check(&self, checker: &mut Checker<'_>, answer: Self::Answer) -> Result<CheckedSelection, Failure> {
        check_selection(checker, self.candidates, answer)
    }
}

pub(crate) struct TransformCall<'a> {
    pub prompt: &'a Prompt,
    pub shown: Cow<'a, [Message]>,
    pub count: &'a (dyn Fn(&str) -> u32 + Send + Sync),
}

impl HookCall for TransformCall<'_> {
    const HOOK: Hook = Hook::PromptTransform;
    type Answer = Vec<hooks::prompt_transform::Op>;
    type Taken = Plan;

    async fn ask(&self, instance: &mut Instance, limits: CallLimits, turn: &Turn) -> Called<Self::Answer> {
        instance.transform(limits, turn, &self.shown).await
    }

    fn check(&self, checker: &mut Checker<'_>, answer: Self::Answer) -> Result<Plan, Failure> {
        self.prompt.plan(checker, answer, self.count)
    }
}

pub(crate) struct ExpandCall {
    pub calls: Vec<hooks::macro_provider::Call>,
}

impl ExpandCall {
    pub fn new(calls: &[&MacroCall]) -> Self {
        let calls = calls.iter().map(|call| hooks::macro_provider::Call {
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        });
        Self { calls: calls.collect() }
    }
}

impl HookCall for ExpandCall {
    const HOOK: Hook = Hook::MacroProvider;
    type Answer = Vec<Option<String>>;
    type Taken = Vec<Option<String>>;

    async fn ask(&self, instance: &mut Instance, limits: CallLimits, turn: &Turn) -> Called<Self::Answer> {
        instance.expand(limits, turn, &self.calls).await
    }

    fn check(&self, checker: &mut Checker<'_>, answer: Self::Answer) -> Result<Self::Taken, Failure> {
        let (given, asked) = (answer.len(), self.calls.len());
        if given != asked {
            return Err(invalid(format!("It gave {given} texts for {asked} macros.")));
        }
        // As many as were asked for is never too many; their bytes may be.
        checker.size(0, answer.iter().flatten().map(String::len).sum())?;
        let texts = answer.into_iter().map(|text| checker.text("expand", text?));
        let texts: Vec<_> = texts.collect();
        checker.taken = u32::try_from(texts.iter().flatten().count()).unwrap_or(u32::MAX);
        Ok(texts)
    }
}

pub(crate) struct ToolCall<'a> {
    /// As its manifest has it.
    pub name: &'a str,
    pub arguments: &'a str,
}

impl HookCall for ToolCall<'_> {
    const HOOK: Hook = Hook::Tool;
    type Answer = String;
    type Taken = String;

    fn limits(limits: &PluginLimits, member: &Member) -> CallLimits {
        let wall = match may_wait(member) {
            true => limits.wall_http_ms,
            false => limits.wall_ms,
        };
        scaled(limits, member, limits.fuel_tool, wall)
    }

    async fn ask(&self, instance: &mut Instance, limits: CallLimits, turn: &Turn) -> Called<Self::Answer> {
        instance.tool(limits, turn, self.name, self.arguments).await
    }

    fn check(&self, checker: &mut Checker<'_>, answer: String) -> Result<String, Failure> {
        json(&answer, TOOL_RESULT_BYTES).map_err(|wrong| invalid(format!("The result {wrong}.")))?;
        checker.taken = 1;
        // In JSON, control characters stand escaped, or between values.
        Ok(clean(answer))
    }
}

pub(crate) struct AfterReplyCall<'a> {
    pub history: &'a [Message],
    pub user: Option<&'a Message>,
    pub reply: &'a Message,
}

impl HookCall for AfterReplyCall<'_> {
    const HOOK: Hook = Hook::AfterReply;
    type Answer = Vec<hooks::after_reply::Effect>;
    type Taken = Effects;

    fn limits(limits: &PluginLimits, member: &Member) -> CallLimits {
        scaled(limits, member, limits.fuel_after_reply, limits.wall_after_reply_ms)
    }

    async fn ask(&self, instance: &mut Instance, limits: CallLimits, turn: &Turn) -> Called<Self::Answer> {
        let (history, user, reply) = (self.history, self.user, self.reply);
        instance.after_reply(limits, turn, history, user, reply).await
    }

    fn check(&self, checker: &mut Checker<'_>, answer: Self::Answer) -> Result<Effects, Failure> {
        check_effects(checker, answer)
    }
}
