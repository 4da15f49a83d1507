"""Opens an adapter saved by Attune with AdapterHub's library: python tools/golden/open_adapter_hub.py FOLDER BASE INPUT.json

BASE is the folder of the base model; INPUT.json is that of open_saved.py. In the environment of adapter_hub.py.
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
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from open_saved import answer, encode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "base", "input"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    labels = json.loads((options.folder / "head_config.json").read_text())["label2id"]
    model = AutoModelForSequenceClassification.from_pretrained(
        options.base, local_files_only=True, ignore_mismatched_sizes=True, num_labels=len(labels)
    )
    adapters.init(model)
    name = model.load_adapter(str(options.folder), with_head=True, set_active=True, use_safetensors=True)
    saved = load_file(options.folder / "adapter.safetensors") | load_file(options.folder / "model_head.safetensors")
    state = model.state_dict()
    left_out = [key for key, tensor in saved.items() if key not in state or not torch.equal(state[key], tensor)]
    model.train_adapter(name)
    model.float().eval()
    tokenizer = AutoTokenizer.from_pretrained(options.base, local_files_only=True)
    asked = json.loads(options.input.read_text())
    logits = [answer(model, encode(tokenizer, text)) for text in asked["texts"]]
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(json.dumps({"logits": logits, "trainable_parameters": count, "left_out": left_out}))
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
