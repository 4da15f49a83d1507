"""One run of a text classifier with Hugging Face's Trainer, as one line of JSON: what Attune is measured against.

python bench/reference/epoch.py --model FOLDER --train FILE --validation FILE [--method full|lora|head]
    [--precision fp32|bf16] [--group-by-length] [--threads 2]
Batch 32, at most 128 tokens, fused AdamW, linear schedule. The rates are those of the steps alone: reading, tokenising,
making batches and evaluating are not in them. When the first step is done a line {"first_step": …} says so.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

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


class StepTimes(TrainerCallback):
    """Seconds of every step: forward, backward, clipping, update."""

    def __init__(self) -> None:
        self.began = 0.0
        self.seconds: list[float] = []

    def on_step_begin(self, *_, **__) -> None:
        self.began = time.perf_counter()

    def on_step_end(self, *_, **__) -> None:
        self.seconds.append(time.perf_counter() - self.began)
        if len(self.seconds) == 1:
            print(json.dumps({"first_step": self.seconds[0]}), flush=True)


def read_rows(path: Path, tokenizer) -> list[dict]:
    rows = [json.loads(line) for line in path.open()]
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=128)
    return [
        {name: values[i] for name, values in encoded.items()} | {"labels": row["label"]} for i, row in enumerate(rows)
    ]


def open_model(folder: Path, method: str, dropout: float | None) -> torch.nn.Module:
    changes = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32, **changes)
    if method == "lora":
        config = LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS")
        return get_peft_model(model, config)
    if method == "head":
        model.base_model.requires_grad_(False)
    return model


def training_arguments(options: argparse.Namespace, folder: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        max_steps=options.max_steps,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=64,
        learning_rate=options.learning_rate,
        lr_scheduler_type="linear",
        weight_decay=0.01,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        bf16=options.precision == "bf16",
        use_cpu=True,
        seed=options.seed,
        save_strategy="no",
        report_to="none",
        logging_steps=50,
        disable_tqdm=True,
        train_sampling_strategy="group_by_length" if options.group_by_length else "random",
    )


def accuracy(prediction) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--method", choices=["full", "lora", "head"], default="full")
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--group-by-length", action="store_true")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--dropout", type=float, help="in place of the model's own")
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early, without evaluation")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def main() -> None:
    options = read_options()
    torch.set_num_threads(options.threads)
    transformers.set_seed(options.seed)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    train, validation = (read_rows(path, tokenizer) for path in (options.train, options.validation))
    times = StepTimes()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=open_model(options.model, options.method, options.dropout),
            args=training_arguments(options, folder),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=accuracy,
            callbacks=[times],
        )
        trainer.remove_callback(transformers.PrinterCallback)  # it would print dictionaries between ours
        trainer.train()
        evaluated = {} if options.max_steps > 0 else trainer.evaluate()
    steps_per_epoch = -(-len(train) // options.batch)
    later = times.seconds[steps_per_epoch:]
    print(
        json.dumps(
            {
                "examples_per_second": min(len(times.seconds) * options.batch, options.epochs * len(train))
                / sum(times.seconds),
                **({"later_examples_per_second": (options.epochs - 1) * len(train) / sum(later)} if later else {}),
                **({"accuracy": evaluated["eval_accuracy"]} if evaluated else {}),
            }
        )
    )


if __name__ == "__main__":
    main()
