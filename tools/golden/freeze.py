"""tests/golden/freeze-tiny: training only some parameters of bert-tiny. Run by make.py."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from bert_tiny import FOLDER as BERT_TINY
from bert_tiny import MODEL, PLAN, curve_rows, drift, step0_rows, summary
from bert_tiny_model import SEED, open_tiny
from oracle import GOLDEN, digits, made_by, pad, relative_difference, summed_loss, write_json
from curves import largest_relative, rounded, train

FOLDER = GOLDEN / "freeze-tiny"
CASES = {  # of the names that Transformers gives: what is trained
    "head": r"classifier\.",
    "last_layer": r"bert\.encoder\.layer\.2\.|bert\.pooler\.|classifier\.",
    "layers_0_2": r"bert\.encoder\.layer\.[02]\.|bert\.embeddings\.|classifier\.",
    "output_dense": r".*output\.dense",
}
NOTE = (
    "trained are the names of the parameters with requires_grad, in the order of the model; what each regular expression "
    "in `match` matches from the start of a name. gradients are of loss_sum at bert-tiny/step0.safetensors' input: the "
    "whole tensors are its `gradient.NAME` (this script checks that freezing changes none). The curve uses rows and "
    "fields of bert-tiny/curve.json; only trained parameters count in grad_norm and in clipping. Compare no final key.bias"
)


def frozen(match: str, dtype: torch.dtype) -> torch.nn.Module:
    model = open_tiny(MODEL, dtype)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(re.match(match, name) is not None)
    return model


def trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def gradients(match: str) -> dict:
    """Sums of each gradient, after a look at the same gradient of the model in which nothing is frozen."""
    model = frozen(match, torch.float64)
    whole = load_file(BERT_TINY / "step0.safetensors")
    inputs = pad(step0_rows())
    labels = inputs.pop("labels")
    summed_loss(model(**inputs).logits, labels).backward()
    for name, p in trained(model).items():
        assert "key.bias" in name or relative_difference(p.grad, whole[f"gradient.{name}"]) < 1e-7, name
    return {
        name: {"sum": digits(p.grad.sum()), "abs_sum": digits(p.grad.abs().sum()), "max_abs": digits(p.grad.abs().max())}
        for name, p in trained(model).items()
    }


def write_case(name: str, match: str) -> None:
    plan = replace(PLAN, steps=20)
    models = {dtype: frozen(match, dtype) for dtype in (torch.float64, torch.float32)}
    starts = {key: p.detach().clone() for key, p in models[torch.float64].named_parameters()}
    reference, single = (train(model, curve_rows(), plan) for model in models.values())
    parts = trained(models[torch.float64])
    moved = {key for key, p in models[torch.float64].named_parameters() if not torch.equal(p, starts[key])}
    assert moved == set(parts), moved ^ set(parts)
    summaries = (summary(model) for model in models.values())
    final, final_single = ({key: entries[key] for key in parts} for entries in summaries)
    tolerance = {"loss_relative": 1e-5, "final_sums_relative": 5e-6}
    write_json(
        FOLDER / f"{name}.json",
        {
            "made_by": made_by("freeze.py", SEED, tolerance),
            "reference": "float64",
            "note": NOTE,
            "match": match,
            "plan": vars(plan),
            "trainable_parameters": sum(p.numel() for p in parts.values()),
            "pytorch_float32_error": {
                "loss_relative": digits(largest_relative(single, reference), 2),
                "grad_norm_relative": digits(largest_relative(single, reference, "grad_norm"), 2),
                "final_sums_relative": digits(drift(final_single, final, lambda key: "key.bias" not in key), 2),
            },
            "float64": rounded(reference),
            "float32": rounded(single),
            "trained": list(parts),
            "gradients": gradients(match),
            "final": final,
        },
    )
    print("freeze-tiny", name, f"{reference['loss'][0]:.4f} -> {reference['loss'][-1]:.4f}", len(parts), "tensors")


def make(minilm: Path, data: Path) -> None:
    for name, match in CASES.items():
        write_case(name, match)
