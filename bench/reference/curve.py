"""The loss of each step of LoRA with Transformers and PEFT, on rows and in an order that are given; prints a JSON line.

python bench/reference/curve.py --model FILE.gguf|FOLDER --adapter FOLDER --make
    writes an adapter that starts at random (r 16, alpha 32, every linear layer)
python bench/reference/curve.py --model FILE.gguf|FOLDER --adapter FOLDER --steps steps.json
    trains from it: steps.json holds {"learning_rate", "steps": [[{"input_ids", "labels"}]]}
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup


def open_base(path: Path) -> torch.nn.Module:
    place, extra = (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (path, {})
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **extra)
    model.config.use_cache = False
    return model


def step_loss(model: torch.nn.Module, rows: list[dict]) -> float:
    """Gradients of the mean over all tokens of a step that are learned, row by row: no padding, and little memory."""
    count = sum(label != -100 for row in rows for label in row["labels"][1:])
    total = 0.0
    for row in rows:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"][1:])
        logits = model(input_ids=ids).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum") / count
        loss.backward()
        total += loss.item()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--steps", type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    base = open_base(options.model)
    if options.make:
        config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        get_peft_model(base, config).save_pretrained(options.adapter)
        return
    model = PeftModel.from_pretrained(base, options.adapter, is_trainable=True).train()
    plan = json.loads(options.steps.read_text())
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=plan["learning_rate"], weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, len(plan["steps"]))
    losses = []
    for rows in plan["steps"]:
        losses.append(step_loss(model, rows))
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    print(json.dumps({"losses": losses}))


if __name__ == "__main__":
    main()
