"""Taking a finished adapter over to another model of its base's shape, such as the instruct model.

    moved = take_over(run, "Qwen/Qwen2.5-7B-Instruct", target)

writes the folder `target`: the adapter as it is, its new base, and its strength measured there, so
that every command works on it as on a run. The run itself is only read.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from styledial.build.model import answers_prompts
from styledial.config.show import as_file
from styledial.dial import DialPoint, highest_scale
from styledial.errors import AdapterError, ModelError
from styledial.files import beside as next_to
from styledial.files import folder_written_aside, write_json, write_text
from styledial.language import say
from styledial.models.adapter import check_code_is_here, write_adapter
from styledial.models.attach import shapes_of
from styledial.models.identity import Base, describe_base, differing_parts, remembered_base
from styledial.models.load import quiet_libraries
from styledial.models.locate import absolute, at_commit, find_base, split_revision
from styledial.models.sibling import difference_in_shape, first_difference
from styledial.progress import stage
from styledial.run.described import described_run
from styledial.run.finished import Reopened, dial_table, reopen_on
from styledial.run_folder.claims import writing
from styledial.run_folder.described import check_adapter, check_target, summary_of
from styledial.run_folder.layout import ADAPTER_WEIGHTS, BASE, DIAL, SETTINGS, SUMMARY
from styledial.run_folder.manifest import described
from styledial.run_folder.outcome import landed_scale

_KEPT = ("kl_mode", "kl_direction", "heldout_tokens_read", "general_tokens_read")


def is_other_base(folder: Path, named: str, target: Path, data_dir: str | None = None) -> bool:
    """Whether `named` is another model than the base that the run in `folder` remembers.

    Downloads it where it isn't here; before that, what would keep another model's adapter from
    `target` is refused. Raises AdapterError, ModelError and UserError.
    """
    base = remembered_base(folder)
    if base is None:
        return False  # nothing is known of its base: any is taken for it
    name = absolute(named)
    if not Path(find_base(name)).exists():
        check_code_is_here(folder, base, name)
        if base.identity and name not in (base.model, at_commit(base.model, base.revision)):
            _check_before_download(folder, base, name, target, data_dir)
    return bool(differing_parts(base, name))


def _check_before_download(
    folder: Path, own: Base, named: str, target: Path, data_dir: str | None
) -> None:
    described_run(folder, data_dir)
    check_adapter(folder)
    there = remembered_base(target)
    if not (there and there.model == named and _origin(target) == _digest(folder)):
        check_target(target)
    with contextlib.suppress(ModelError):  # no config.json on its own: the download says more
        _check_shape(folder, named, difference_in_shape(folder, own, named))


def beside(folder: Path, named: str) -> Path:
    """The folder of the adapter on the model `named`: RUN-on-MODEL, beside the run."""
    model = Path(split_revision(named)[0]).name
    ending = re.sub(r"[^\w.+-]+", "-", model).strip("-.") or "other"
    return next_to(folder, f"on-{ending}")


def take_over(folder: Path, named: str, target: Path, data_dir: str | None = None) -> list[str]:
    """Write `target` with the adapter of the run in `folder` on the model `named`, measured there
    on the run's held-out text. Returns the novels that have changed since the run read them.

    Costs loading the model, and reading held-out and general text once per scale. Raises
    AdapterError with the first difference where the shapes differ, UserError where `target` holds
    something.
    """
    described_run(folder, data_dir)
    check_adapter(folder)
    check_target(target)
    quiet_libraries()
    own = remembered_base(folder)
    assert own is not None  # is_other_base
    with stage(say("comparing the models", "比较模型结构")):
        _check_shape(folder, named, first_difference(folder, own, named))
    base = describe_base(named, own.loading)
    with folder_written_aside(target) as aside:
        run = reopen_on(folder, base, data_dir)
        _write(run, folder, base, own, aside, target)
    with writing(target) as owned:
        owned.record(path.name for path in sorted(target.iterdir()) if path.is_file())
    return run.changed


def was_taken_over(folder: Path, named: str, target: Path) -> bool:
    """Whether `target` holds the adapter of `folder`, as it is now, on the model `named`."""
    base = remembered_base(target)
    if base is None or _origin(target) != _digest(folder):
        return False
    return not differing_parts(base, absolute(named))


def _origin(target: Path) -> str | None:
    """The digest of the adapter that was taken over into `target`; None where none was."""
    origin = summary_of(target).get("taken_from")
    return origin.get("adapter") if isinstance(origin, dict) else None


def _write(run: Reopened, folder: Path, base: Base, own: Base, aside: Path, target: Path) -> None:
    """All files of the new folder, into `aside`."""
    settings = run.policy.model.peft_config["default"]
    settings.base_model_name_or_path = run.policy.causal_lm.name_or_path
    write_adapter(run.policy, aside)
    summary = summary_of(folder)
    table = dial_table(run, highest_scale(landed_scale(summary)))
    there = {"training.output_dir": str(target.absolute())}
    write_text(aside / SETTINGS, as_file(run.config.with_values(there, "dial --base")))
    write_json(aside / DIAL, table)
    write_json(aside / BASE, asdict(base))
    origin = {
        "run": folder.resolve().name, "model": own.model, "adapter": _digest(folder),
        "kl_final": summary.get("kl_final"), "adapter_scale": landed_scale(summary),
    }  # fmt: skip
    answers = answers_prompts(run.config, run.texts, run.policy, run.tokenizer)
    kept = {key: summary[key] for key in _KEPT if key in summary}
    figures = _figures(table)
    write_json(
        aside / SUMMARY,
        {"model": base.model, **figures, **kept, "answers": answers, "taken_from": origin},
    )


def _figures(table: dict[str, Any]) -> dict[str, float]:
    """What a run's summary says of the adapter as it is, of the dial's own readings."""
    whole = next(DialPoint(**p) for p in table["points"] if p["scale"] == 1.0)
    return {
        "kl_beta": whole.kl, "kl_final": whole.kl,
        "style_nll_base": table["base"]["style_nll"], "style_nll": whole.style_nll,
        "general_nll_base": table["base"]["general_nll"], "general_nll": whole.general_nll,
    }  # fmt: skip


def _digest(folder: Path) -> str:
    shapes_of(folder)  # which says where it isn't there
    return str(described(folder / ADAPTER_WEIGHTS)["sha256"])


def _check_shape(folder: Path, named: str, difference: tuple[str, str] | None) -> None:
    if difference is None:
        return
    raise AdapterError(
        f"--base {named}: is not the base that {folder} was trained on, and has another shape: "
        f"{difference[0]}. Name that base, or a model of its size and family with its vocabulary, "
        "such as its instruct model.",
        f"--base {named}：不是 {folder} 训练时所用的基座，结构也不同：{difference[1]}。"
        "请写原来的基座，或同系列、同大小、同词表的模型，例如其 Instruct 版。",
    )
