"""A tag explorer's page in many hands: the same tags in whatever markup somebody may have saved."""

import json
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from html import escape

CHROME = (
    "Sonauto",
    "Tag Explorer",
    "Search tags",
    "Log in",
    "Pricing",
    "Explore",
    "Terms of Service",
    "© 2026 Sonauto",
)


def around(body: str) -> str:
    links = "".join(f'<a class="nav" href="/x">{escape(text)}</a>' for text in CHROME)
    head = "<!DOCTYPE html><html><head><title>Tags</title></head>"
    return f"{head}<body><nav>{links}</nav><h1>Tags</h1>{body}<footer>{links}</footer></body></html>"


def buttons(names: Sequence[str]) -> str:
    """The second button is chosen, and looks another way."""
    looks = (
        f'<button class="tag{" tag-on" if at == 1 else ""}">{escape(name)}</button>' for at, name in enumerate(names)
    )
    return around(f"<main><h2>Genres</h2>{''.join(looks)}</main>")


def list_with_counts(names: Sequence[str]) -> str:
    items = (
        f"<li><span class='n'>{at}.</span><a href='/t'>{escape(name)}</a><small>{at * 7:,}</small>"
        for at, name in enumerate(names, 1)
    )
    return around(f"<ul>{''.join(items)}</ul>")


def table(names: Sequence[str]) -> str:
    rows = (f"<tr><td>{at}</td><td>{escape(name)}</td><td>genre</td></tr>" for at, name in enumerate(names, 1))
    return around(f"<table>{''.join(rows)}</table>")


def one_paragraph(names: Sequence[str]) -> str:
    return around(f"<p>{escape(', '.join(names))}</p>")


def numbered(names: Sequence[str]) -> str:
    return around("".join(f"<div class=row>#{at} {escape(name)} ({at:,})</div>" for at, name in enumerate(names, 1)))


def attributes(names: Sequence[str]) -> str:
    return around("".join(f'<div class="chip" data-tag="{escape(name)}"></div>' for name in names))


def next_data(names: Sequence[str]) -> str:
    data = {"page": "/tag-explorer", "tags": [{"name": name, "kind": "style"} for name in names]}
    return around(
        f'<div id="root"></div><script id="__NEXT_DATA__" type="application/json">{json.dumps(data)}</script>'
    )


def flight_data(names: Sequence[str]) -> str:
    inner = json.dumps({"tags": list(names)}, ensure_ascii=False)
    return around(f"<script>self.__next_f.push([1,{json.dumps(inner, ensure_ascii=False)}])</script>")


def text(names: Sequence[str]) -> str:
    return "\n".join([*CHROME, *names, *CHROME])


def commas(names: Sequence[str]) -> str:
    return ", ".join(names)


def numbered_text(names: Sequence[str]) -> str:
    return "\n".join(f"{at}. {name}" for at, name in enumerate(names, 1))


def bullets(names: Sequence[str]) -> str:
    return "\r\n".join(f"- {name}" for name in names)


def archive(names: Sequence[str]) -> str:
    message = EmailMessage()
    message["Snapshot-Content-Location"] = "https://example.com/tag-explorer"
    message.set_content("Tags")
    message.add_alternative(buttons(names), subtype="html", cte="quoted-printable")
    return message.as_string()


HANDS: dict[str, Callable[[Sequence[str]], str]] = {
    hand.__name__: hand
    for hand in (
        buttons,
        list_with_counts,
        table,
        one_paragraph,
        numbered,
        attributes,
        next_data,
        flight_data,
        text,
        commas,
        numbered_text,
        bullets,
        archive,
    )
}
