"""Working on a finished run: measuring its dial, evaluating it, exporting strengths."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.build.model import answers_prompts
from styledial.build.readings import MOST
from styledial.build.texts import Texts, prepare_texts, read_material
from styledial.config import Config
from styledial.data.manifest import FILE as MANIFEST
from styledial.data.manifest import hashes_of
from styledial.dial import as_json, highest_scale, read_points, scales_to
from styledial.errors import AdapterError
from styledial.evaluation.record import Evaluation
from styledial.evaluation.suite import FULL, Effort, Subject, evaluate
from styledial.language import say
from styledial.models.adapter import (
    base_of,
    load_adapter,
    load_on,
    save_model,
    scale_adapter,
    scaled,
)
from styledial.models.identity import Base, remembered_base
from styledial.models.load import quiet_libraries
from styledial.models.locate import split_revision
from styledial.models.policy import Policy
from styledial.progress import stage, tracked
from styledial.run.described import described_run
from styledial.run.probe import pack_probe, read_probe
from styledial.run.strengths import Chosen
from styledial.run_folder.claims import writing
from styledial.run_folder.described import describe_adapter, how_it_writes, summary_of
from styledial.run_folder.layout import BASE, DATA_MANIFEST, DIAL, EXPORT, SUMMARY
from styledial.run_folder.outcome import landed_scale
from styledial.training.measure import BaseStates, ReadOptions, measure

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def measure_dial(folder: Path, data_dir: str | None, *, base_now: str | None = None) -> list[str]:
    """Measure a finished adapter at every scale of the dial and write style_dial.json.

    On the rows that the run's own kl_final is of, so that scale 1 gives that figure again; the
    text is read as the run read it, so these have never been trained on. Costs one reading of
    held-out and general text per scale. Returns the novels that have changed since.
    """
    described_run(folder, data_dir)
    with writing(folder) as owned:  # from the start: another process isn't waited for at the end
        run = reopen(folder, data_dir, base_now)
        if not run.policy.is_adapter:
            raise AdapterError(
                f"{folder}: all weights were tuned; the strength can be changed for adapters "
                "only (use_peft: true).",
                f"{folder}：这是全量微调的模型；只有适配器可以调节强度（use_peft: true）。",
            )
        owned.write_json(DIAL, dial_table(run, highest_scale(landed_scale(summary_of(folder)))))
    return run.changed


def dial_table(run: Reopened, highest: float) -> dict[str, Any]:
    """What style_dial.json holds of an adapter that can be turned up to `highest`: its readings at
    every scale, and the base's."""
    base: dict[str, float] = {}
    scales = scales_to(highest)
    with stage(say("measuring the strength", "测量强度"), len(scales)) as at:

        def measure_at(scale: float) -> tuple[float, float, float]:
            at(scales.index(scale))
            return _measure_at(run, scale, base)

        points = read_points(scales, measure_at)
    return as_json(run.config.training.kl_beta, points, base)


def _measure_at(run: Reopened, scale: float, base: dict[str, float]) -> tuple[float, float, float]:
    """(KL, style NLL, general NLL) at a scale; the base's own NLLs go into `base`."""
    _, rows = run.texts.halves()
    with scaled(run.policy, scale), stage("", 2) as part:
        style = measure(run.policy, run.texts.heldout, only=rows, **run.reading)
        part(1)
        general = measure(run.policy, run.texts.general, **run.reading)
    base.update(style_nll=style.nll_base, general_nll=general.nll_base)
    return style.kl, style.nll, general.nll


def evaluate_run(
    folder: Path,
    *,
    data_dir: str | None = None,
    scale: float = 1.0,
    against: Path | None = None,
    effort: Effort = FULL,
    seed: int = 42,
    base_now: str | None = None,
    probe: Sequence[Path] = (),
    plain: bool = False,
) -> Evaluation:
    """Measure a finished run at `scale` times its adapter, on the text that it held out.

    `against`, another adapter of the same base, is measured on the same text and shown beside
    it; the two are in memory one after the other. `base_now` says where the base is now. `probe`
    are books that the run has not read, on which extraction is tried too. `plain`: passages go on
    from their prompts, whatever the base is. Raises AdapterError where the base doesn't fit,
    DataError where a probe can't be used.
    """
    if against is not None:
        _check_same_base(folder, against)
    others = read_probe(probe, folder, described_run(folder, data_dir)) if probe else []
    run = reopen(folder, data_dir, base_now)
    answers = not plain and answers_prompts(run.config, run.texts, run.policy, run.tokenizer)
    how: dict[str, Any] = {"effort": effort, "seed": seed}
    if probe:
        how["probe"] = pack_probe(others, run.tokenizer, run.config)
    with scaled(run.policy, scale) if run.policy.is_adapter else contextlib.nullcontext():
        found = evaluate(Subject(run.policy, run.tokenizer, run.texts, run.reading, answers), **how)
    found.settings.update(data_dir=run.config.data.data_dir, changed_novels=run.changed)
    found.settings["probe"] = [file.name for file in probe]
    if against is None:
        return found
    texts, reading = run.texts, run.reading
    del run  # its weights make room for the other's
    policy, tokenizer = load_adapter(against, base=base_now)
    other = Subject(policy, tokenizer, texts, reading, answers)
    return found.beside(evaluate(other, like=found, **how))


