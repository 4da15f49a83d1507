"""tests/golden/decoders: small random decoders of each family: one step, a curve, greedy text. Run by make.py."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from curves import Plan, largest_relative, rounded
from curves import train as train_on
from oracle import GOLDEN, digits, made_by, relative_difference, summed_loss, write_json, write_tensors
from peft_models import save_model

FOLDER = GOLDEN / "decoders"
SEED = 20261124
IGNORED = -100
PLAN = Plan(learning_rate=2e-3, steps=20, warmup_steps=2, micro_batches=[4])
COMMON = {
    "vocab_size": 64,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
MODELS = {
    "llama": COMMON,
    "gpt2": {
        "vocab_size": 64,
        "n_embd": 24,
        "n_inner": 40,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 32,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "qwen2": COMMON | {"tie_word_embeddings": True},
    "qwen3": COMMON | {"head_dim": 8},
    "mistral": COMMON | {"sliding_window": 4, "head_dim": 8},
    "phi3": COMMON | {"sliding_window": 5},
    "gemma2": COMMON | {"head_dim": 8, "query_pre_attn_scalar": 12, "sliding_window": 4, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 4.0},
    "gemma3_text": COMMON
    | {
        "head_dim": 8,
        "query_pre_attn_scalar": 12,
        "sliding_window": 4,
        "layer_types": ["sliding_attention", "full_attention"],
    },
}
ROPE = {"rope_theta": 10000.0}
LLAMA3 = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
# Fields of config.json that change what the same weights answer.
VARIANTS = {
    "llama": {
        "rope_linear": {"rope_parameters": ROPE | {"rope_type": "linear", "factor": 2.5}},
        "rope_llama3": {"rope_parameters": ROPE | LLAMA3 | {"rope_type": "llama3", "rope_theta": 100.0}},
        "rope_yarn": {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 100.0,
                "factor": 4.0,
                "beta_fast": 2.0,
                "beta_slow": 0.5,
                "original_max_position_embeddings": 16,
            }
        },
        "rope_dynamic": {"rope_parameters": ROPE | {"rope_type": "dynamic", "factor": 2.0}},
    },
    "qwen2": {
        "windows": {
            "use_sliding_window": True,
            "sliding_window": 3,
            "max_window_layers": 1,
            "layer_types": ["full_attention", "sliding_attention"],
        },
    },
    "phi3": {
        "partial": {"rope_parameters": ROPE | {"rope_type": "default", "partial_rotary_factor": 0.7}},
        "longrope": {
            "max_position_embeddings": 64,
            "original_max_position_embeddings": 16,
            "rope_parameters": ROPE
            | {
                "rope_type": "longrope",
                "partial_rotary_factor": 1.0,
                "original_max_position_embeddings": 16,
                "short_factor": [1.1, 1.7, 2.3],
                "long_factor": [1.3, 2.9, 4.0],
            },
        },
    },
    "gemma3_text": {
        "rope": {
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 300.0, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
        },
    },
}
NOTE = (
    "loss is the mean over the labels of a step: those of `rows` moved one place to the left, without −100. "
    "greedy has prompts of unequal lengths, padded on the left with 0, and the tokens that follow; smallest_gap is the "
    "least distance between the two highest scores on the way"
)


def is_norm(name: str) -> bool:
    return "norm" in name or ".ln_" in name


def random_model(name: str) -> torch.nn.Module:
    """Every tensor far from its usual start, so that a forgotten one is seen."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **MODELS[name]), attn_implementation="eager")
    generator = torch.Generator().manual_seed(SEED)
    for key, parameter in sorted(model.named_parameters()):
        values = 0.3 * torch.randn(parameter.shape, generator=generator)
        is_gain = is_norm(key) and key.endswith("weight") and not name.startswith("gemma")
        parameter.data = 1 + values if is_gain else values
    return model.eval()


def open_model(name: str, dtype: torch.dtype, folder: str = "model", **changes) -> torch.nn.Module:
    path = FOLDER / name / folder
    config = AutoConfig.from_pretrained(path)
    for key, value in changes.items():
        setattr(config, key, value)
    model = AutoModelForCausalLM.from_pretrained(path, config=config, attn_implementation="eager", dtype=torch.float32)
    return model.to(dtype).eval()


