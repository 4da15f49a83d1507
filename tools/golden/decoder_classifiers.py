"""tests/golden/decoders/FAMILY/classifier*: the small decoders under Transformers' classification head. Run by make.py."""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForSequenceClassification

from curves import Plan, largest_relative, rounded, train
from decoders import FOLDER, MODELS, SEED, make_optimizer
from oracle import digits, made_by, relative_difference, summed_loss, write_json, write_tensors

LABELS = 3
PLAN = Plan(learning_rate=2e-3, steps=20, warmup_steps=2, micro_batches=[4])
NOTE = (
    "the weights of model/ and `score.weight` of classifier.safetensors; `gradient.NAME` of loss_sum for the embedding, "
    "the last layer, the last norm and the head. Each row alone, padded on either side, and with the padding token at its "
    "end gives the same logits in Transformers: the script checks it"
)


def score_weight(width: int) -> torch.Tensor:
    return 0.3 * torch.randn((LABELS, width), generator=torch.Generator().manual_seed(SEED + 20))


def open_model(name: str, dtype: torch.dtype) -> torch.nn.Module:
    config = AutoConfig.from_pretrained(FOLDER / name / "model")
    config.num_labels, config.pad_token_id = LABELS, 0
    model = AutoModelForSequenceClassification.from_pretrained(
        FOLDER / name / "model", config=config, attn_implementation="eager", dtype=torch.float32
    )
    model.score.weight.data = score_weight(config.hidden_size)
    return model.to(dtype).eval()


def rows(lengths: list[int], seed: int) -> list[dict]:
    generator = torch.Generator().manual_seed(seed)
    return [
        {"input_ids": torch.randint(3, 64, (length,), generator=generator).tolist(), "label": i % LABELS}
        for i, length in enumerate(lengths)
    ]


def step0_rows() -> list[dict]:
    return rows([11, 7, 1, 9], SEED + 21)


def curve_rows() -> list[dict]:
    lengths = torch.randint(3, 15, (40,), generator=torch.Generator().manual_seed(SEED + 22)).tolist()
    return rows(lengths, SEED + 23)


def padded(some: list[dict], left: bool = False) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in some)

    def matrix(lists, filler):
        fill = [[filler] * (longest - len(values)) for values in lists]
        return torch.tensor([pad + values if left else values + pad for values, pad in zip(lists, fill, strict=True)])

    ids = [row["input_ids"] for row in some]
    return {"input_ids": matrix(ids, 0), "attention_mask": matrix([[1] * len(one) for one in ids], 0)}


def scores(model: torch.nn.Module, some: list[dict]) -> torch.Tensor:
    """Without the mask: padding comes last, so no token sees it; with it the scores of padding would not be numbers."""
    return model(input_ids=padded(some)["input_ids"], use_cache=False).logits


def labels_of(some: list[dict]) -> torch.Tensor:
    return torch.tensor([row["label"] for row in some])


def is_stored(name: str, layers: int) -> bool:
    parts = ("score", "embed_tokens", "wte", "wpe", f"layers.{layers - 1}.", f"h.{layers - 1}.", "model.norm", "ln_f")
    return any(part in name for part in parts)


def run(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    some = step0_rows()
    logits = scores(model, some)
    loss = summed_loss(logits, labels_of(some))
    loss.backward()
    result = {f"input.{key}": tensor for key, tensor in padded(some).items()} | {"input.labels": labels_of(some)}
    result |= {"logits": logits, "loss_sum": loss.reshape(1), "score.weight": model.score.weight}
    layers = model.config.num_hidden_layers
    named = {key: p for key, p in model.named_parameters() if is_stored(key, layers)}
    return result | {f"gradient.{key}": p.grad.clone() for key, p in named.items()}


def collated(some: list[dict]) -> dict:
    return {"rows": some, "labels": labels_of(some)}


def mean_loss(model: torch.nn.Module, inputs: dict, labels: torch.Tensor) -> torch.Tensor:
    return summed_loss(scores(model, inputs["rows"]), labels) / len(labels)


def check_padding(name: str, reference: torch.Tensor) -> None:
    """Wherever the padding is, and of each row alone, Transformers says the same (GPT-2 counts positions from the padding on)."""
    model = open_model(name, torch.float32)
    some = step0_rows()
    with torch.no_grad():
        alone = torch.cat([model(input_ids=torch.tensor([row["input_ids"]]), use_cache=False).logits for row in some])
        assert relative_difference(alone, reference) < 1e-5, "alone"
        if name != "gpt2":
            left = model(**padded(some, left=True), use_cache=False).logits
            assert relative_difference(left, reference) < 1e-5, "padded on the left"
        longer = [row | {"input_ids": row["input_ids"] + [0]} for row in some]
        assert relative_difference(scores(model, longer), reference) < 1e-5, "ending in padding"


def adapter(name: str) -> None:
    """LoRA for SEQ_CLS on PEFT's own choice of layers, random where it starts with zeros, with its head."""
    torch.manual_seed(SEED)  # PEFT draws A from the global generator
    config = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, fan_in_fan_out=name == "gpt2")
    model = get_peft_model(open_model(name, torch.float32), config)
    generator = torch.Generator().manual_seed(SEED + 24)
    for _, parameter in sorted((key, p) for key, p in model.named_parameters() if p.requires_grad):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    config = model.peft_config["default"]
    config.target_modules, config.modules_to_save = sorted(config.target_modules), sorted(config.modules_to_save)
    config.base_model_name_or_path = "../model"
    folder = FOLDER / name / "classifier-lora"
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    (folder / "adapter_model.safetensors").chmod(0o644)
    opened = PeftModel.from_pretrained(open_model(name, torch.float32), folder).double().eval()
    write_tensors(FOLDER / name / "classifier-lora.safetensors", {"logits": scores(opened, step0_rows())})


def case(name: str) -> None:
    reference = run(open_model(name, torch.float64))
    single = run(open_model(name, torch.float32))
    gradients = [key for key in reference if key.startswith("gradient.")]
    errors = {
        "logits": digits(relative_difference(single["logits"], reference["logits"]), 2),
        "gradients": digits(max(relative_difference(single[key], reference[key]) for key in gradients), 2),
    }
    check_padding(name, reference["logits"])
    write_tensors(FOLDER / name / "classifier.safetensors", reference)
    models = [open_model(name, dtype) for dtype in (torch.float64, torch.float32)]
    curves = [train(model, curve_rows(), PLAN, make_optimizer(model, PLAN), mean_loss, collate=collated) for model in models]
    errors["loss_relative"] = digits(largest_relative(curves[1], curves[0]), 2)
    tolerance = {"relative_to_largest": 1e-5, "gradient_relative_to_largest": 1e-4, "loss_relative": 1e-4}
    write_json(
        FOLDER / name / "classifier.json",
        {
            "made_by": made_by("decoder_classifiers.py", SEED, tolerance),
            "reference": "float64; gradients are of loss_sum",
            "note": NOTE,
            "class": type(open_model(name, torch.float32)).__name__,
            "plan": vars(PLAN),
            "pytorch_float32_error": errors,
            "float64": rounded(curves[0]),
        },
    )
    print("classifier", name, errors, f"{curves[0]['loss'][0]:.4f} -> {curves[0]['loss'][-1]:.4f}")


def make(minilm: Path, data: Path) -> None:
    write_json(FOLDER / "classifier-rows.json", {"made_by": made_by("decoder_classifiers.py", SEED, {}), "rows": curve_rows()})
    for name in MODELS:
        case(name)
    for name in ("llama", "gpt2"):
        adapter(name)