@dataclass(frozen=True)
class Reopened:
    """A finished run in memory: its settings, its model, and its text, split as it was."""

    config: Config
    policy: Policy
    tokenizer: PreTrainedTokenizerBase
    texts: Texts
    changed: list[str]  # novels that are no longer as the run read them
    states: BaseStates = field(default_factory=BaseStates)

    @property
    def reading(self) -> ReadOptions:
        """How its texts are read."""
        training = self.config.training
        return {
            "batch_size": training.micro_batch,
            "device": self.policy.head.weight.device,
            "direction": training.kl_direction,
            "states": self.states,
        }


def reopen(folder: Path, data_dir: str | None = None, base_now: str | None = None) -> Reopened:
    """Load a run and read its text as it did; `data_dir` and `base_now` say where the novels and
    the base are now."""
    quiet_libraries()
    return reopen_on(folder, base_of(folder, base_now), data_dir)


def reopen_on(folder: Path, base: Base, data_dir: str | None = None) -> Reopened:
    """As `reopen`, with the adapter on `base`, whichever it was trained on."""
    config = described_run(folder, data_dir)
    policy, tokenizer = load_on(folder, base)
    config = on_base(config, base.model)
    with tempfile.TemporaryDirectory(prefix="styledial-") as passing:
        material = read_material(config, Path(passing), lambda line: None)
        changed = changed_novels(folder, Path(passing) / MANIFEST)
    texts = prepare_texts(config, material, tokenizer)
    read = summary_of(folder)  # of an earlier version's run: as much as there is
    texts = texts.read_as(
        read.get("heldout_tokens_read", MOST.heldout), read.get("general_tokens_read", MOST.general)
    )
    return Reopened(config, policy, tokenizer, texts, changed)


def on_base(config: Config, name: str) -> Config:
    """The configuration with the base `name` and the revision that this names, none of a folder: a
    pinned one was of the base before."""
    revision = None if Path(name).exists() else split_revision(name)[1]
    return config.with_values(
        {"model.model_name_or_path": name, "model.revision": revision}, "base"
    )


def _check_same_base(folder: Path, other: Path) -> None:
    """By what the bases are where both runs remember it, else by their names."""
    bases = [remembered_base(each) for each in (folder, other)]
    names = [describe_adapter(each)["model"] for each in (folder, other)]
    known = [base.identity for base in bases if base and base.identity]
    same = known[0] == known[1] if len(known) == 2 else names[0] == names[1]
    if not same:
        raise AdapterError(
            f"--against {other}: its base is {names[1]}, that of {folder} is {names[0]}; only "
            "adapters of the same base can be compared.",
            f"--against {other}：其基座是 {names[1]}，而 {folder} 的是 {names[0]}；"
            "只能比较同一基座的适配器。",
        )


def changed_novels(folder: Path, now: Path) -> list[str]:
    """Files that were added, taken away or edited since the run read them, by the two manifests;
    none where the run left no manifest."""
    before, after = (hashes_of(path) for path in (folder / DATA_MANIFEST, now))
    return sorted({name for name, _ in before.items() ^ after.items()}) if before else []


def export_strengths(
    folder: Path, wanted: Mapping[str, Chosen], *, base_now: str | None = None
) -> list[Path]:
    """Write `folder`/export/NAME for each strength: plain PEFT adapters, scaled inside."""
    quiet_libraries()
    base = base_of(folder, base_now)
    policy, _ = load_adapter(folder, base=base_now)
    strength = 1.0
    written = []
    for name in tracked(list(wanted), say("exporting", "导出")):
        chosen = wanted[name]
        scale_adapter(policy, chosen.scale / strength)
        strength = chosen.scale
        described = {
            "model": base.model, "kl_beta": chosen.kl, "kl_final": chosen.kl,
            "dialled_from": folder.name, "adapter_scale": chosen.scale, **how_it_writes(folder),
        }  # fmt: skip
        under = f"{EXPORT}/{name}"
        with writing(folder) as run:
            save_model(policy, folder, under=under)
            run.write_json(f"{under}/{SUMMARY}", described)
            run.write_json(f"{under}/{BASE}", asdict(base))
        written.append(folder / under)
    return written
