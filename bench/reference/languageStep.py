"""Time of one PyTorch training step of a language model with LoRA on every linear layer, as JSON lines.

python bench/reference/languageStep.py --model FILE.gguf|FOLDER [--precision fp32|bf16|autocast] [--rank 16]
    [--batch 4] [--tokens 512] [--steps 5] [--threads 2] [--checkpointing]
bf16 holds the frozen weights in bfloat16, autocast keeps them in float32 and computes in bfloat16. Every row is packed from
texts of 100 to 200 tokens with positions that begin anew, as TRL packs them. A .gguf file needs the package gguf.
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
from transformers import AutoModelForCausalLM


def open_model(path: Path, precision: str, rank: int, checkpointing: bool) -> torch.nn.Module:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    if path.suffix == ".gguf":
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    model = get_peft_model(
        model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    model.config.use_cache = False
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model.train()


def packed_batch(rows: int, tokens: int, vocabulary: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, vocabulary, (rows, tokens), generator=generator)
    lengths = [100 + 50 * (i % 3) for i in range(tokens)]
    positions = torch.cat([torch.arange(length) for length in lengths])[:tokens].expand(rows, tokens)
    return {"input_ids": ids, "position_ids": positions, "labels": ids}


def time_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: dict, precision: str) -> tuple:
    cast = nullcontext() if precision == "fp32" else torch.autocast("cpu", dtype=torch.bfloat16)
    started = time.perf_counter()
    with cast:
        loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return (time.perf_counter() - started) * 1000, loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--precision", choices=["fp32", "bf16", "autocast"], default="bf16")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=1, help="steps before those that are printed")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    model = open_model(options.model, options.precision, options.rank, options.checkpointing)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-4, weight_decay=0.0, fused=True)
    batch = packed_batch(options.batch, options.tokens, model.config.vocab_size)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    times = []
    for step in range(-options.warmup, options.steps):
        ms, loss = time_step(model, optimizer, batch, options.precision)
        if step >= 0:
            times.append(ms)
            print(json.dumps({"step": step, "ms": round(ms, 2), "loss": round(loss, 5)}), flush=True)
    summary = {name: value for name, value in vars(options).items() if name != "model"} | {
        "trainable_parameters": sum(p.numel() for p in trained),
        "min_ms": round(min(times), 2),
        "median_ms": round(statistics.median(times), 2),
        "loaded_rss_bytes": loaded,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "torch": torch.__version__,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
