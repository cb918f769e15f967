//! The macros there are: their names, how many arguments they take, and what they stand for.

/// What a macro is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    If,
    Else,
    /// `//`, `comment` and `hidden_key`: nothing, and nothing inside is evaluated.
    Comment,
    Trim,
    Noop,
    Newline,
    Space,
    Reverse,
    Input,
    Banned,
    Outlet,
    Original,
    Random,
    Pick,
    Roll,
    Name(Name),
    Card(Card),
    Greeting,
    Chat(Chat),
    Clock(Clock),
    Local(Variable),
    Global(Variable),
    Setting(Setting),
    HasExtension,
    Template(Template),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    User,
    Char,
    Group,
    GroupNotMuted,
    NotChar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Card {
    Description,
    Personality,
    Scenario,
    Persona,
    Prompt,
    Instruction,
    DepthPrompt,
    CreatorNotes,
    Examples,
    ExamplesRaw,
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chat {
    LastMessage,
    LastMessageId,
    LastUserMessage,
    LastCharMessage,
    FirstIncludedId,
    FirstId,
    LastSwipe,
    CurrentSwipe,
    Range,
    Summary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    Time,
    Date,
    Weekday,
    IsoTime,
    IsoDate,
    Format,
    Idle,
    Difference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Get,
    Set,
    Add,
    Increment,
    Decrement,
    Has,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    MaxPrompt,
    MaxContext,
    MaxResponse,
    Model,
    GenerationType,
    IsMobile,
}

/// A text of the instruct or context template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Template {
    StoryPrefix,
    StorySuffix,
    Input,
    InputSuffix,
    Output,
    OutputSuffix,
    System,
    SystemSuffix,
    FirstOutput,
    LastOutput,
    FirstInput,
    LastInput,
    Stop,
    Filler,
    LastSystem,
    DefaultPrompt,
    ActivePrompt,
    ExampleSeparator,
    ChatStart,
}

impl Template {
    /// Every name it goes by; a template may use any of them.
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::StoryPrefix => &["instructStoryStringPrefix"],
            Self::StorySuffix => &["instructStoryStringSuffix"],
            Self::Input => &["instructInput", "instructUserPrefix"],
            Self::InputSuffix => &["instructUserSuffix"],
            Self::Output => &["instructOutput", "instructAssistantPrefix"],
            Self::OutputSuffix => &["instructSeparator", "instructAssistantSuffix"],
            Self::System => &["instructSystemPrefix"],
            Self::SystemSuffix => &["instructSystemSuffix"],
            Self::FirstOutput => &["instructFirstOutputPrefix", "instructFirstAssistantPrefix"],
            Self::LastOutput => &["instructLastOutputPrefix", "instructLastAssistantPrefix"],
            Self::FirstInput => &["instructFirstInput", "instructFirstUserPrefix"],
            Self::LastInput => &["instructLastInput", "instructLastUserPrefix"],
            Self::Stop => &["instructStop"],
            Self::Filler => &["instructUserFiller"],
            Self::LastSystem => &["instructSystemInstructionPrefix"],
            Self::DefaultPrompt => &["instructSystemPrompt", "instructSystem", "defaultSystemPrompt"],
            Self::ActivePrompt => &["systemPrompt"],
            Self::ExampleSeparator => &["exampleSeparator", "chatSeparator"],
            Self::ChatStart => &["chatStart"],
        }
    }

    /// What is used where a template leaves this one empty.
    pub(super) const fn fallback(self) -> Option<Self> {
        match self {
            Self::FirstOutput | Self::LastOutput => Some(Self::Output),
            Self::FirstInput | Self::LastInput => Some(Self::Input),
            Self::ActivePrompt => Some(Self::DefaultPrompt),
            _ => None,
        }
    }
}

/// How a macro is called.
#[derive(Debug)]
pub(super) struct Signature {
    /// In lower case.
    name: &'static str,
    pub(super) what: Macro,
    min: usize,
    max: usize,
    /// Whether its last argument may be what stands between it and its closing tag.
    content: bool,
}

impl Signature {
    pub(super) const fn takes(&self, arguments: usize) -> bool {
        self.min <= arguments && arguments <= self.max
    }

    /// Whether a call with so many arguments in the braces is complete only with its content.
    pub(super) const fn takes_content_after(&self, arguments: usize) -> bool {
        self.content && self.takes(arguments.saturating_add(1))
    }

    const fn args(mut self, min: usize, max: usize) -> Self {
        self.min = min;
        self.max = max;
        self
    }

    const fn with_content(mut self) -> Self {
        self.content = true;
        self
    }
}

const fn plain(name: &'static str, what: Macro) -> Signature {
    Signature {
        name,
        what,
        min: 0,
        max: 0,
        content: false,
    }
}

