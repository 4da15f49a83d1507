"""Shared by the golden scripts: places, versions, and how tensors and JSON are written. Not run by itself."""

import json
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
PACKAGES = ("torch", "transformers", "peft")
COMMAND = "python tools/golden/make.py --minilm FOLDER --data FOLDER"


def made_by(script: str, seed: int | None, tolerance: dict, packages: tuple = PACKAGES) -> dict:
    """The head of every golden JSON: what made it, and how closely another implementation must agree."""
    versions = {"python": python_version()} | {name: version(name) for name in packages}
    return {
        "script": f"tools/golden/{script}",
        "command": COMMAND,
        "versions": versions,
        "seed": seed,
        "tolerance": tolerance,
    }


def dump(value, indent: int = 0) -> str:
    """JSON with a line for each entry of an object or a list of objects, and one for a list of numbers."""
    pad = " " * (indent + 1)
    if isinstance(value, dict) and indent < 3 and value:
        rows = [f"{pad}{json.dumps(key)}: {dump(entry, indent + 1)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        return "[\n" + ",\n".join(f"{pad}{dump(entry, 3)}" for entry in value) + "\n" + " " * indent + "]"
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def write_json(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(value) + "\n")


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Floats are stored as float32, integers as int32; names in order, so that a rerun gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {}
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        stored[name] = (tensor.float() if tensor.is_floating_point() else tensor.int()).clone().contiguous()
    save_file(stored, path)
    path.chmod(0o644)


def digits(values, count: int = 10):
    """Numbers (nested lists too) rounded to `count` significant digits: enough for every tolerance, half the bytes."""
    if isinstance(values, (list, tuple)):
        return [digits(value, count) for value in values]
    return float(f"{float(values):.{count}g}")


def pad(rows: list[dict]) -> dict[str, torch.Tensor]:
    """Rows {input_ids, token_type_ids, label} to one batch, padded on the right to the longest."""
    longest = max(len(row["input_ids"]) for row in rows)

    def matrix(lists):
        return torch.tensor([values + [0] * (longest - len(values)) for values in lists])

    return {
        "input_ids": matrix([row["input_ids"] for row in rows]),
        "attention_mask": matrix([[1] * len(row["input_ids"]) for row in rows]),
        "token_type_ids": matrix([row["token_type_ids"] for row in rows]),
        "labels": torch.tensor([row["label"] for row in rows]),
    }


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits, labels, reduction="sum")


def relative_difference(values: torch.Tensor, reference: torch.Tensor) -> float:
    """The largest difference, measured by the largest reference value."""
    a, b = values.detach().double(), reference.detach().double()
    return float((a - b).abs().max() / b.abs().max())
