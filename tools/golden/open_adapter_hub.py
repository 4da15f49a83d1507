"""Opens an adapter saved by Attune with AdapterHub's library: python tools/golden/open_adapter_hub.py FOLDER BASE INPUT.json

BASE is the folder of the base model; INPUT.json is that of open_saved.py. In the environment of adapter_hub.py.
A folder without a head is a language model's: of "rows" it scores every token.
Prints {"logits", "trainable_parameters", "left_out"}; left_out are tensors of FOLDER that the model did not take.
"""

import argparse
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import adapters
import torch
import transformers
from adapters.loading import AdapterLoader
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from open_saved import answer, encode


def has_head(folder: Path) -> bool:
    return (folder / "head_config.json").exists()


def open_base(folder: Path, base: Path) -> torch.nn.Module:
    if not has_head(folder):
        return AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    labels = json.loads((folder / "head_config.json").read_text())["label2id"]
    return AutoModelForSequenceClassification.from_pretrained(
        base, local_files_only=True, ignore_mismatched_sizes=True, num_labels=len(labels)
    )


def now(key: str) -> str:
    for old, new in AdapterLoader.legacy_weights_mapping.items():
        key = key.replace(old, new)
    return key


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "base", "input"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    model = open_base(options.folder, options.base)
    adapters.init(model)
    name = model.load_adapter(str(options.folder), with_head=has_head(options.folder), set_active=True, use_safetensors=True)
    saved = {now(key): tensor for file in options.folder.glob("*.safetensors") for key, tensor in load_file(file).items()}
    state = model.state_dict()
    left_out = [key for key, tensor in saved.items() if key not in state or not torch.equal(state[key], tensor)]
    model.train_adapter(name)
    model.float().eval()
    asked = json.loads(options.input.read_text())
    logits = [answer(model, row) for row in asked.get("rows", [])]
    if asked.get("texts"):
        tokenizer = AutoTokenizer.from_pretrained(options.base, local_files_only=True)
        logits += [answer(model, encode(tokenizer, text)) for text in asked["texts"]]
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(json.dumps({"logits": logits, "trainable_parameters": count, "left_out": left_out}))
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
