"""Who is in the scene: noted after each reply, and told before the next one."""

from names import leaving, mentioned
from tavern import config, note, skip
from tavern.values import chat

#: Where people are kept: `{"reply": 7, "people": {"Mira": {"seen": 3, "last": 7}}, "before": {…}}`, in which
#: `before` is how it was before the last reply.
KEY = "people"
NOBODY = {"reply": 0, "people": {}}
#: So many are kept; who was not mentioned for longest is forgotten first.
MOST = 32


def _known():
    return chat.get(KEY, NOBODY)


def after_reply(turn, history, user, reply):
    settings = config()
    known = _known()
    # A reply that takes the place of the last one, or goes on from it, is the last one told anew.
    is_anew = turn.kind in ("swipe", "regenerate", "continue")
    now = {"reply": known["reply"], "people": known["people"]}
    before = known.get("before", now) if is_anew else now
    number, people = before["reply"] + 1, dict(before["people"])
    # What has no permission is empty, and nobody is called that.
    present = {turn.user_name, *turn.user_name.split(), *(turn.character.name.split() if turn.character else [])}
    ignored = present | set(settings.get("ignored", []))
    names = settings.get("names", [])
    text = "\n".join([user.text if user else "", reply.text])
    for name in sorted(mentioned(text, [*names, *people], ignored)):
        seen = people.get(name, {"seen": 0})["seen"]
        people[name] = {"seen": max(seen + 1, 2 if name in names else 0), "last": number}
    for name in leaving(text, people):
        del people[name]
    oldest = number - settings.get("forget_after", 6)
    kept = sorted(people.items(), key=lambda entry: (-entry[1]["last"], entry[0]))[:MOST]
    people = {name: how for name, how in kept if how["last"] > oldest}
    chat.set(KEY, {"reply": number, "people": people, "before": before})
    return []


def before_prompt(turn, history):
    there = sorted(name for name, how in _known()["people"].items() if how["seen"] >= 2)
    if not there:
        raise skip("nobody else is there")
    return [note(f"Also in the scene: {', '.join(there)}.", depth=2)]
