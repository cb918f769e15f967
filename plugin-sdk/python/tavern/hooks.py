"""Makes what an author writes into what the interface wants. An error that nobody catches would end the
sandbox without a word; here it becomes a failure that says where it was."""

import functools
import importlib
import json

from componentize_py_types import Err
from wit_world.imports import types


def _told(error):
    """What happened, and where. `traceback` would look for the sources, and there are no files."""
    lines = [f"{type(error).__name__}: {error}"]
    place = error.__traceback__
    while place is not None:
        code = place.tb_frame.f_code
        if code.co_filename != __file__:
            lines.append(f"  {code.co_filename.rsplit('/', 1)[-1]}, line {place.tb_lineno}, in {code.co_name}")
        place = place.tb_next
    return "\n".join(lines)


def _guarded(act):
    def call(*given):
        try:
            return act(*given)
        except Exception as error:
            if isinstance(error, Err) and type(error.value).__name__.startswith("HookError_"):
                raise
            raise Err(types.HookError_Failed(_told(error))) from None

    return call


def _bindings(hook):
    return importlib.import_module(f"wit_world.exports.{hook}")


def _method(name, act):
    """A class with the one method that an interface has."""
    guarded = _guarded(act)
    return type("Hook", (), {name: lambda self, *given: guarded(*given)})


def _settled(hook, edits):
    bindings = _bindings(hook)
    return [edit(bindings) for edit in edits or []]


def lifecycle(author):
    def absent(*given):
        return None

    validate = getattr(author, "validate_config", absent)
    migrate = getattr(author, "migrate", absent)
    return type(
        "Lifecycle",
        (),
        {
            "validate_config": lambda self, config: _guarded(lambda: validate(json.loads(config)))(),
            "migrate": lambda self, version: _guarded(migrate)(version),
        },
    )


def before_prompt(author):
    return _method("before_prompt", lambda *given: _settled("before_prompt", author.before_prompt(*given)))


def world_info(author):
    def select(*given):
        bindings = _bindings("world_info")
        chosen = [word(bindings) for word in author.world_info(*given) or []]
        return bindings.Selection(
            [word for word in chosen if isinstance(word, bindings.Activation)],
            [word for word in chosen if isinstance(word, bindings.Addition)],
        )

    return _method("select", select)


def prompt_transform(author):
    return _method("transform", lambda *given: _settled("prompt_transform", author.prompt_transform(*given)))


def stream_filter(author):
    bindings = _bindings("stream_filter")

    def verdict(word):
        return bindings.Verdict_Pass() if word is None else word(bindings)

    class Filter(bindings.Filter):
        def __init__(self, turn):
            # Made at the first piece of text, where what it raises can still be told.
            self._made = functools.cache(lambda: author.StreamFilter(turn))

        def push(self, chunk):
            return _guarded(lambda: verdict(self._made().push(chunk)))()

        def finish(self, chunk):
            made = self._made
            return _guarded(lambda: verdict(getattr(made(), "finish", made().push)(chunk)))()

    return Filter


def after_reply(author):
    return _method("run", lambda *given: _settled("after_reply", author.after_reply(*given)))


def macro_provider(author):
    def expand(turn, calls):
        return [author.macro_provider(turn, call.name, call.arguments) for call in calls]

    return _method("expand", expand)


def tool(author):
    def call(turn, name, arguments):
        return json.dumps(author.tool(turn, name, json.loads(arguments)), ensure_ascii=False)

    return _method("call", call)


def listing_validate(author):
    return _method("validate", lambda listing: _settled("listing_validate", author.listing_validate(json.loads(listing))))


def listing_price(author):
    def price(listing, buyer, base):
        return author.listing_price(json.loads(listing), buyer, base) or base

    return _method("price", price)


def search_rank(author):
    return _method("rank", lambda *given: _settled("search_rank", author.search_rank(*given)))
