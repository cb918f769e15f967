"""What every hook may need: settings, log, tokens, chances, and words for what hooks give back."""

import json

from componentize_py_types import Err
from wit_world.imports import config as _config
from wit_world.imports import log as _log
from wit_world.imports import metrics as _metrics
from wit_world.imports import text as _text
from wit_world.imports import types

count_tokens = _text.count_tokens
truncate_tokens = _text.truncate_tokens


def config():
    """The owner's settings: what `config.schema.json` describes, without secrets."""
    return json.loads(_config.all())


class log:
    """`log.info("what happened", field=value)`: for the author and the owner, never for secrets or prompts."""

    @staticmethod
    def _write(level, message, fields):
        pairs = [types.Pair(key, str(value)) for key, value in fields.items()]
        _log.write(level, str(message), pairs)

    @classmethod
    def debug(cls, message, **fields):
        cls._write(_log.Level.DEBUG, message, fields)

    @classmethod
    def info(cls, message, **fields):
        cls._write(_log.Level.INFO, message, fields)

    @classmethod
    def warn(cls, message, **fields):
        cls._write(_log.Level.WARN, message, fields)

    @classmethod
    def error(cls, message, **fields):
        cls._write(_log.Level.ERROR, message, fields)


def metric(name, delta=1):
    """Adds to a counter that the manifest declares."""
    _metrics.count(name, delta)


def skip(why=""):
    """`raise skip("…")`: there is nothing to do. This is no failure."""
    return Err(types.HookError_Skip(why))


def invalid_config(why):
    """`raise invalid_config("…")`: the settings cannot be worked with; the owner is told."""
    return Err(types.HookError_InvalidConfig(why))


def retryable(why):
    """`raise retryable("…")`: something else was at fault; it may work the next time."""
    return Err(types.HookError_Retryable(why))


class Random:
    """Chances of a turn: the same turn draws the same. `salt` sets apart what is drawn for different ends.

    Python's own `random` was seeded when the extension was built: it says the same in every turn.
    """

    def __init__(self, turn, salt=""):
        self._state = turn.seed
        for letter in salt:
            self._state = (self._state * 31 + ord(letter)) & 0xFFFF_FFFF_FFFF_FFFF

    def next(self):
        """64 bits, by SplitMix64."""
        mask = 0xFFFF_FFFF_FFFF_FFFF
        self._state = (self._state + 0x9E37_79B9_7F4A_7C15) & mask
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & mask
        return z ^ (z >> 31)

    def between(self, low, high):
        """A whole number from `low` to `high`, both included."""
        return low + self.next() % (high - low + 1)

    def pick(self, items):
        return items[self.between(0, len(items) - 1)]


def variable(turn, key):
    """A variable of the chat, or None."""
    return next((pair.value for pair in turn.variables if pair.key == key), None)


def _role(name):
    return types.Role[name.upper()]


# Words for what hooks give back. Each takes the bindings of its hook, which only extensions that have the
# hook bring along, and is settled when the hook returns.

# before-prompt


def note(text, position="in-chat", depth=0, role="system", priority=0):
    """A text at a place of the prompt."""
    return lambda hook: hook.Edit_AddNote(hook.Note(position, depth, _role(role), text, priority))


def set_sampling(key, value):
    return lambda hook: hook.Edit_SetSampling(types.Pair(key, str(value)))


def abort(message):
    return lambda hook: hook.Edit_Abort(message)


# before-prompt and after-reply


def set_variable(key, value):
    pair = types.Pair(key, str(value))
    return lambda hook: hook.Edit_SetVariable(pair) if hasattr(hook, "Edit_SetVariable") else hook.Effect_SetVariable(pair)


# world-info


def activate(id, score=1.0):
    return lambda hook: hook.Activation(id, True, score)


def silence(id, score=1.0):
    return lambda hook: hook.Activation(id, False, score)


def addition(title, text, position="before-character", depth=0, order=100):
    """An entry of lore for this turn alone."""
    return lambda hook: hook.Addition(title, text, position, depth, order)


# prompt-transform


def insert_before(anchor, role, text):
    return lambda hook: hook.Op_InsertBefore(hook.Placed(anchor, _role(role), text))


def insert_after(anchor, role, text):
    return lambda hook: hook.Op_InsertAfter(hook.Placed(anchor, _role(role), text))


def replace_text(id, text):
    return lambda hook: hook.Op_ReplaceText(hook.Replacement(id, text))


def remove(id):
    return lambda hook: hook.Op_Remove(id)


def stop_sequence(text):
    return lambda hook: hook.Op_StopSequence(text)


# stream-filter; a filter that gives nothing back lets the text pass


def replace(text):
    return lambda hook: hook.Verdict_Replace(text)


def hold():
    return lambda hook: hook.Verdict_Hold()


def drop():
    return lambda hook: hook.Verdict_Drop()


def stop(text=""):
    return lambda hook: hook.Verdict_Stop(text)


# after-reply


def annotate(key, value):
    return lambda hook: hook.Effect_Annotate(types.Pair(key, json.dumps(value, ensure_ascii=False)))


def suggest_reply(text):
    return lambda hook: hook.Effect_SuggestReply(text)


def emit_event(name, payload):
    return lambda hook: hook.Effect_EmitEvent(types.Pair(name, json.dumps(payload, ensure_ascii=False)))


# listing-validate


def info(text):
    return lambda hook: hook.Finding_Info(text)


def warn(text):
    return lambda hook: hook.Finding_Warn(text)


def reject(text):
    return lambda hook: hook.Finding_Reject(text)


# search-rank


def move(id, delta):
    """An item further up, or down with a negative number."""
    return lambda hook: hook.Change(id, delta)
