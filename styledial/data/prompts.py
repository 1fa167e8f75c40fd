"""The fixed prompts that show a run's effect, in the language of its novels."""

_CHINESE = (
    "他推开门，看见",
    "天色渐渐暗了，路上的行人",
    "“你要到哪里去？”老人问道。",
)
_OTHER = (
    "He opened the door and saw",
    "The light was fading, and the people on the road",
    '"Where are you going?" the old man asked.',
)


def sample_prompts(text: str) -> tuple[str, ...]:
    """Chinese prompts where more than a fifth of `text` is Chinese, else English ones."""
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
    return _CHINESE if chinese > 0.2 * max(len(text), 1) else _OTHER
