//! What the demo model can say. `{…}` is filled from the card and the conversation; a line whose
//! filling is missing is passed over. Subjects are always names, so that verbs agree with everybody.

use super::message::Mood;

pub(super) const OPENINGS: &[&str] = &[
    "{name} tilts {their} head and lets the words settle before answering.",
    "{name} looks up, and for a moment {their} whole attention rests on {user}.",
    "A slow breath, a small nod: {name} has been listening closely.",
    "{name} pauses, one hand half raised, as if to catch the thought before it flies.",
    "Something in {their} face softens as {name} turns towards {user}.",
    "{name} considers this with a look that is hard to read.",
    "The corner of {their} mouth moves; {name} is not quite hiding a smile.",
    "{name} leans a little closer and lowers {their} voice.",
    "For a heartbeat {name} says nothing at all, {place}.",
    "{name}, {trait} as ever, takes a moment to find the right words.",
    "{name} glances around, {place}, and then back at {user}.",
    "{gesture}",
    "{gesture}",
];

pub(super) const MIDDLES: &[&str] = &[
    "{name} walks a few steps and turns around again.",
    "It has grown quiet {place}, quiet enough to hear a thought.",
    "There is something {trait} in the way {name} holds {user}'s gaze.",
    "{name} brushes an invisible speck from {their} sleeve, buying time.",
    "The light shifts, and {name} shifts with it.",
    "{name} counts something on {their} fingers and seems content with the sum.",
    "A memory passes over {their} face and is gone before {user} can name it.",
    "{name} settles down {place} and makes room for {user}.",
    "{fact}",
    "{fact}",
    "{gesture}",
    "{gesture}",
];

pub(super) const SAYINGS: &[&str] = &[
    "I have said it before and I will say it again. {saying}",
    "You know what I always tell people? {saying}",
    "{saying} That much has not changed.",
    "{saying}",
    "It comes back to the same thing each time. {saying}",
];

/// For characters whose card lends no words of their own.
pub(super) const MUSINGS: &[&str] = &[
    "Most people rush past a moment like this. I would rather stay in it a while.",
    "I have learned to trust small signs more than great promises.",
    "There is always a second story beneath the first one, if somebody cares to dig.",
    "Some things only become true once they are said to another person.",
    "People call me {trait}. They are not wrong, but it is not the whole of it.",
    "Nothing {place} happens by accident, or so I like to believe.",
    "I could be mistaken, of course. It would not be the first time, nor the last.",
    "Give me a quiet hour and an honest question, and I am happy.",
];

pub(super) const CLOSINGS: &[&str] = &[
    "So tell me, {user}: what would you do next?",
    "And you, {user}? What is it that you are not saying?",
    "Shall we see where it leads?",
    "Stay a little longer, {user}. I want to hear the rest.",
    "Now it is your turn, {user}. Surprise me.",
    "What made you think of that today, of all days?",
    "Come, {user}, take a step and I will match it.",
    "If you could change one thing about it, what would it be?",
    "Tell me more, and leave nothing out.",
    "Where shall we begin?",
];

pub(super) const IMPERSONATIONS: &[&str] = &[
    "*I take a moment to look at {name} before I answer.* \"All right. Tell me more about it, and start at the beginning.\"",
    "*I cannot help but smile.* \"You keep surprising me, {name}. What happens now?\"",
    "*I step closer, careful not to break the mood.* \"I have a question, {name}, and I would like an honest answer.\"",
    "\"Wait.\" *I raise a hand and think it over.* \"There is something that you are not telling me, {name}, is there not?\"",
    "*I look around, {place}, and nod at last.* \"Then let us do it your way, {name}. Lead on.\"",
    "\"That word has stayed with me: '{word}'.\" *I shrug, a little embarrassed.* \"Say it again, {name}. Slowly.\"",
];

