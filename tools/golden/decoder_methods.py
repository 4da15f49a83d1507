"""tests/golden/decoders/{llama,gpt2,qwen2,mistral,gemma3_text}/methods: PEFT's methods over the small decoders. Run by make.py."""

from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open

from adalora import SETTINGS as RANKS
from adalora import Allocation
from curves import largest_relative, rounded
from decoders import FOLDER, IGNORED, PLAN, SEED, greedy, mean_token_loss, open_model, pad, scores, step0_rows, token_loss, train
from lora import probes
from oracle import digits, made_by, relative_difference, write_json, write_tensors
from peft_models import merged_of, moved, save_model, started, trained

BASE = "../../../model"  # from the adapter's folder
PLAN = replace(PLAN, learning_rate=1e-2)
# GPT-2 keeps its matrices as [in, out]; some of them have other sizes than the rest.
LAYERS = {
    "llama": {"some": ["q_proj", "v_proj", "down_proj"], "table": "embed_tokens", "query": "q_proj", "turned": {}},
    "gpt2": {"some": ["c_attn", "mlp.c_proj"], "table": "wte", "query": "c_attn", "turned": {"fan_in_fan_out": True}},
    "mistral": {"some": ["q_proj", "v_proj"], "table": "embed_tokens", "query": "q_proj", "turned": {}},
    "gemma3_text": {"some": ["q_proj", "v_proj"], "table": "embed_tokens", "query": "q_proj", "turned": {}},
}
# Windows end before a prefix does; what is looked up in Gemma's table is multiplied, and prompts are not.
ONLY = {
    "mistral": {"prefix_tuning"},
    "gemma3_text": {"prompt_tuning", "p_tuning", "prefix_tuning", "lora_embedding"},
}
# PEFT saves what their encoders give, and not the encoders: these start from `start.*` in golden.safetensors.
ENCODED = {"prefix_projection", "p_tuning"}
PROMPTS = {"prompt_tuning", "prefix_tuning"}  # PEFT trains these only in the process that began them
BEFORE = ("prompt_tuning", "p_tuning", "prefix_tuning", "prefix_projection")  # put something before the text
MERGED = {"ia3", "dora", "vera", "adalora", "lora_embedding", "lora_layers", "lora_tied"}
# GPT-2 and Gemma score tokens with the table of their embeddings: PEFT adds to what is looked up alone, and cannot merge only that.
UNMERGED = {("gpt2", "lora_embedding"), ("gemma3_text", "lora_embedding")}
# PEFT takes OLoRA's directions from a matrix as it is stored: those of [in, out] do not fit its A and B.
STARTS = {"llama": ("pissa", "olora"), "gpt2": ("pissa",)}
# Qwen2's head is its embedding. PEFT ties what it trains of such only under the names embed_tokens and lm_head, not GPT-2's.
TIED = {"r": 2, "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
NOTE = (
    "settings is what the named configuration class was given besides task_type CAUSAL_LM; the input is that of "
    "../step0.safetensors. golden.safetensors has the logits of its tokens, one after the other without the padding, loss_sum, "
    "its gradients by the names in adapter_model.safetensors, and a few values of merged weights. Over prompts, logits are "
    "of the text alone. The curve starts from the saved adapter, with rows.json as ../golden.json has it. AdaLoRA's loss has "
    "PEFT's orthogonal regularisation in gradients and curve, which calls update_and_allocate after each update: ranks_kept"
)

GREEDY = (
    "tokens are the likeliest after the prompts, by the whole text at once each time. PEFT's generate without a cache says the "
    "same over tokens (prompt_tuning, p_tuning); with a cache PEFT 0.21.2 loses their positions under Transformers 5.24"
)


def cases_of(family: str) -> dict[str, tuple[str, dict]]:
    if family == "qwen2":
        return {"lora_tied": ("LoraConfig", TIED)}
    some, table, query, turned = LAYERS[family].values()
    every = {
        "ln_tuning": ("LNTuningConfig", {}),
        "ia3": ("IA3Config", turned),
        "dora": ("LoraConfig", {"r": 2, "lora_alpha": 3, "target_modules": "all-linear", "use_dora": True} | turned),
        "vera": ("VeraConfig", {"r": 6, "target_modules": some} | turned),
        "adalora": ("AdaLoraConfig", RANKS | {"target_modules": some} | turned),
        "lora_embedding": ("LoraConfig", {"r": 3, "lora_alpha": 6, "target_modules": [query, table]} | turned),
        "lora_layers": ("LoraConfig", {"r": 2, "target_modules": some, "layers_to_transform": [1]} | turned),
        "prompt_tuning": ("PromptTuningConfig", {"num_virtual_tokens": 5}),
        "prefix_tuning": ("PrefixTuningConfig", {"num_virtual_tokens": 3}),
        "prefix_projection": (
            "PrefixTuningConfig",
            {"num_virtual_tokens": 3, "prefix_projection": True, "encoder_hidden_size": 6},
        ),
        "p_tuning": ("PromptEncoderConfig", {"num_virtual_tokens": 4, "encoder_hidden_size": 8}),
    }
    return {name: one for name, one in every.items() if name in ONLY.get(family, every)}


def starts_of(family: str) -> dict[str, dict]:
    if family not in STARTS:
        return {}
    some, turned = LAYERS[family]["some"], LAYERS[family]["turned"]
    return {name: {"r": 3, "lora_alpha": 6, "target_modules": some, "init_lora_weights": name} | turned for name in STARTS[family]}


def place(family: str, name: str) -> Path:
    return FOLDER / family / "methods" / name


def moved_model(family: str, name: str) -> PeftModel:
    kind, settings = cases_of(family)[name]
    return moved(open_model(family, torch.float32), kind, {"task_type": "CAUSAL_LM"} | settings, SEED)


def open_case(family: str, name: str, dtype: torch.dtype) -> PeftModel:
    if name in ENCODED | PROMPTS:
        return moved_model(family, name).to(dtype).eval()
    folder = place(family, name) / "adapter"
    return PeftModel.from_pretrained(open_model(family, torch.float32), folder, is_trainable=True).to(dtype).eval()


def regularised(model: PeftModel, inputs: dict, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss with what PEFT adds to it, which Transformers' own would round to float32."""
    model.get_base_model().loss_function = lambda logits, *_, **__: token_loss(logits, labels) / (labels[:, 1:] != IGNORED).sum()
    return model(input_ids=inputs["input_ids"], labels=labels, use_cache=False).loss


def objective_of(name: str):
    return regularised if name == "adalora" else mean_token_loss


def run(family: str, name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    batch = pad(step0_rows())
    model = open_case(family, name, dtype)
    count = (batch["labels"][:, 1:] != IGNORED).sum()
    (objective_of(name)(model, batch, batch["labels"]) * count).backward()
    with torch.no_grad():
        logits = scores(model, batch)
    tokens = batch["attention_mask"] == 1
    result = {"logits": logits[tokens], "loss_sum": token_loss(logits, batch["labels"]).reshape(1)}
    result |= {f"gradient.{key}": p.grad.clone() for key, p in trained(model).items()}
    if name in MERGED and (family, name) not in UNMERGED:
        merged = merged_of(model, lambda plain: scores(plain, batch)[tokens])
        assert relative_difference(merged.pop("merged.logits"), result["logits"]) < 1e-5, "merged"
        result |= {key: tensor for key, tensor in merged.items() if name == "ia3" or not key.endswith("whole")}
    return result


def curve_of(family: str, name: str, dtype: torch.dtype) -> tuple[dict, list[int]]:
    model = open_case(family, name, dtype)
    if name != "adalora":
        return train(model, PLAN), []
    allocation = Allocation(model)
    curve = train(model, PLAN, objective=regularised, after_update=allocation)
    assert min(allocation.gaps) > 1e-4, "ranks too near to each other"
    return curve, allocation.kept


def curves_of(family: str, name: str) -> dict:
    (curve, kept), (single, others) = (curve_of(family, name, dtype) for dtype in (torch.float64, torch.float32))
    assert kept == others
    error = digits(largest_relative(single, curve), 2)
    return {"curve_float32_error": error, "plan": vars(PLAN), "float64": rounded(curve)} | ({"ranks_kept": kept} if kept else {})


def case(family: str, name: str, kind: str, settings: dict) -> dict:
    folder = place(family, name)
    save_model(moved_model(family, name), folder / "adapter", BASE)
    parts = trained(open_case(family, name, torch.float64))
    with safe_open(folder / "adapter" / "adapter_model.safetensors", "pt") as file:
        assert name in ENCODED or set(file.keys()) >= set(parts), "names"
    reference, single = run(family, name, torch.float64), run(family, name, torch.float32)
    errors = {key: relative_difference(single[key], reference[key]) for key in reference}
    start = trained(open_case(family, name, torch.float32)) if name in ENCODED else {}
    write_tensors(folder / "golden.safetensors", {f"start.{key}": p for key, p in start.items()} | probes(reference) | reference)
    curves = curves_of(family, name)
    losses = curves["float64"]["loss"]
    print("methods", family, name, len(parts), digits(max(errors.values()), 2), curves["curve_float32_error"], losses[0], losses[-1])
    return {
        "config": kind,
        "settings": settings,
        "pytorch_float32_error": digits(max(errors.values()), 2),
        "trained": {key: list(p.shape) for key, p in parts.items()},
        **curves,
    }


def start(family: str, name: str, settings: dict) -> dict:
    """A curve from the start: signs of directions are free, and no loss depends on them."""
    curve, single = (
        train(started(open_model(family, torch.float32), "LoraConfig", {"task_type": "CAUSAL_LM"} | settings, SEED).to(dtype).eval(), PLAN)
        for dtype in (torch.float64, torch.float32)
    )
    error = digits(largest_relative(single, curve), 2)
    print("methods start", family, name, error, curve["loss"][0], curve["loss"][-1])
    return {"settings": settings, "curve_float32_error": error, "plan": vars(PLAN), "float64": rounded(curve)}


def greedy_of(family: str, name: str) -> dict:
    model = open_case(family, name, torch.float64)
    text = greedy(model)
    if not name.startswith("prefix"):
        model.get_base_model().generation_config.eos_token_id = None
        for prompt, expected in zip(text["prompts"], text["tokens"], strict=True):
            ids = torch.tensor([prompt])
            asked = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "max_new_tokens": len(expected)}
            out = model.generate(**asked, do_sample=False, use_cache=False, pad_token_id=0)
            assert out[0, len(prompt) :].tolist() == expected, "generate"
    print("methods greedy", family, name, text["smallest_gap"])
    return text


def greedy_texts(family: str) -> None:
    head = {"made_by": made_by("decoder_methods.py", SEED, {}), "reference": "float64", "note": GREEDY}
    write_json(FOLDER / family / "methods" / "greedy.json", head | {name: greedy_of(family, name) for name in BEFORE if name in cases_of(family)})


def make(minilm: Path, data: Path) -> None:
    tolerance = {"relative_to_largest": 1e-5, "gradient_relative_to_largest": 1e-4, "loss_relative": 1e-4}
    for family in (*LAYERS, "qwen2"):
        cases = {name: case(family, name, kind, settings) for name, (kind, settings) in cases_of(family).items()}
        starts = {name: start(family, name, settings) for name, settings in starts_of(family).items()}
        if family in LAYERS:
            greedy_texts(family)
        head = {"made_by": made_by("decoder_methods.py", SEED, tolerance), "reference": "float64", "note": NOTE}
        write_json(FOLDER / family / "methods" / "cases.json", head | {"cases": cases, "starts": starts})
