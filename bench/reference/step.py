"""Time of one PyTorch training step of a MiniLM classifier, as JSON lines.

python bench/reference/step.py --model FOLDER [--method full|lora] [--precision fp32|bf16]
    [--batch 32] [--tokens 128] [--steps 10] [--threads 2]
A line per step {"step", "ms"}, then one with the settings, the least, the median and the peak memory.
A step is forward, backward, clipping and the fused AdamW; ids are random, no row is padded.
"""

import argparse
import json
import resource
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification


def open_model(folder: Path, method: str, dropout: float | None) -> torch.nn.Module:
    changes = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32, **changes)
    if method == "lora":
        config = LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS")
        model = get_peft_model(model, config)
    return model.train()


def random_batch(rows: int, tokens: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "input_ids": torch.randint(1000, 30000, (rows, tokens), generator=generator),
        "attention_mask": torch.ones(rows, tokens, dtype=torch.long),
        "labels": torch.randint(0, 2, (rows,), generator=generator),
    }


def time_step(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: dict, precision: str, clip: float
) -> float:
    cast = torch.autocast("cpu", dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
    started = time.perf_counter()
    with cast:
        loss = model(**batch).loss
    loss.backward()
    if clip > 0:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--method", choices=["full", "lora"], default="full")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2, help="steps before those that are printed")
    parser.add_argument("--clip", type=float, default=1.0, help="largest gradient norm; 0: no clipping")
    parser.add_argument("--dropout", type=float, help="in place of the model's own")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    model = open_model(options.model, options.method, options.dropout)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-5, weight_decay=0.01, fused=True)
    batch = random_batch(options.batch, options.tokens)
    times = []
    for step in range(-options.warmup, options.steps):
        ms = time_step(model, optimizer, batch, options.precision, options.clip)
        if step >= 0:
            times.append(ms)
            print(json.dumps({"step": step, "ms": round(ms, 2)}), flush=True)
    summary = {name: value for name, value in vars(options).items() if name != "model"} | {
        "trainable_parameters": sum(p.numel() for p in trained),
        "min_ms": round(min(times), 2),
        "median_ms": round(statistics.median(times), 2),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "torch": torch.__version__,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
