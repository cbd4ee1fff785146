"""What `import cdim` gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdim.errors import ModelError, UsageError, training_extra
from cdim.judge.options import PLAIN, EvalOptions

if TYPE_CHECKING:
    from cdim.bundles.bundle import Bundle
    from cdim.learn.networks.embedder import Embedder


def load(place: str | Path | Bundle, device: str = "auto", how: EvalOptions = PLAIN) -> Any:
    """The model in a folder, a bundle or a run.

    Raises:
        ModelError: neither is there.
        UsageError: an option that only runs have, for a bundle.
    """
    from cdim.bundles.bundle import RECORD, Bundle, is_bundle, shipped
    from cdim.bundles.encoder import Encoder

    if isinstance(place, Bundle):
        return Encoder(place)
    place = Path(place)
    run = (place / "best.safetensors").is_file()
    if run and not (place / RECORD).is_file():
        return load_run(place, device, how)
    if not is_bundle(place):
        raise ModelError(
            f"{place} is neither a run nor a bundle",
            "a run is the folder of a training, a bundle that of an export, or "
            f"one of {', '.join(shipped())}",
            "check the path",
        )
    if how.join or device not in ("auto", "cpu"):
        asked = f"the joined map {how.join[0]}" if how.join else f"the device {device}"
        raise UsageError(
            f"{asked} for the bundle {place}",
            "a bundle is a finished graph on the CPU",
            "judge the run, or leave this out",
            argument="join" if how.join else "device",
        )
    return Encoder(place)


def load_run(run: Path, device: str = "auto", how: EvalOptions = PLAIN) -> Embedder:
    """A run's best network, with the middle maps joined that `how` names.

    Raises:
        RecipeError: a map its backbone does not have.
    """
    with training_extra():
        from cdim.learn.networks import embedder as embedders
    embedder = embedders.load_run(run, device=device)
    if how.join:
        embedder.join(how.join, how.join_pool, "l2" if how.join_l2 else "none")
    return embedder
