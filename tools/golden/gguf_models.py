"""tests/golden/gguf/models/: for each architecture a tiny random model of Transformers as llama.cpp would convert it, with
the weights and config that Transformers has. Transformers' own reader of .gguf must give the same weights back.
Needs gguf besides requirements.txt: python tools/golden/gguf_models.py"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import transformers
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGMLQuantizationType, GGUFWriter, get_tensor_name_map
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "gguf" / "models"
SEED = 20261124
LAYERS = 2
SHAPE = {
    "vocab_size": 24, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
LONG = {"rope_type": "longrope", "long_factor": [1.5, 2.5], "short_factor": [1.0, 1.25]}
# What config.json says, by llama.cpp's architecture; `tied` models have no output.weight.
CASES = {
    "llama": ("llama", "LlamaForCausalLM", SHAPE | {"rms_norm_eps": 1e-5, "rope_theta": 100000.0, "tie_word_embeddings": True}),
    "llama3": ("llama", "LlamaForCausalLM", SHAPE | {
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "rope_scaling": LLAMA3, "attention_bias": True, "tie_word_embeddings": False, "head_dim": 8}),
    "qwen2": ("qwen2", "Qwen2ForCausalLM", SHAPE | {"rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True}),
    "qwen3": ("qwen3", "Qwen3ForCausalLM", SHAPE | {"rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "head_dim": 8, "tie_word_embeddings": True}),
    "gemma2": ("gemma2", "Gemma2ForCausalLM", SHAPE | {
        "rms_norm_eps": 1e-6, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 32, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}),
    "gemma3": ("gemma3", "Gemma3ForCausalLM", SHAPE | {
        "rms_norm_eps": 1e-6, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 32, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
        "num_hidden_layers": 7}),
    "phi3": ("phi3", "Phi3ForCausalLM", SHAPE | {
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "sliding_window": 47, "original_max_position_embeddings": 32, "rope_scaling": LONG}),
    "gpt2": ("gpt2", "GPT2LMHeadModel", {
        "vocab_size": 24, "n_positions": 32, "n_embd": 16, "n_layer": LAYERS, "n_head": 4, "n_inner": 40, "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new", "bos_token_id": 1, "eos_token_id": 2}),
}


def permute(weights: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows of queries and keys as llama.cpp's conversion puts them."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def converted(architecture: str, name: str, values: torch.Tensor, config: dict) -> torch.Tensor:
    if architecture == "llama" and ("q_proj." in name or "k_proj." in name):
        return permute(values, config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"])
    if architecture.startswith("gemma") and name.endswith("norm.weight"):
        return values + 1
    if architecture == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return values.T
    return values


def llama3_factors(config: dict) -> np.ndarray:
    """As Transformers computes them, from its own angles."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    width = config.head_dim
    plain = 1.0 / (config.rope_parameters["rope_theta"] ** (torch.arange(0, width, 2).float() / width))
    return (plain / scaled).numpy()


def write(path: Path, architecture: str, config: dict, model) -> None:
    writer = GGUFWriter(path, architecture)
    gpt2 = architecture == "gpt2"
    writer.add_context_length(config["n_positions" if gpt2 else "max_position_embeddings"])
    writer.add_embedding_length(config["n_embd" if gpt2 else "hidden_size"])
    layers = config["n_layer" if gpt2 else "num_hidden_layers"]
    writer.add_block_count(layers)
    writer.add_feed_forward_length(config["n_inner" if gpt2 else "intermediate_size"])
    writer.add_head_count(config["n_head" if gpt2 else "num_attention_heads"])
    writer.add_vocab_size(config["vocab_size"])
    if gpt2:
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    else:
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        width = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
        writer.add_rope_dimension_count(width)
        if "head_dim" in config:
            writer.add_key_length(width)
            writer.add_value_length(width)
        if "rope_theta" in config:
            writer.add_rope_freq_base(config["rope_theta"])
    if "sliding_window" in config:
        writer.add_sliding_window(config["sliding_window"])
    if "attn_logit_softcapping" in config:
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if "original_max_position_embeddings" in config:
        writer.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = get_tensor_name_map(next(key for key, value in MODEL_ARCH_NAMES.items() if value == architecture), layers)
    tied = model.config.tie_word_embeddings
    for name, values in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        values = converted(architecture, name, values, config).contiguous().numpy()
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), values)
    scaling = config.get("rope_scaling", {})
    if scaling.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(model.config))
    if scaling.get("rope_type") == "longrope":
        writer.add_tensor("rope_factors_long.weight", np.array(scaling["long_factor"], np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(scaling["short_factor"], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    transformers.logging.set_verbosity_error()
    FOLDER.mkdir(parents=True, exist_ok=True)
    configs = {}
    for case, (architecture, class_name, settings) in CASES.items():
        torch.manual_seed(SEED)
        model_class = getattr(transformers, class_name)
        model = model_class(model_class.config_class(**json.loads(json.dumps(settings))))
        with torch.no_grad():
            for values in model.parameters():
                values.normal_(std=0.3)
        model.tie_weights()
        path = FOLDER / f"{case}.gguf"
        write(path, architecture, settings, model)
        state = {name: values.clone() for name, values in model.state_dict().items()}
        if model.config.tie_word_embeddings:
            del state["lm_head.weight"]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "m.gguf").write_bytes(path.read_bytes())
            again = model_class.from_pretrained(folder, gguf_file="m.gguf", config=model.config, dtype=torch.float32).state_dict()
        for name, values in state.items():
            if name not in again:  # Transformers does not look for biases of attention in Llama
                assert case == "llama3" and name.endswith(".bias"), name
                continue
            # A norm that had 1 added and taken away again is off by a rounding.
            torch.testing.assert_close(again[name], values, rtol=0, atol=2e-7, msg=lambda text: f"{case} {name}: {text}")
        save_file(state, FOLDER / f"{case}.safetensors")
        configs[case] = {"model_type": model.config.model_type, "class": class_name, "settings": settings,
                         "tie_word_embeddings": model.config.tie_word_embeddings, "layer_types": getattr(model.config, "layer_types", None)}
        print(case, len(state))
    made_by = {
        "script": "tools/golden/gguf_models.py", "command": "python tools/golden/gguf_models.py",
        "versions": {name: version(name) for name in ("torch", "transformers", "gguf")}, "seed": SEED,
        "tolerance": {"absolute": 2e-7},
    }
    (FOLDER / "models.json").write_text(json.dumps({"made_by": made_by, "cases": configs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
