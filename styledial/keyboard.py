"""Letters and digits of a Chinese keyboard as a Western one types them."""

from __future__ import annotations

import unicodedata

QUOTES = "“”‘’「」『』\"'"
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff"))


def plain(text: str) -> str:
    """As a Western keyboard types it: half-width, no quotes around it, nothing invisible."""
    text = half_width(text)
    if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
        return text[1:-1].strip()
    return text


def numeral(text: str) -> str:
    """`plain`, of what should be a number: ０。１ is 0.1."""
    return plain(text).replace("。", ".")


def half_width(text: str) -> str:
    """Full-width forms and dashes as ASCII has them; without blanks around it."""
    return "".join(map(_narrow, text)).translate(_DASHES | _INVISIBLE).strip()


def _narrow(character: str) -> str:
    """Of a wide or small form the plain one; ² and ½ are no digits of a number."""
    form = unicodedata.decomposition(character).partition(" ")[0]
    wide = form in ("<wide>", "<narrow>", "<small>")
    return unicodedata.normalize("NFKC", character) if wide else character
