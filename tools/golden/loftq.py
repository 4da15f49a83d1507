"""tests/golden/loftq-tiny.json: LoftQ over the small BERT, with the 8 and 4 bits that Attune keeps. Run by make.py."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from bert_tiny import MODEL, PLAN, curve_rows, step0_rows
from bert_tiny_model import open_tiny
from curves import rounded as in_digits
from curves import train
from oracle import GOLDEN, digits, made_by, pad, write_json

SETTINGS = {"r": 4, "lora_alpha": 6}
SCALE = SETTINGS["lora_alpha"] / SETTINGS["r"]
PLAN = replace(PLAN, steps=20)
IN_BLOCKS = ["query", "key", "value", "attention.output.dense", "pooler.dense"]  # sides of whole blocks
TURNS = (1, 5)
BLOCK, STEPS = 32, 63
NOTE = (
    "every linear layer of the encoder and the pooler; algorithm 1 of the paper with torch.linalg.svd, factors divided by the "
    "root of lora_alpha / r. lost is the Frobenius norm of W − Q (turns 0: plain rounding) and of W − Q − s·BA over all of "
    "them, logits those of the model with Q + s·BA in the place of W. curves: 20 steps of PEFT's LoRA over int4 from there, in "
    "layers whose sides are whole blocks. PEFT's own loftq_init needs bitsandbytes and its NF4"
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


@dataclass
class Start:
    """What a layer begins with: kept forward, and as it is rounded by columns for the way back."""

    kept: torch.Tensor
    backward: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor

    @property
    def added(self) -> torch.Tensor:
        return SCALE * self.b @ self.a


def loftq(weight: torch.Tensor, rounded, turns: int) -> Start:
    rank = SETTINGS["r"]
    added = torch.zeros_like(weight)
    for _ in range(turns):
        left = single(weight - added)
        kept = single(rounded(left))
        u, s, vh = torch.linalg.svd(weight - kept, full_matrices=False)
        root = (s[:rank] / SCALE).sqrt()
        start = Start(kept, single(rounded(left.T)).T, single(root[:, None] * vh[:rank]), single(u[:, :rank] * root))
        added = start.added
    return start


def case(rounded, turns: int) -> dict:
    model = open_tiny(MODEL, torch.float64)
    lost = 0.0
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or name == "classifier":
            continue
        weight = module.weight.data
        made = single(rounded(weight))
        if turns:
            start = loftq(weight, rounded, turns)
            made = start.kept + start.added
        lost += float((weight - made).square().sum())
        module.weight.data = made
    inputs = {key: tensor for key, tensor in pad(step0_rows()).items() if key != "labels"}
    with torch.no_grad():
        logits = model(**inputs).logits
    return {"turns": turns, "lost": digits(lost**0.5), "logits": digits(logits.tolist())}


class TwoForms(torch.autograd.Function):
    """x·Wᵀ with one form of W, and its gradient with another, as 4 bits keep it."""

    @staticmethod
    def forward(context, x, kept, backward):
        context.save_for_backward(backward)
        return x @ kept.T

    @staticmethod
    def backward(context, dy):
        return dy @ context.saved_tensors[0], None, None


def started(turns: int) -> PeftModel:
    """PEFT's LoRA over such a base, whose frozen layers multiply with what is kept of them."""
    config = LoraConfig(task_type="SEQ_CLS", target_modules=IN_BLOCKS, **SETTINGS)
    model = get_peft_model(open_tiny(MODEL, torch.float64), config).double()
    for name in model.base_model.targeted_module_names:
        layer = model.base_model.model.get_submodule(name)
        base, start = layer.base_layer, loftq(layer.base_layer.weight.data, int4, turns)
        base.forward = lambda x, base=base, start=start: TwoForms.apply(x, start.kept, start.backward) + base.bias
        layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data = start.a, start.b
    return model


def curve(turns: int) -> dict:
    found = train(started(turns), curve_rows(), PLAN)
    print("loftq-tiny curve", turns, found["loss"][0], found["loss"][-1])
    return {"turns": turns, "loss": in_digits(found)["loss"]}


def make(minilm: Path, data: Path) -> None:
    head = {"made_by": made_by("loftq.py", None, {"relative": 1e-4}), "reference": "float64", "note": NOTE}
    cases = {name: [case(form, turns) for turns in (0, *TURNS)] for name, form in (("int4", int4), ("int8", int8))}
    print("loftq-tiny", {name: [one["lost"] for one in found] for name, found in cases.items()})
    curves = {"target_modules": IN_BLOCKS, "plan": vars(PLAN), "curves": [curve(turns) for turns in TURNS]}
    write_json(GOLDEN / "loftq-tiny.json", head | {"settings": SETTINGS} | cases | curves)
