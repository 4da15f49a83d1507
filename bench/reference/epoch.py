"""One epoch of SST-2 with Hugging Face's Trainer, as one line of JSON: the run that Attune is measured against.

python bench/reference/epoch.py --model FOLDER [--data FOLDER] [--method full|lora] [--precision fp32|bf16]
    [--group-by-length] [--threads 2]
Batch 32, at most 128 tokens, linear schedule; learning rate 5e-5 (full) or 5e-4 (LoRA r = 8 on query and value).
setup_seconds run from the start of the process to the first step: imports, load, tokenisation.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import psutil
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

LEARNING_RATES = {"full": 5e-5, "lora": 5e-4}


class FirstStep(TrainerCallback):
    """Notes when the first step begins."""

    began = 0.0

    def on_step_begin(self, *_, **__) -> None:
        self.began = self.began or time.time()


def read_rows(path: Path, tokenizer, max_length: int) -> list[dict]:
    rows = [json.loads(line) for line in path.open()]
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=max_length)
    return [
        {name: values[i] for name, values in encoded.items()} | {"labels": row["label"]} for i, row in enumerate(rows)
    ]


def open_model(folder: Path, method: str) -> torch.nn.Module:
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    if method == "full":
        return model
    return get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS"))


def training_arguments(options: argparse.Namespace, folder: str) -> TrainingArguments:
    grouping = {"train_sampling_strategy": "group_by_length"} if options.group_by_length else {}
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=1,
        max_steps=options.max_steps,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=64,
        learning_rate=LEARNING_RATES[options.method],
        lr_scheduler_type="linear",
        bf16=options.precision == "bf16",
        use_cpu=True,
        seed=options.seed,
        save_strategy="no",
        report_to="none",
        logging_steps=50,
        disable_tqdm=True,
        **grouping,
    )


def accuracy(prediction) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--method", choices=["full", "lora"], default="full")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--group-by-length", action="store_true")
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early, to try the script")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.set_seed(options.seed)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    sst2 = options.data / "sst2"
    train, validation = (read_rows(sst2 / f"{name}.jsonl", tokenizer, 128) for name in ("train", "validation"))
    first = FirstStep()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=open_model(options.model, options.method),
            args=training_arguments(options, folder),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=accuracy,
            callbacks=[first],
        )
        trainer.remove_callback(transformers.PrinterCallback)  # it would print dictionaries between ours
        trainer.train()
        train_seconds = time.time() - first.began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        evaluated = trainer.evaluate()
    examples = min(trainer.state.global_step * 32, len(train))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    result = {name: value for name, value in vars(options).items() if name not in ("model", "data")} | {
        "steps": trainer.state.global_step,
        "examples_per_second": round(examples / train_seconds, 2),
        "train_seconds": round(train_seconds, 2),
        "setup_seconds": round(first.began - psutil.Process().create_time(), 2),
        "eval_seconds": round(evaluated["eval_runtime"], 2),
        "accuracy": round(evaluated["eval_accuracy"], 4),
        "last_logged_loss": losses[-1] if losses else None,
        "peak_rss_bytes": peak,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
