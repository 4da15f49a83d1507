"""A model under a method of PEFT: made, moved off its start, saved, merged. Not run by itself."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import peft
import torch
from peft import PeftModel, get_peft_model, get_peft_model_state_dict


def saved_names(model: PeftModel) -> dict[int, str]:
    """From where a tensor lies in memory to the name under which PEFT saves it: the first, where one matrix has two."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {tensor.data_ptr(): name for name, tensor in reversed(state.items())}


def trained(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    names = saved_names(model)
    is_alone = sum("prompt_encoder" in name for name, _ in model.named_parameters()) == 1
    return {plain(names, name, p, is_alone): p for name, p in model.named_parameters() if p.requires_grad}


def plain(names: dict[int, str], name: str, parameter: torch.nn.Parameter, is_alone: bool) -> str:
    """Encoders are not saved by PEFT: their tensors keep the model's names."""
    if is_alone and "prompt_encoder" in name:
        return "prompt_embeddings"
    return names.get(parameter.data_ptr(), name.replace(".default", ""))


def started(base: torch.nn.Module, kind: str, settings: dict, seed: int) -> PeftModel:
    """As PEFT begins it. What is random is drawn from the global generator."""
    torch.manual_seed(seed)
    return get_peft_model(base, getattr(peft, kind)(**deepcopy(settings)))


def moved(base: torch.nn.Module, kind: str, settings: dict, seed: int) -> PeftModel:
    """0.05 · normal is added to everything that is trained, so that nothing stands at its start."""
    model = started(base, kind, settings, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    for _, parameter in sorted(trained(model).items()):
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model


def save_model(model: PeftModel, folder: Path, base: str) -> None:
    """`base` is where the base model lies, seen from the folder."""
    config = model.peft_config["default"]
    for field in ("target_modules", "exclude_modules", "feedforward_modules"):  # sets: their order would differ
        value = getattr(config, field, None)
        if isinstance(value, set):
            setattr(config, field, sorted(value))
    config.base_model_name_or_path = base
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    (folder / "adapter_model.safetensors").chmod(0o644)


def merged_of(model: PeftModel, score: Callable[[torch.nn.Module], torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights and biases of what the method changed, by the base model's names, and what the merged model answers."""
    targeted = list(model.base_model.targeted_module_names)
    with torch.no_grad():
        merged = model.merge_and_unload()
        result = {"merged.logits": score(merged)}
    for name in targeted:
        layer = merged.get_submodule(name)
        result |= {f"merged.{name}.weight": layer.weight.detach()}
        if getattr(layer, "bias", None) is not None:
            result |= {f"merged.{name}.bias.whole": layer.bias.detach()}
    return result
