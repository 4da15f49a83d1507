"""Opens an adapter saved by Attune with PEFT: python tools/golden/open_adapter.py FOLDER BASE INPUT.json

BASE is the folder of the base model; INPUT.json is that of open_saved.py. The tokenizer is FOLDER's, else BASE's.
Prints {"logits", "merged_logits", "input_ids", "trainable_parameters", "loading", "warnings"}; no logits where loading fails,
no merged_logits of prompts and prefixes.
Exit code 1 when a tensor is missing, unexpected or of another shape.
"""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from open_saved import answer, encode

PREFIX = "base_model.model."
HEADS = [f"{root}{name}.weight" for root in (PREFIX, "base_model.") for name in ("classifier", "score")]
REPEATED = (".modules_to_save.", ".original_module.")  # PEFT saves them with bias "all" and reads them never


def saved_shapes(folder: Path) -> dict[str, list[int]]:
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}


def open_base(base: Path, shapes: dict[str, list[int]]) -> torch.nn.Module:
    """With as many labels as the adapter's head has rows, for an encoder has no head of its own."""
    labels = {"num_labels": shapes[name][0] for name in HEADS if name in shapes}
    model = AutoModelForSequenceClassification.from_pretrained(
        base, local_files_only=True, ignore_mismatched_sizes=True, **labels
    )
    return model.float().eval()


def compare(folder: Path, base: Path) -> dict[str, list[str]]:
    """What is in the file against what PEFT would save for this configuration."""
    shapes = saved_shapes(folder)
    config = PeftConfig.from_pretrained(folder)
    config.inference_mode, config.base_model_name_or_path = False, str(base)
    model = get_peft_model(open_base(base, shapes), config)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    wanted = {name: list(tensor.shape) for name, tensor in state.items()}
    found = {name for name in set(shapes) ^ set(wanted) if not any(part in name for part in REPEATED)}
    return {
        "missing_keys": sorted(found - set(shapes)),
        "unexpected_keys": sorted(found - set(wanted)),
        "mismatched_keys": [
            f"{name}: {shapes[name]}, PEFT: {wanted[name]}"
            for name in sorted(set(shapes) & set(wanted))
            if shapes[name] != wanted[name]
        ],
    }


def answers(folder: Path, base: Path, asked: dict) -> dict:
    is_prompt = PeftConfig.from_pretrained(folder).is_prompt_learning  # neither trained on nor merged by PEFT
    opened = open_base(base, saved_shapes(folder))
    model = PeftModel.from_pretrained(opened, folder, is_trainable=not is_prompt).eval()
    rows = list(asked.get("rows", []))
    if asked.get("texts"):
        source = folder if (folder / "tokenizer_config.json").exists() else base
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
        rows = [encode(tokenizer, text) for text in asked["texts"]] + rows
    trainable, _ = model.get_nb_trainable_parameters()
    logits = [answer(model, row) for row in rows]
    merged = {} if is_prompt else {"merged_logits": [answer(model.merge_and_unload(), row) for row in rows]}
    return {
        "logits": logits,
        **merged,
        "input_ids": [row["input_ids"] for row in rows],
        "trainable_parameters": trainable,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("input", type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        loading = compare(options.folder, options.base)
        asked = json.loads(options.input.read_text())
        result = {} if any(loading.values()) else answers(options.folder, options.base, asked)
    spoken = sorted({str(one.message) for one in said if "peft" in one.filename})
    print(json.dumps(result | {"loading": loading, "warnings": spoken}))
    return 1 if any(loading.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
