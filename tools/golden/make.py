"""Writes every golden file: python tools/golden/make.py --minilm FOLDER --data FOLDER [--only NAME …]"""

import argparse
import importlib
import sys
import time
from pathlib import Path

import torch
import transformers

TINY = [
    "bert_tiny", "lora", "lora_curves", "freeze", "gradual", "parameter_groups", "methods", "adalora", "loftq", "decoders",
    "decoder_classifiers", "decoder_methods", "lora_sums",
]
CASES = [*TINY, "chat", "sft", "minilm", "minilm_lora", "wordpiece", "schedules", "adamw", "metrics", "weighted_loss", "sampling"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minilm", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds spam_assassin/train.jsonl")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in options.only:
        started = time.perf_counter()
        importlib.import_module(name).make(options.minilm, options.data)
        print(f"{name}: {time.perf_counter() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
