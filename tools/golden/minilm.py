"""tests/golden/minilm: one step and a 50-step curve of all-MiniLM-L6-v2 with a new two-label head. Run by make.py."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from oracle import GOLDEN, digits, made_by, pad, relative_difference, summed_loss, write_json, write_tensors
from curves import Plan, largest_relative, rounded, train

FOLDER = GOLDEN / "minilm"
SEED = 20261102
LABELS = ["ham", "spam"]
LENGTHS = [64, 5, 17, 40, 9, 28, 52, 12]
PROBES = 64
PLAN = Plan(learning_rate=5e-5, steps=50, warmup_steps=0, micro_batches=[32])


def open_minilm(folder: Path, dtype: torch.dtype) -> torch.nn.Module:
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, attn_implementation="eager")
    generator = torch.Generator().manual_seed(SEED)
    for parameter in (model.classifier.weight, model.classifier.bias):
        parameter.data = 0.02 * torch.randn(parameter.shape, generator=generator)
    return model.to(dtype).eval()


def spam_rows(minilm: Path, data: Path, max_lengths: list[int]) -> list[dict]:
    """Token ids of the first mails of the training file, each cut to its own length."""
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    with (data / "spam_assassin" / "train.jsonl").open() as lines:
        mails = [json.loads(next(lines)) for _ in max_lengths]

    def row(mail: dict, max_length: int) -> dict:
        ids = tokenizer(mail["text"], truncation=True, max_length=max_length)["input_ids"]
        return {"input_ids": ids, "token_type_ids": [0] * len(ids), "label": LABELS.index(mail["label"])}

    return [row(mail, length) for mail, length in zip(mails, max_lengths, strict=True)]


def run(model: torch.nn.Module, batch: dict) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    logits = model(**inputs).logits
    loss = summed_loss(logits, batch["labels"])
    loss.backward()
    return logits.detach(), loss.detach(), {name: p.grad.flatten() for name, p in model.named_parameters()}


def probe_positions(gradient: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Flat positions: seven eighths where the gradient is not zero (an embedding has few such rows), the rest anywhere."""
    used = gradient.nonzero().flatten()
    chosen = used[torch.randperm(len(used), generator=generator)[: PROBES * 7 // 8]]
    anywhere = torch.randint(0, len(gradient), (PROBES - len(chosen),), generator=generator)
    return torch.cat([chosen, anywhere])


def step0(minilm: Path, data: Path) -> None:
    batch = pad(spam_rows(minilm, data, LENGTHS))
    model = open_minilm(minilm, torch.float64)
    logits, loss, gradients = run(model, batch)
    single_logits, _, single = run(open_minilm(minilm, torch.float32), batch)
    generator = torch.Generator().manual_seed(SEED + 1)
    positions = {name: probe_positions(gradient, generator) for name, gradient in gradients.items()}
    tensors = {f"input.{name}": tensor for name, tensor in batch.items()}
    tensors |= {name: p for name, p in model.named_parameters() if name.startswith("classifier.")}
    tensors |= {"logits": logits, "loss_sum": loss.reshape(1), "loss_mean": loss.reshape(1) / len(LENGTHS)}
    for name, at in positions.items():
        tensors |= {f"positions.{name}": at, f"values.{name}": gradients[name][at]}
    write_tensors(FOLDER / "gradients.safetensors", tensors)
    real = [name for name in gradients if "key.bias" not in name]
    errors = {
        "logits_absolute": float((single_logits - logits).abs().max()),
        "gradients": max(relative_difference(single[name], gradients[name]) for name in real),
        "gradient_norms": max(abs(float(single[name].norm() / gradients[name].norm()) - 1) for name in real),
        "key_bias_absolute": max(float(single[name].abs().max()) for name in single if "key.bias" in name),
    }
    tolerance = {"logits_absolute": 2e-6, "gradient_relative_to_max_abs": 1e-4, "key_bias_absolute": 1e-7}
    write_json(
        FOLDER / "gradients.json",
        {
            "made_by": made_by("minilm.py", SEED, tolerance),
            "reference": "float64, stored as float32; gradients are of loss_sum",
            "pytorch_float32_error": {name: digits(value, 2) for name, value in errors.items()},
            "logits": digits(logits.tolist()),
            "loss_sum": loss.item(),
            "gradients": {
                name: {"norm": digits(g.norm()), "max_abs": digits(g.abs().max())} for name, g in gradients.items()
            },
        },
    )
    print("minilm gradients:", len(gradients), "loss", loss.item())


def curve(minilm: Path, data: Path) -> None:
    rows = spam_rows(minilm, data, [48] * 320)
    reference, single = (train(open_minilm(minilm, d), rows, PLAN) for d in (torch.float64, torch.float32))
    classifier = open_minilm(minilm, torch.float32).classifier
    write_json(
        FOLDER / "curve.json",
        {
            "made_by": made_by("minilm.py", SEED, {"loss_relative": 5e-5}),
            "reference": "float64",
            "note": "first 320 rows of spam_assassin (PDDL, CC0), 48 tokens at most, in file order, five times over; "
            "token_type_ids are zero; label 0 is ham, 1 is spam",
            "plan": vars(PLAN),
            "classifier": {name: digits(p.tolist(), 9) for name, p in classifier.named_parameters()},
            "pytorch_float32_error": {
                "loss_relative": digits(largest_relative(single, reference), 2),
                "grad_norm_relative": digits(largest_relative(single, reference, "grad_norm"), 2),
            },
            "float64": rounded(reference),
            "float32": rounded(single),
            "rows": [{"input_ids": row["input_ids"], "label": row["label"]} for row in rows],
        },
    )
    print("minilm curve:", f"{reference['loss'][0]:.4f} -> {reference['loss'][-1]:.4f}")


def make(minilm: Path, data: Path) -> None:
    step0(minilm, data)
    curve(minilm, data)
