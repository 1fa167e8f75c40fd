"""What the guards noticed, in words: skipped updates, spikes of the loss, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from styledial.data.pack import PackedRows
from styledial.errors import StyleDialError
from styledial.training.nonfinite import Reading
from styledial.training.row_order import RowOrder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Note = Callable[[str, str], None]
_SHOWN, _EXCERPT = 4, 16  # rows named in a sentence, and the tokens of each that are shown


class Incidents:
    """Compares a reading of the counters with the one before and tells what is new.

    `most` skipped updates in a row end the run with StyleDialError.
    """

    def __init__(
        self, rows: PackedRows, tokenizer: PreTrainedTokenizerBase, most: int, note: Note,
        already: int = 0, spikes: int = 0,
    ) -> None:  # fmt: skip
        self.rows, self.tokenizer, self.most, self.note = rows, tokenizer, most, note
        self._skipped, self._spikes = already, spikes

    def heard(self, reading: Reading, order: RowOrder) -> None:
        """Tell what happened since the last reading; `order` is the one in force."""
        if reading.spikes > self._spikes:
            self._spikes = reading.spikes
            self.note(
                f"update {reading.spike_step}: the loss jumped to {reading.spike_nll:.3f} (usual "
                f"{reading.usual_nll:.3f}); {self._named(order, reading.spike_step, ())[0]}.",
                f"第 {reading.spike_step} 步：损失突增到 {reading.spike_nll:.3f}（平常 "
                f"{reading.usual_nll:.3f}）；{self._named(order, reading.spike_step, ())[1]}。",
            )
        if reading.skipped == self._skipped:
            return
        new, self._skipped = reading.skipped - self._skipped, reading.skipped
        named = self._named(order, reading.bad_step, reading.bad_parts)
        if reading.in_a_row >= self.most:
            raise StyleDialError(
                f"update {reading.bad_step}: loss or gradient was no number {reading.in_a_row} "
                f"times in a row; {named[0]}. Nothing of this went into the weights. Lower "
                "training.learning_rate and go on from the last checkpoint with --resume, or look "
                "at that text.",
                f"第 {reading.bad_step} 步：损失或梯度连续 {reading.in_a_row} 次不是数字；"
                f"{named[1]}。权重未受影响。请调小 training.learning_rate，用 --resume "
                "从上一个检查点继续，或检查这段文本。",
            )
        self.note(
            f"update {reading.bad_step}: loss or gradient is no number; skipped ({new} since the "
            f"last line, {reading.skipped} in all); {named[0]}.",
            f"第 {reading.bad_step} 步：损失或梯度不是数字，已跳过（上次记录以来 {new} 次，"
            f"共 {reading.skipped} 次）；{named[1]}。",
        )

    def _named(self, order: RowOrder, step: int, parts: tuple[int, ...]) -> tuple[str, str]:
        """The rows of the micro-batches `parts` of an update, or of all of it; step is 1-based.

        Parts beyond the style text's are anchor text, which is nobody's book.
        """
        style = [part for part in parts if part < order.accumulation * order.processes]
        if parts and not style:
            return "anchor text (data.anchor)", "锚定文本（data.anchor）"
        chosen = order.update(step - 1)
        if style:
            chosen = [
                row
                for part in style
                for row in order.micro_batch(step - 1, *divmod(part, order.processes))
            ]
        words = [f"{row} 「{self._excerpt(row)}」" for row in chosen[:_SHOWN]]
        more = len(chosen) - len(words)
        listed = ", ".join(words)
        return (
            f"rows {listed}" + (f" and {more} more" if more else ""),
            f"行 {listed}" + (f" 等 {len(chosen)} 行" if more else ""),
        )

    def _excerpt(self, row: int) -> str:
        """How a row begins: enough to find the place in the book."""
        ids = [t if t >= 0 else ~t for t in self.rows.tokens[row][:_EXCERPT].tolist()]
        return " ".join(self.tokenizer.decode(ids, skip_special_tokens=True).split())
