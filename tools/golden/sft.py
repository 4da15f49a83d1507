"""tests/golden/sft: a small random Llama with a tokenizer and a chat template, and twenty steps of LoRA on conversations
with Transformers and PEFT. Run by make.py, after chat."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, get_linear_schedule_with_warmup

from chat_templates import CHATML
from oracle import GOLDEN, digits, made_by, write_json

FOLDER = GOLDEN / "sft"
SEED = 11
STEPS, RATE, DECAY, CLIP = 20, 2e-2, 0.01, 1.0
PAIRS = [
    ("Who are you?", "I am the assistant."),
    ("Is it cold in Oslo?", "The weather in Oslo is cold today."),
    ("How many planets are there?", "There are eight planets."),
    ("天气怎么样？", "天气很冷。"),
    ("Say one word.", "Oslo"),
    ("What is the question?", "The question of the user."),
]
TURNS = [
    [("Hi", "Hello there!"), ("And the answer?", "The answer is eight.")],
    [("你好", "你好，我是助手。"), ("去看书吗？", "我们一起去看书吧。")],
]


def conversations() -> list[dict]:
    rows = []
    for turns in [[pair] for pair in PAIRS] + TURNS:
        messages = []
        for question, answer in turns:
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        rows.append({"messages": messages})
    # A turn that is only read, and a system message.
    rows[6]["messages"][1]["weight"] = 0
    rows[7]["messages"].insert(0, {"role": "system", "content": "Answer in one sentence."})
    return rows


def tokenizer() -> PreTrainedTokenizerFast:
    named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_file=str(GOLDEN / "chat" / "bytelevel.json"), chat_template=CHATML, **named)


def encode(tok: PreTrainedTokenizerFast, row: dict) -> tuple[list[int], list[int]]:
    messages = [{key: value for key, value in message.items() if key != "weight"} for message in row["messages"]]
    found = tok.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = found["input_ids"], found["assistant_masks"]
    if any(message.get("weight") == 0 for message in row["messages"]):
        # Of two answers only the second run of ones is learned.
        last = len(mask) - mask[::-1].index(1)
        start = last
        while mask[start - 1]:
            start -= 1
        mask = [int(start <= at < last) for at in range(len(mask))]
    return ids, [token if learned else -100 for token, learned in zip(ids, mask, strict=True)]


def loss_of(model: torch.nn.Module, rows: list[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, int]:
    total, count = torch.zeros((), dtype=torch.float64), 0
    for ids, labels in rows:
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].double()
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(labels[1:]), reduction="sum")
        count += sum(label != -100 for label in labels[1:])
    return total, count


def train(model: torch.nn.Module, rows: list) -> dict:
    model.eval()
    trained = [p for p in model.parameters() if p.requires_grad]
    # As Trainer groups them: norms are not decayed.
    groups = [{"params": [p for p in trained if (p.ndim > 1) == wide], "weight_decay": DECAY if wide else 0.0} for wide in (True, False)]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=RATE)
    scheduler = get_linear_schedule_with_warmup(optimizer, 0, STEPS)
    curve = {"loss": [], "grad_norm": []}
    for _ in range(STEPS):
        total, count = loss_of(model, rows)
        (total / count).backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, CLIP)
        curve["loss"].append(total.item() / count)
        curve["grad_norm"].append(norm.item())
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    total, count = loss_of(model, rows)
    return {name: digits(values) for name, values in curve.items()} | {"final_loss": digits(total.item() / count)}


def make(minilm: Path, data: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    tok = tokenizer()
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=len(tok), hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=160, eos_token_id=tok.eos_token_id, pad_token_id=tok.pad_token_id,
        bos_token_id=None, tie_word_embeddings=True, initializer_range=0.3,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(FOLDER / "model")
    tok.save_pretrained(FOLDER / "model")
    rows = conversations()
    (FOLDER / "train.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    encoded = [encode(tok, row) for row in rows]
    start = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    start.peft_config["default"].base_model_name_or_path = "../model"
    with torch.no_grad():
        for name, parameter in start.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    start.save_pretrained(FOLDER / "start")
    (FOLDER / "start" / "README.md").unlink(missing_ok=True)
    for written in FOLDER.glob("*/*.safetensors"):
        written.chmod(0o644)
    base = LlamaForCausalLM.from_pretrained(FOLDER / "model", dtype=torch.float64)
    lora = train(PeftModel.from_pretrained(base, FOLDER / "start", is_trainable=True).double(), encoded)
    full = train(LlamaForCausalLM.from_pretrained(FOLDER / "model", dtype=torch.float64), encoded)
    write_json(
        FOLDER / "golden.json",
        {
            "made_by": made_by("sft.py", SEED, {"loss_relative": 1e-4}),
            "note": "every step sees all rows; the loss is the mean over the tokens that are learned; float64",
            "plan": {"steps": STEPS, "learning_rate": RATE, "weight_decay": DECAY, "max_grad_norm": CLIP},
            "rows": [{"input_ids": ids, "labels": labels} for ids, labels in encoded],
            "lora": lora,
            "full": full,
        },
    )