def random_row(length: int, generator: torch.Generator, prompt: int) -> dict:
    ids = torch.randint(3, 64, (length,), generator=generator).tolist()
    return {"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]}


def step0_rows() -> list[dict]:
    generator = torch.Generator().manual_seed(SEED + 1)
    return [random_row(length, generator, prompt) for length, prompt in ((11, 4), (7, 0), (9, 1), (3, 0))]


def curve_rows() -> list[dict]:
    generator = torch.Generator().manual_seed(SEED + 2)
    lengths = torch.randint(3, 15, (40,), generator=generator).tolist()
    return [random_row(length, generator, 1 if i % 2 else 0) for i, length in enumerate(lengths)]


def pad(rows: list[dict]) -> dict[str, torch.Tensor]:
    """On the right."""
    longest = max(len(row["input_ids"]) for row in rows)

    def matrix(lists, filler):
        return torch.tensor([values + [filler] * (longest - len(values)) for values in lists])

    return {
        "input_ids": matrix([row["input_ids"] for row in rows], 0),
        "attention_mask": matrix([[1] * len(row["input_ids"]) for row in rows], 0),
        "labels": matrix([row["labels"] for row in rows], IGNORED),
    }


def scores(model: torch.nn.Module, batch: dict) -> torch.Tensor:
    """
    Without the mask: padding comes last, so no token sees it; with it the scores of padding would not be numbers. Of the
    text alone, where a method puts vectors before it.
    """
    ids = batch["input_ids"]
    return model(input_ids=ids, use_cache=False).logits[:, -ids.shape[1] :]


def token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return summed_loss(logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1))


def run(model: torch.nn.Module, batch: dict) -> dict[str, torch.Tensor]:
    logits = scores(model, batch)
    loss = token_loss(logits, batch["labels"])
    loss.backward()
    result = {f"input.{key}": tensor for key, tensor in batch.items()} | {"logits": logits, "loss_sum": loss.reshape(1)}
    return result | {f"gradient.{key}": p.grad.clone() for key, p in model.named_parameters()}


def make_optimizer(model: torch.nn.Module, plan: Plan) -> torch.optim.AdamW:
    """Matrices are decayed, vectors are not."""
    groups = [
        {"params": [p for p in model.parameters() if (p.dim() > 1) == decayed], "weight_decay": plan.weight_decay * decayed}
        for decayed in (True, False)
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=plan.betas, eps=plan.eps)


def mean_token_loss(model: torch.nn.Module, inputs: dict, labels: torch.Tensor) -> torch.Tensor:
    return token_loss(scores(model, inputs), labels) / (labels[:, 1:] != IGNORED).sum()


def train(
    model: torch.nn.Module,
    plan: Plan,
    objective: Callable = mean_token_loss,
    after_update: Callable[[int], None] = lambda step: None,
) -> dict[str, list[float]]:
    optimizer = make_optimizer(model, plan)
    return train_on(model, curve_rows(), plan, optimizer, objective, after_update, collate=pad)


def greedy(model: torch.nn.Module) -> dict:
    """Without a cache, one token after the other."""
    generator = torch.Generator().manual_seed(SEED + 3)
    prompts = [torch.randint(3, 64, (length,), generator=generator).tolist() for length in (5, 2, 8)]
    made, gaps = [], []
    for prompt in prompts:
        ids = list(prompt)
        for _ in range(12):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            best = logits.topk(2).values
            gaps.append(float(best[0] - best[1]))
            ids.append(int(logits.argmax()))
        made.append(ids[len(prompt) :])
    return {"prompts": prompts, "tokens": made, "smallest_gap": digits(min(gaps), 3)}


def generated(model: torch.nn.Module, expected: dict) -> None:
    """Transformers' own generation, with its cache and a padded batch, says the same."""
    prompts = expected["prompts"]
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    model.generation_config.eos_token_id = None
    model.generation_config.cache_implementation = None
    out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=12, do_sample=False, pad_token_id=0)
    assert out[:, longest:].tolist() == expected["tokens"], "generate"


def variants(name: str) -> None:
    batch = pad(step0_rows())
    tensors = {f"input.{key}": tensor for key, tensor in batch.items()}
    base = scores(open_model(name, torch.float64), batch).detach()
    changes = {}
    for key, fields in VARIANTS.get(name, {}).items():
        logits = scores(open_model(name, torch.float64, **fields), batch).detach()
        changes[key] = {"fields": fields, "logits_change": digits(relative_difference(logits, base), 2)}
        tensors[f"{key}.logits"] = logits
    if not changes:
        return
    write_tensors(FOLDER / name / "variants.safetensors", tensors)
    write_json(FOLDER / name / "variants.json", {"made_by": made_by("decoders.py", SEED, {}), "variants": changes})


