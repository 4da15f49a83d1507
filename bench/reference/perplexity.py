"""Perplexity of a language model on the first tokens of texts, as bench/perplexity.ts measures it; prints a JSON line.

python bench/reference/perplexity.py --model FILE.gguf|FOLDER --data FILE.jsonl [--tokens 6144] [--block 512]
"""

import argparse
import json
import math
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=6144)
    parser.add_argument("--block", type=int, default=512)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    is_file = options.model.suffix == ".gguf"
    place, extra = (options.model.parent, {"gguf_file": options.model.name}) if is_file else (options.model, {})
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **extra).eval()
    tokenizer = AutoTokenizer.from_pretrained(place, **extra)
    ids: list[int] = []
    for line in options.data.read_text(encoding="utf8").splitlines():
        if len(ids) >= options.tokens:
            break
        ids += tokenizer(json.loads(line)["text"])["input_ids"]
    total, count = 0.0, 0
    for start in range(0, options.tokens, options.block):
        block = torch.tensor([ids[start : min(start + options.block, options.tokens)]])
        with torch.no_grad():
            total += model(input_ids=block, labels=block).loss.item() * (block.shape[1] - 1)
        count += block.shape[1] - 1
    loss = total / count
    print(json.dumps({"tokens": options.tokens, "block": options.block, "loss": loss, "perplexity": math.exp(loss)}))


if __name__ == "__main__":
    main()