/// How a character takes up what the user said.
pub(super) const fn reactions(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Greeting => &[
            "Well met, {user}. I was hoping that somebody would come by, and I am glad that it is you.",
            "Ah, {user}! Come in, come closer. There is no need to stand on ceremony with me.",
            "'{snippet}', you say, as if we had parted only yesterday. Welcome, {user}.",
            "Greetings, {user}. You have picked a good moment; I have nothing but time.",
        ],
        Mood::Farewell => &[
            "Leaving already? Then go safely, {user}, and keep a little of this for the road.",
            "'{snippet}'... I never liked the sound of partings, {user}. Let us call it a pause.",
            "Until the next time, then. I will remember where we stopped.",
            "Go, if you must, {user}. My door does not lock from your side.",
        ],
        Mood::Thanks => &[
            "You owe me nothing, {user}. It was easily done and gladly given.",
            "'{snippet}', and you even mean it. That is rarer than you think.",
            "Keep your thanks, {user}; bring me a story some day instead.",
            "It is I who should be grateful. Few people ask, and fewer listen.",
        ],
        Mood::AboutYou => &[
            "You want to know about me? I am {name}. The rest is best learned slowly.",
            "They call me {name}. What they whisper after that depends on whom you ask.",
            "I am {name}, {user}, and if you ask those who know me, rather {trait}.",
            "A fair question: '{snippet}'. I am {name}, and I answer to little else.",
        ],
        Mood::Question => &[
            "'{snippet}'? I have turned that question over more often than you would guess, {user}.",
            "You ask '{snippet}', and I wish the answer were a short one.",
            "Hm. '{word}'... If I answered at once, {user}, it would be a lie or a guess.",
            "That depends on who is asking, {user}: the one who wants comfort or the one who wants the truth.",
            "A good question deserves better than a quick answer. Let me think aloud: '{word}', yes, it begins there.",
        ],
        Mood::Sad => &[
            "'{snippet}'... Come here, {user}. You need not carry that alone, not while I am around.",
            "I hear you, {user}. Some days weigh more than others, and this one weighs on you.",
            "Then rest for a while. Nothing has to be mended this very minute, {user}.",
            "That is a heavy word, '{word}'. Put it down for a moment and breathe.",
        ],
        Mood::Glad => &[
            "'{snippet}'! It does me good to hear you speak like that, {user}.",
            "Now that is a light I like to see on your face, {user}. Hold on to it.",
            "Ha! Good spirits are catching, {user}, and I do not mind being caught.",
            "Then let us make the most of it, before the day remembers to be ordinary.",
        ],
        Mood::Action => &[
            "You are bolder than you look, {user}. I like that, though I would never admit it aloud.",
            "I saw that, {user}. One does not need words to say something.",
            "Careful now. One more step like this one and there is no going back.",
            "So that is how you answer. Very well, {user}, I can play this game too.",
        ],
        Mood::Agreement => &[
            "Then we are of one mind, {user}. That happens less often than it should.",
            "'{snippet}'. Simple and clear; I like people who can say that without a speech.",
            "Good. I had hoped that you would say so, {user}.",
        ],
        Mood::Refusal => &[
            "'{snippet}'? As you wish, {user}. I have been refused by worse company.",
            "A plain answer at last. I can live with that better than with a polite lie.",
            "Then we shall do it differently, {user}. There is more than one road.",
        ],
        Mood::Statement => &[
            "'{snippet}', you say. I would not have put it like that, {user}, and yet it rings true.",
            "So it is '{word}' that is on your mind, {user}. I wondered when you would come to it.",
            "I believe you. '{snippet}' is not a thing that one says without a reason.",
            "'{word}'... There is a whole tale hidden in that one word, {user}.",
            "You say it so easily, {user}. I heard it all the same, every bit of it.",
        ],
    }
}

/// Ends the first reply of a chat.
pub(super) const FIRST_NOTE: &str = "(This is the demo model built into TavernAI Plus. To talk with a real one, name its server and the model in tavern.toml, under `[[providers]]` and `[[models]]`.)";

/// The answer when somebody wants to know whom they are really talking to.
pub(super) const HONEST: &str = "(Out of character: you are talking to a program, not to a person. This is the demo model built into TavernAI Plus. It is not even a language model: it puts sentences together from {name}'s card and from your own words. To talk with a real model, name its server and the model in tavern.toml, under `[[providers]]` and `[[models]]`.)";

pub(super) const QUIET: &[&str] = &[
    "{name} and {user} are talking; the latest word was '{word}'.",
    "{name} is talking with {user}.",
];
