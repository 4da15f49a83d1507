"""Greedy continuations with Transformers in float32, and how near the second best score was; prints a JSON list.

python bench/reference/greedy.py --model FILE.gguf --prompts PROMPTS.json [--tokens 64]
PROMPTS.json is a list of lists of token ids. No token ends a text.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM


@torch.no_grad()
def written(model: torch.nn.Module, prompt: list[int], count: int) -> dict[str, list]:
    tokens, gaps = [], []
    read, cache = torch.tensor([prompt]), None
    for _ in range(count):
        result = model(input_ids=read, past_key_values=cache, use_cache=True)
        cache = result.past_key_values
        best = result.logits[0, -1].topk(2)
        tokens.append(best.indices[0].item())
        gaps.append((best.values[0] - best.values[1]).item())
        read = best.indices[:1].reshape(1, 1)
    return {"tokens": tokens, "gaps": gaps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    model = AutoModelForCausalLM.from_pretrained(
        options.model.parent, gguf_file=options.model.name, dtype=torch.float32
    ).eval()
    prompts = json.loads(options.prompts.read_text())
    print(json.dumps([written(model, prompt, options.tokens) for prompt in prompts]))


if __name__ == "__main__":
    main()
