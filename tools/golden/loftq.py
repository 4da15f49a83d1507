"""tests/golden/loftq-tiny.json: LoftQ over the small BERT, with the 8 and 4 bits that Attune keeps. Run by make.py."""

from pathlib import Path

import torch

from bert_tiny import MODEL, step0_rows
from bert_tiny_model import open_tiny
from oracle import GOLDEN, digits, made_by, pad, write_json

SETTINGS = {"r": 4, "lora_alpha": 6}
TURNS = (1, 5)
BLOCK, STEPS = 32, 63
NOTE = (
    "every linear layer of the encoder and the pooler; algorithm 1 of the paper with torch.linalg.svd, factors divided by the "
    "root of lora_alpha / r. lost is the Frobenius norm of W − Q (turns 0: plain rounding) and of W − Q − s·BA over all of "
    "them, logits those of the model with Q + s·BA in the place of W. PEFT's loftq_init needs bitsandbytes and its NF4"
)


def nearest(x: torch.Tensor) -> torch.Tensor:
    """Halves go up, as in JavaScript."""
    return torch.floor(x + 0.5)


def int4(weight: torch.Tensor) -> torch.Tensor:
    """Blocks of 32 neighbours of a row; the value that is farthest from 0 lies at -8 steps. Other matrices stay as they are."""
    if any(size % BLOCK for size in weight.shape):
        return weight
    blocks = weight.reshape(-1, BLOCK)
    farthest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = (farthest / -8).float().double()
    steps = torch.where(scale == 0, 0, nearest(blocks / scale).clamp(max=7))
    return (steps * scale).reshape(weight.shape)


def int8(weight: torch.Tensor) -> torch.Tensor:
    """Rows in 63 steps on either side of 0."""
    scale = (weight.abs().amax(1, keepdim=True) / STEPS).float().double()
    return torch.where(scale == 0, 0, nearest(weight / scale)) * scale


def single(x: torch.Tensor) -> torch.Tensor:
    return x.float().double()


def loftq(weight: torch.Tensor, rounded, turns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Q and s·BA."""
    rank, scale = SETTINGS["r"], SETTINGS["lora_alpha"] / SETTINGS["r"]
    added = torch.zeros_like(weight)
    for _ in range(turns):
        kept = single(rounded(single(weight - added)))
        u, s, vh = torch.linalg.svd(weight - kept, full_matrices=False)
        root = (s[:rank] / scale).sqrt()
        added = scale * single(u[:, :rank] * root) @ single(root[:, None] * vh[:rank])
    return kept, added


def case(rounded, turns: int) -> dict:
    model = open_tiny(MODEL, torch.float64)
    lost = 0.0
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or name == "classifier":
            continue
        weight = module.weight.data
        kept, added = loftq(weight, rounded, turns) if turns else (single(rounded(weight)), torch.zeros_like(weight))
        lost += float((weight - kept - added).square().sum())
        module.weight.data = kept + added
    inputs = {key: tensor for key, tensor in pad(step0_rows()).items() if key != "labels"}
    with torch.no_grad():
        logits = model(**inputs).logits
    return {"turns": turns, "lost": digits(lost**0.5), "logits": digits(logits.tolist())}


def make(minilm: Path, data: Path) -> None:
    head = {"made_by": made_by("loftq.py", None, {"relative": 1e-4}), "reference": "float64", "note": NOTE}
    cases = {name: [case(form, turns) for turns in (0, *TURNS)] for name, form in (("int4", int4), ("int8", int8))}
    print("loftq-tiny", {name: [one["lost"] for one in found] for name, found in cases.items()})
    write_json(GOLDEN / "loftq-tiny.json", head | {"settings": SETTINGS} | cases)
