"""Warnings about updates that were skipped and losses that jumped, with the text they came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from styledial.data.pack import PackedRows
from styledial.errors import StyleDialError
from styledial.training.nonfinite import UpdateCounts
from styledial.training.row_order import RowOrder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Note = Callable[[str, str], None]
_SHOWN, _EXCERPT = 4, 16  # rows named in a sentence, and the tokens of each that are shown


class UpdateWarnings:
    """Compares the counts with those before and warns of what is new.

    `most` skipped updates in a row end the run with StyleDialError. `skipped` and `spikes`: those
    that were reported before, by the run that this one resumes.
    """

    def __init__(
        self,
        rows: PackedRows,
        tokenizer: PreTrainedTokenizerBase,
        *,
        most: int,
        note: Note,
        skipped: int = 0,
        spikes: int = 0,
    ) -> None:
        self.rows, self.tokenizer, self.most, self.note = rows, tokenizer, most, note
        self._skipped, self._spikes = skipped, spikes

    def report(self, counts: UpdateCounts, order: RowOrder) -> None:
        """Warn of what happened since the last call; `order` is the one in force."""
        if counts.spikes > self._spikes:
            self._spikes = counts.spikes
            self._warn_of_spike(counts, order)
        if counts.skipped != self._skipped:
            new, self._skipped = counts.skipped - self._skipped, counts.skipped
            self._warn_of_skipped(counts, new, order)

    def _warn_of_spike(self, counts: UpdateCounts, order: RowOrder) -> None:
        step, nll, mean = counts.last_spike_step, counts.last_spike_nll, counts.mean_nll
        en, zh = self._named(order, step, ())
        self.note(
            f"update {step}: the loss jumped to {nll:.3f} (mean so far {mean:.3f}); {en}.",
            f"第 {step} 步：损失突增到 {nll:.3f}（此前均值 {mean:.3f}）；{zh}。",
        )

    def _warn_of_skipped(self, counts: UpdateCounts, new: int, order: RowOrder) -> None:
        step, in_a_row = counts.last_skipped_step, counts.skipped_in_a_row
        en, zh = self._named(order, step, counts.nonfinite_parts)
        if in_a_row >= self.most:
            raise StyleDialError(
                f"update {step}: non-finite loss or gradient (NaN or infinity) {in_a_row} times in "
                f"a row; {en}. The weights are unaffected. Lower training.learning_rate and resume "
                "from the last checkpoint with --resume, or check that text.",
                f"第 {step} 步：损失或梯度连续 {in_a_row} 次为 NaN 或无穷大；{zh}。权重未受影响。"
                "请调小 training.learning_rate，用 --resume 从上一个检查点继续，或检查这段文本。",
            )
        self.note(
            f"update {step}: non-finite loss or gradient (NaN or infinity), skipped ({new} since "
            f"the last report, {counts.skipped} in all); {en}.",
            f"第 {step} 步：损失或梯度为 NaN 或无穷大，已跳过（上次记录以来 {new} 次，"
            f"共 {counts.skipped} 次）；{zh}。",
        )

    def _named(self, order: RowOrder, step: int, parts: tuple[int, ...]) -> tuple[str, str]:
        """The rows of the micro-batches `parts` of an update, or of all of it; step is 1-based.

        Parts beyond the style text's are anchor text, which is not from the user's books.
        """
        shares = [order.micro_batches(step - 1, rank) for rank in range(order.processes)]
        style = [part for part in parts if part < len(shares[0]) * order.processes]
        if parts and not style:
            return "anchor text (data.anchor)", "锚定文本（data.anchor）"
        chosen = order.update(step - 1)
        if style:
            places = [divmod(part, order.processes) for part in style]
            chosen = [row for micro, rank in places for row in shares[rank][micro]]
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
