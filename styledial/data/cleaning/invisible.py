"""Invisible characters: watermarks hidden by web sites, and those that a script needs.

Persian and the Indic scripts part and join letters by U+200C and U+200D, Khmer and Thai break
words at U+200B, right-to-left text has its marks, and emoji are joined: there they are spelling.
"""

from __future__ import annotations

import re

_JOINED = (
    "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u1800-\u18af\ufb50-\ufdff\ufe70-\ufefc"
)
_EMOJI = "\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff\ufe0f"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_NEVER = (
    "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff\U0001d173-\U0001d17a"
)
_INVISIBLE = re.compile(
    f"[{_NEVER}]"
    f"|(?<![{_JOINED}{_EMOJI}])[\u200c\u200d]"
    f"|(?<![{_UNSPACED}])\u200b"
    f"|(?<![{_RIGHT_TO_LEFT}])[\u200e\u200f\u061c](?![{_RIGHT_TO_LEFT}])"
    f"|(?<![{_EMOJI}0-9#*])\ufe0f"
)
# Any of these, wherever it stands: most lines have none, and this costs a tenth of the pattern.
_MAY_BE_INVISIBLE = re.compile(f"[{_NEVER}\u200b-\u200f\u061c\ufe0f]")


def without_invisible(text: str) -> str:
    """`text` without hidden characters; a soft hyphen at the end stays, where a line was broken."""
    if (text.isascii() and text.isprintable()) or not _MAY_BE_INVISIBLE.search(text):
        return text
    soft = text.endswith("\u00ad")
    text = _INVISIBLE.sub("", text)
    return text + "\u00ad" if soft else text
