"""Opens an adapter with PEFT and saves it again: python tools/golden/resave_adapter.py FOLDER OUT [--base BASE]

BASE is the folder of the base model; without it, base_model_name_or_path of FOLDER's configuration (from FOLDER, or from
here). Prints {"keys": {NAME: shape} of OUT, "lost", "added" (names), "changed" (values or shape), "config": {FIELD:
[before, after]} of the fields that differ}. Exit code 1 when a tensor is lost or changed.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file

from open_adapter import open_base, saved_shapes

TENSORS = "adapter_model.safetensors"


def read_config(folder: Path) -> dict:
    return json.loads((folder / "adapter_config.json").read_text())


def base_of(folder: Path) -> Path:
    named = read_config(folder)["base_model_name_or_path"]
    return next(path for path in (folder / named, Path(named)) if (path / "config.json").exists())


def normal(value):
    """PEFT holds some lists as sets and saves them in any order."""
    return sorted(value) if isinstance(value, list) and all(isinstance(entry, str) for entry in value) else value


def differences(folder: Path, out: Path) -> dict:
    before, after = load_file(folder / TENSORS), load_file(out / TENSORS)
    both = sorted(set(before) & set(after))
    old, new = read_config(folder), read_config(out)
    fields = {name: [normal(old.get(name)), normal(new.get(name))] for name in sorted(set(old) | set(new))}
    return {
        "keys": {name: list(tensor.shape) for name, tensor in sorted(after.items())},
        "lost": sorted(set(before) - set(after)),
        "added": sorted(set(after) - set(before)),
        "changed": [name for name in both if not torch.equal(before[name], after[name])],
        "config": {name: pair for name, pair in fields.items() if pair[0] != pair[1]},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    base = open_base(options.base or base_of(options.folder), saved_shapes(options.folder))
    PeftModel.from_pretrained(base, options.folder).save_pretrained(options.out, save_embedding_layers=False)
    result = differences(options.folder, options.out)
    print(json.dumps(result))
    return 1 if result["lost"] or result["changed"] else 0


if __name__ == "__main__":
    sys.exit(main())
