"""Who a text mentions, and who it says is leaving. By capitals and a few words: it costs nothing, and errs."""

import re

#: A word with a capital inside a sentence.
_NAME = re.compile(r"(?<=[\w,;] )([A-Z][a-zà-ÿ]+(?:[-'][A-Z][a-zà-ÿ]+)?)\b")
#: `Mira:` at the beginning of a line.
_SPEAKER = re.compile(r"^([A-Z][a-zà-ÿ]+):", re.MULTILINE)
_LEAVES = r"\b{}\b (?:quietly |quickly |slowly )?(?:leaves|left|walks (?:away|out|off)|goes (?:away|home|out)|departs|is gone|dies|died)\b"
#: Words with a capital that are nobody.
_COMMON = frozenset(
    "I I'm I'll I've I'd Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May "
    "June July August September October November December English French German Spanish God Lord Lady Sir Mr Mrs "
    "Ms Dr Okay Yes No".split()
)


def mentioned(text, known, ignored):
    """Names in a text: those that look like one, and those that are known."""
    found = set(_NAME.findall(text)) | set(_SPEAKER.findall(text))
    known = {name for name in known if re.search(rf"\b{re.escape(name)}\b", text)}
    # Who is known as Old Ben is not seen as Ben once more.
    parts = {part for name in known for part in name.split() if part != name}
    return (found - parts | known) - _COMMON - set(ignored)


def leaving(text, names):
    """Those of whom the text says that they leave."""
    return {name for name in names if re.search(_LEAVES.format(re.escape(name)), text)}
