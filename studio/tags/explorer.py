"""Reading a saved copy of Sonauto's tag explorer, whatever its markup: what is a tag there is told by those we know.

Every text of the page has a look: the elements, attributes or keys that it stands in. The looks that known tags have
are those of tags, so what else looks so is a tag as well, and headings, links and numbers are not.
"""

import email
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from email import policy
from html.parser import HTMLParser
from typing import Final, NamedTuple

from studio.tags.taxonomy import fold

MAX_BYTES: Final = 64 * 1024 * 1024
LONGEST_TAG: Final = 40
MOST_WORDS: Final = 6
# A look is one of tags where this part of its texts is known, and not just one or two of them.
KNOWN_SHARE: Final = 0.25
KNOWN_FEW: Final = 3
# An unknown text that is there more often says something of tags.
OFTEN: Final = 3
# What is known of a page of tags at all: with less, it is another page.
LEAST_KNOWN: Final = 20

_MARKUP: Final = re.compile(r"<(!doctype|html|body|main|div|span|a|button|li|p|ul|ol|table|td|option|script)\b", re.I)
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_CODE: Final = frozenset({"script", "style", "template"})
_TELLING: Final = re.compile(r"data-.+|value|title|aria-label|alt|content")
_BREAKS: Final = re.compile(r"[\n\r\t,;|•·]+")
# "12. pop", "#3 pop", "#pop" and "pop (1,234)", "pop ×12": a place and a count are no part of the name.
_BULLET: Final = re.compile(r"^[-*–—]\s+")
_PLACE: Final = re.compile(r"^(?:#\s*\d+[.):]?\s+|\d+[.):]\s+|#\s*)")
_COUNT: Final = re.compile(r"\s*(?:[(\[]\s*[\d.,]+\s*[kKmM]?\s*[)\]]|[×x]\s?\d+)$")
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:\s*)?', re.S)


class PageUnreadable(Exception):
    """What was given is no copy of the tag explorer."""

    code: Final = "page_unreadable"
    hint: Final = "Open Sonauto's tag explorer, wait until all tags are shown, and save the page as HTML or its text."

    def __init__(self, message: str = "No list of style tags was found in this page.") -> None:
        self.message = message
        super().__init__(message)


class Text(NamedTuple):
    """One text of the page and the look it has there."""

    look: tuple[str, ...]
    text: str


def names(page: bytes, known: Iterable[str]) -> list[str]:
    """The tags of a saved page in its order, each once, in small letters.

    :raises PageUnreadable: too few of the known ones are there.
    """
    text = _decoded(page)
    vocabulary = {fold(name) for name in known}
    layers = [_visible(text), _attributes(text), _strings(text)] if _MARKUP.search(text) else [_lines(text)]
    readings = [_tags(layer, vocabulary) for layer in layers]
    # The first of the best: what people see goes before what only programs do.
    best = max(readings, key=lambda found: sum(fold(name) in vocabulary for name in found))
    if sum(fold(name) in vocabulary for name in best) < min(LEAST_KNOWN, len(vocabulary)):
        raise PageUnreadable
    return best


def _decoded(page: bytes) -> str:
    if len(page) > MAX_BYTES:
        raise PageUnreadable("The page is larger than 64 MB.")
    if page.startswith((b"\xff\xfe", b"\xfe\xff")):
        return page.decode("utf-16", "replace")
    if re.match(rb"(?i)(from|mime-version|snapshot-content-location): ", page):
        return _of_archive(page)
    try:
        return page.decode("utf-8-sig")
    except UnicodeDecodeError:
        return page.decode("cp1252", "replace")


def _of_archive(page: bytes) -> str:
    """The page inside a single-file archive, as browsers save one."""
    message = email.message_from_bytes(page, policy=policy.default)
    body = message.get_body(("html", "plain"))
    return body.get_content() if body is not None else ""


# --- The texts of a page ---------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[Text] = []
        self.attributes: list[Text] = []
        self.code: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        for name, value in attrs:
            if value and _TELLING.fullmatch(name):
                self.attributes.append(Text((tag, name), value))
        if tag not in _VOID:
            self._open.append(f"{tag}.{values.get('class') or ''}" if tag not in _CODE else tag)

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at].partition(".")[0] == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in _CODE:
            self.code.append(data)
        elif data.strip():
            self.texts.append(Text(tuple(self._open[-2:]), data))


def _parsed(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    page.close()
    return page


def _visible(text: str) -> list[Text]:
    return _parsed(text).texts


def _attributes(text: str) -> list[Text]:
    return _parsed(text).attributes


def _strings(text: str) -> list[Text]:
    """The strings in its programs and data, those in strings of JSON as well."""
    return [found for code in _parsed(text).code for found in _quoted(code, depth=2)]


def _quoted(code: str, depth: int) -> Iterator[Text]:
    """Each string that is no key, with the key right before it as its look."""
    key = ""
    for value, colon in _STRING.findall(code):
        inner = _unescaped(value)
        if colon:
            key = inner
            continue
        if '"' in inner and depth:
            yield from _quoted(inner, depth - 1)
        elif len(inner) <= LONGEST_TAG:
            yield Text((key,), inner)


def _unescaped(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:
        return value


def _lines(text: str) -> list[Text]:
    """A text's lines. Those before the first known tag and after the last are told from tags by `_tags`."""
    return [Text(("line",), line) for line in text.splitlines() if line.strip()]


# --- Which of them are tags ------------------------------------------------------------------------------------------


def _tags(texts: Iterable[Text], vocabulary: set[str]) -> list[str]:
    pieces = [Text(text.look, name) for text in texts for name in _pieces(text.text, vocabulary)]
    looks = _looks_of_tags(pieces, vocabulary)
    tags = [piece.text for piece in pieces if piece.look in looks]
    known = [at for at, name in enumerate(tags) if fold(name) in vocabulary]
    if any(tags[at] != tags[at].lower() for at in known):
        # Headings look like tags then, but stand before and after them.
        tags = tags[known[0] : known[-1] + 1]
    else:
        tags = [name for name in tags if name == name.lower()]
    often = Counter(tags)
    # What is said of each tag, its kind say, is none.
    told = (name.lower() for name in tags if often[name] <= OFTEN or fold(name) in vocabulary)
    return list(dict.fromkeys(told))


def _pieces(text: str, vocabulary: set[str]) -> Iterator[str]:
    whole = " ".join(text.split())
    parts = [whole] if whole and fold(whole) in vocabulary else _BREAKS.split(text)
    for part in parts:
        name = _BULLET.sub("", " ".join(part.split()))
        if fold(name) not in vocabulary:
            name = _COUNT.sub("", _PLACE.sub("", name)).strip("\"'“” ")
        if name and len(name) <= LONGEST_TAG and len(name.split()) <= MOST_WORDS and re.search(r"[^\W\d_]|\d0s", name):
            yield name


def _looks_of_tags(pieces: Iterable[Text], vocabulary: set[str]) -> set[tuple[str, ...]]:
    names: defaultdict[tuple[str, ...], Counter[bool]] = defaultdict(Counter)
    for piece in pieces:
        names[piece.look][fold(piece.text) in vocabulary] += 1
    sure = {
        look
        for look, count in names.items()
        if count[True] >= min(KNOWN_FEW, len(vocabulary)) and count[True] >= KNOWN_SHARE * count.total()
    }
    # One that is chosen on the page, say, looks a little otherwise: it stands in the same elements.
    shapes = {_shape(look) for look in sure}
    return sure | {look for look, count in names.items() if not count[False] and _shape(look) in shapes}


def _shape(look: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.partition(".")[0] for part in look)