def in_parts(name: str) -> None:
    """The same weights in bfloat16, in several files."""
    model = open_model(name, torch.float32).to(torch.bfloat16)
    model.save_pretrained(FOLDER / name / "parts", max_shard_size="15KB")
    for file in (FOLDER / name / "parts").glob("*.safetensors"):
        file.chmod(0o644)
    batch = pad(step0_rows())
    opened = open_model(name, torch.float64, folder="parts")
    tensors = {f"input.{key}": tensor for key, tensor in batch.items()} | {"logits": scores(opened, batch)}
    write_tensors(FOLDER / name / "parts.safetensors", tensors)


def adapter(name: str) -> None:
    """LoRA on PEFT's own choice of layers, random where it starts with zeros."""
    torch.manual_seed(SEED)  # PEFT draws A from the global generator
    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, fan_in_fan_out=name == "gpt2")
    model = get_peft_model(open_model(name, torch.float32), config)
    generator = torch.Generator().manual_seed(SEED + 4)
    for _, parameter in sorted((key, p) for key, p in model.named_parameters() if p.requires_grad):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    folder = FOLDER / name / "lora"
    save_model(model, folder, "../model")
    opened = PeftModel.from_pretrained(open_model(name, torch.float32), folder, is_trainable=True).double().eval()
    batch = pad(step0_rows())
    logits = scores(opened, batch)
    loss = token_loss(logits, batch["labels"])
    loss.backward()
    result = {"logits": logits, "loss_sum": loss.reshape(1)}
    for key, p in opened.named_parameters():
        if p.requires_grad:
            result[f"gradient.{key.replace('.default', '')}"] = p.grad.clone()
    merged = opened.merge_and_unload()
    for key, p in merged.named_parameters():
        if any(key.endswith(f"{target}.weight") for target in model.peft_config["default"].target_modules):
            result[f"merged.{key}"] = p
    write_tensors(FOLDER / name / "lora.safetensors", result)


def case(name: str) -> None:
    model = random_model(name)
    model.save_pretrained(FOLDER / name / "model")
    (FOLDER / name / "model" / "model.safetensors").chmod(0o644)
    (FOLDER / name / "model" / "generation_config.json").unlink(missing_ok=True)
    batch = pad(step0_rows())
    reference = run(open_model(name, torch.float64), batch)
    single = run(open_model(name, torch.float32), batch)
    gradients = [key for key in reference if key.startswith("gradient.")]
    errors = {
        "logits": digits(relative_difference(single["logits"], reference["logits"]), 2),
        "gradients": digits(max(relative_difference(single[key], reference[key]) for key in gradients), 2),
    }
    write_tensors(FOLDER / name / "step0.safetensors", reference)
    curves = [train(open_model(name, dtype), replace(PLAN)) for dtype in (torch.float64, torch.float32)]
    text = greedy(open_model(name, torch.float64))
    generated(open_model(name, torch.float32), text)  # in float64 its mask of a padded batch overflows
    errors["loss_relative"] = digits(largest_relative(curves[1], curves[0]), 2)
    tolerance = {"relative_to_largest": 1e-5, "gradient_relative_to_largest": 1e-4, "loss_relative": 1e-4}
    write_json(
        FOLDER / name / "golden.json",
        {
            "made_by": made_by("decoders.py", SEED, tolerance),
            "reference": "float64; gradients are of loss_sum",
            "note": NOTE,
            "plan": vars(PLAN),
            "pytorch_float32_error": errors,
            "float64": rounded(curves[0]),
            "greedy": text,
        },
    )
    variants(name)
    print("decoders", name, errors, f"{curves[0]['loss'][0]:.4f} -> {curves[0]['loss'][-1]:.4f}", "gap", text["smallest_gap"])


def make(minilm: Path, data: Path) -> None:
    write_json(FOLDER / "rows.json", {"made_by": made_by("decoders.py", SEED, {}), "rows": curve_rows()})
    for name in MODELS:
        case(name)
    for name in ("llama", "gpt2"):
        adapter(name)
    in_parts("llama")