const fn one(name: &'static str, what: Macro) -> Signature {
    plain(name, what).args(1, 1).with_content()
}

const fn two(name: &'static str, what: Macro) -> Signature {
    plain(name, what).args(2, 2).with_content()
}

const fn comment(name: &'static str) -> Signature {
    plain(name, Macro::Comment).args(0, usize::MAX).with_content()
}

/// The longest name that is looked up.
const MAX_NAME: usize = 40;

/// The macro of that name, in whatever case.
pub(super) fn lookup(name: &str) -> Option<&'static Signature> {
    let mut buffer = [0_u8; MAX_NAME];
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let index = SIGNATURES
        .binary_search_by(|signature| signature.name.as_bytes().cmp(lower))
        .ok()?;
    SIGNATURES.get(index)
}

/// In byte order of the names.
static SIGNATURES: &[Signature] = &[
    comment("//"),
    two("addglobalvar", Macro::Global(Variable::Add)),
    two("addvar", Macro::Local(Variable::Add)),
    plain("allchatrange", Macro::Chat(Chat::Range)),
    one("banned", Macro::Banned),
    plain("char", Macro::Name(Name::Char)),
    plain("char_version", Macro::Card(Card::Version)),
    plain("charcreatornotes", Macro::Card(Card::CreatorNotes)),
    plain("chardepthprompt", Macro::Card(Card::DepthPrompt)),
    plain("chardescription", Macro::Card(Card::Description)),
    plain("charfirstmessage", Macro::Greeting).args(0, 1),
    plain("charifnotgroup", Macro::Name(Name::Group)),
    plain("charinstruction", Macro::Card(Card::Instruction)),
    plain("charpersonality", Macro::Card(Card::Personality)),
    plain("charprompt", Macro::Card(Card::Prompt)),
    plain("charscenario", Macro::Card(Card::Scenario)),
    plain("charversion", Macro::Card(Card::Version)),
    plain("chatseparator", Macro::Template(Template::ExampleSeparator)),
    plain("chatstart", Macro::Template(Template::ChatStart)),
    comment("comment"),
    plain("creatornotes", Macro::Card(Card::CreatorNotes)),
    plain("currentswipeid", Macro::Chat(Chat::CurrentSwipe)),
    plain("date", Macro::Clock(Clock::Date)),
    one("datetimeformat", Macro::Clock(Clock::Format)),
    one("decglobalvar", Macro::Global(Variable::Decrement)),
    one("decvar", Macro::Local(Variable::Decrement)),
    plain("defaultsystemprompt", Macro::Template(Template::DefaultPrompt)),
    one("deleteglobalvar", Macro::Global(Variable::Delete)),
    one("deletevar", Macro::Local(Variable::Delete)),
    plain("description", Macro::Card(Card::Description)),
    plain("else", Macro::Else),
    plain("exampleseparator", Macro::Template(Template::ExampleSeparator)),
    plain("firstdisplayedmessageid", Macro::Chat(Chat::FirstId)),
    plain("firstincludedmessageid", Macro::Chat(Chat::FirstIncludedId)),
    one("flushglobalvar", Macro::Global(Variable::Delete)),
    one("flushvar", Macro::Local(Variable::Delete)),
    one("getglobalvar", Macro::Global(Variable::Get)),
    one("getvar", Macro::Local(Variable::Get)),
    one("globalvarexists", Macro::Global(Variable::Has)),
    plain("greeting", Macro::Greeting).args(0, 1),
    plain("group", Macro::Name(Name::Group)),
    plain("groupnotmuted", Macro::Name(Name::GroupNotMuted)),
    one("hasextension", Macro::HasExtension),
    one("hasglobalvar", Macro::Global(Variable::Has)),
    one("hasvar", Macro::Local(Variable::Has)),
    comment("hidden_key"),
    plain("idle_duration", Macro::Clock(Clock::Idle)),
    plain("idleduration", Macro::Clock(Clock::Idle)),
    two("if", Macro::If),
    one("incglobalvar", Macro::Global(Variable::Increment)),
    one("incvar", Macro::Local(Variable::Increment)),
    plain("input", Macro::Input),
    plain("instructassistantprefix", Macro::Template(Template::Output)),
    plain("instructassistantsuffix", Macro::Template(Template::OutputSuffix)),
    plain("instructfirstassistantprefix", Macro::Template(Template::FirstOutput)),
    plain("instructfirstinput", Macro::Template(Template::FirstInput)),
    plain("instructfirstoutputprefix", Macro::Template(Template::FirstOutput)),
    plain("instructfirstuserprefix", Macro::Template(Template::FirstInput)),
    plain("instructinput", Macro::Template(Template::Input)),
    plain("instructlastassistantprefix", Macro::Template(Template::LastOutput)),
    plain("instructlastinput", Macro::Template(Template::LastInput)),
    plain("instructlastoutputprefix", Macro::Template(Template::LastOutput)),
    plain("instructlastuserprefix", Macro::Template(Template::LastInput)),
    plain("instructoutput", Macro::Template(Template::Output)),
    plain("instructseparator", Macro::Template(Template::OutputSuffix)),
    plain("instructstop", Macro::Template(Template::Stop)),
    plain("instructstorystringprefix", Macro::Template(Template::StoryPrefix)),
    plain("instructstorystringsuffix", Macro::Template(Template::StorySuffix)),
    plain("instructsystem", Macro::Template(Template::DefaultPrompt)),
    plain("instructsysteminstructionprefix", Macro::Template(Template::LastSystem)),
    plain("instructsystemprefix", Macro::Template(Template::System)),
    plain("instructsystemprompt", Macro::Template(Template::DefaultPrompt)),
    plain("instructsystemsuffix", Macro::Template(Template::SystemSuffix)),
    plain("instructuserfiller", Macro::Template(Template::Filler)),
    plain("instructuserprefix", Macro::Template(Template::Input)),
    plain("instructusersuffix", Macro::Template(Template::InputSuffix)),
    plain("ismobile", Macro::Setting(Setting::IsMobile)),
    plain("isodate", Macro::Clock(Clock::IsoDate)),
    plain("isotime", Macro::Clock(Clock::IsoTime)),
    plain("lastcharmessage", Macro::Chat(Chat::LastCharMessage)),
    plain("lastgenerationtype", Macro::Setting(Setting::GenerationType)),
    plain("lastmessage", Macro::Chat(Chat::LastMessage)),
    plain("lastmessageid", Macro::Chat(Chat::LastMessageId)),
    plain("lastswipeid", Macro::Chat(Chat::LastSwipe)),
    plain("lastusermessage", Macro::Chat(Chat::LastUserMessage)),
    plain("maxcontext", Macro::Setting(Setting::MaxContext)),
    plain("maxcontexttokens", Macro::Setting(Setting::MaxContext)),
    plain("maxprompt", Macro::Setting(Setting::MaxPrompt)),
    plain("maxprompttokens", Macro::Setting(Setting::MaxPrompt)),
    plain("maxresponse", Macro::Setting(Setting::MaxResponse)),
    plain("maxresponsetokens", Macro::Setting(Setting::MaxResponse)),
    plain("mesexamples", Macro::Card(Card::Examples)),
    plain("mesexamplesraw", Macro::Card(Card::ExamplesRaw)),
    plain("model", Macro::Setting(Setting::Model)),
    plain("newline", Macro::Newline).args(0, 1),
    plain("noop", Macro::Noop),
    plain("notchar", Macro::Name(Name::NotChar)),
    plain("original", Macro::Original),
    one("outlet", Macro::Outlet),
    plain("persona", Macro::Card(Card::Persona)),
    plain("personality", Macro::Card(Card::Personality)),
    plain("pick", Macro::Pick).args(0, usize::MAX),
    plain("random", Macro::Random).args(0, usize::MAX),
    one("reverse", Macro::Reverse),
    one("roll", Macro::Roll),
    plain("scenario", Macro::Card(Card::Scenario)),
    two("setglobalvar", Macro::Global(Variable::Set)),
    two("setvar", Macro::Local(Variable::Set)),
    plain("space", Macro::Space).args(0, 1),
    plain("summary", Macro::Chat(Chat::Summary)),
    plain("systemprompt", Macro::Template(Template::ActivePrompt)),
    plain("time", Macro::Clock(Clock::Time)).args(0, 1),
    two("timediff", Macro::Clock(Clock::Difference)),
    plain("trim", Macro::Trim).args(0, 1).with_content(),
    plain("user", Macro::Name(Name::User)),
    one("varexists", Macro::Local(Variable::Has)),
    plain("version", Macro::Card(Card::Version)),
    plain("weekday", Macro::Clock(Clock::Weekday)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_within_the_longest_name() {
        assert!(SIGNATURES.is_sorted_by(|a, b| a.name.as_bytes() < b.name.as_bytes()));
        assert!(SIGNATURES.iter().all(|signature| signature.name.len() <= MAX_NAME));
    }

    #[test]
    fn every_name_of_a_template_is_a_macro() {
        for signature in SIGNATURES {
            if let Macro::Template(template) = signature.what {
                assert!(
                    template
                        .names()
                        .iter()
                        .all(|name| { lookup(name).is_some_and(|found| found.what == Macro::Template(template)) })
                );
            }
        }
    }
}
