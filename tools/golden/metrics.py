"""tests/golden/metrics.json: classification metrics from scikit-learn on random predictions. Run by make.py."""

import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, matthews_corrcoef, precision_score, recall_score

from oracle import GOLDEN, made_by, write_json

SEED = 20261104
AVERAGED = {"f1": f1_score, "precision": precision_score, "recall": recall_score}


def averages(truth: list[int], predicted: list[int], labels: list[int]) -> dict:
    """`*_present` leaves out classes that neither list holds (scikit-learn's default); the others count them as 0."""
    values = {}
    for name, score in AVERAGED.items():
        for average in ("macro", "weighted"):
            values[f"{average}_{name}"] = score(truth, predicted, labels=labels, average=average, zero_division=0)
        values[f"macro_{name}_present"] = score(truth, predicted, average="macro", zero_division=0)
        if len(labels) == 2:
            values[f"binary_{name}"] = score(truth, predicted, average="binary", pos_label=1, zero_division=0)
    return {name: float(value) for name, value in values.items()}


def case(name: str, classes: int, truth, predicted) -> dict:
    truth, predicted, labels = [int(v) for v in truth], [int(v) for v in predicted], list(range(classes))
    return {
        "name": name,
        "num_labels": classes,
        "truth": truth,
        "predicted": predicted,
        "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),
        "accuracy": float(accuracy_score(truth, predicted)),
        "matthews_correlation": float(matthews_corrcoef(truth, predicted)),
    } | averages(truth, predicted, labels)


def noisy(random: np.random.Generator, truth: np.ndarray, classes: int, kept: float) -> np.ndarray:
    return np.where(random.random(len(truth)) < kept, truth, random.integers(0, classes, len(truth)))


def cases() -> list[dict]:
    random = np.random.default_rng(SEED)
    made = []
    for classes, rows, kept in ((2, 40, 0.6), (2, 101, 0.0), (3, 50, 0.5), (5, 80, 0.7), (20, 60, 0.8)):
        truth = random.integers(0, classes, rows)
        made.append(case(f"random_{classes}_of_{rows}", classes, truth, noisy(random, truth, classes, kept)))
    skewed = (random.random(90) < 0.1).astype(int)
    made.append(case("skewed_binary", 2, skewed, noisy(random, skewed, 2, 0.8)))
    some = random.choice([0, 2, 3], 40)
    made.append(case("class_absent_everywhere", 5, some, noisy(random, some, 1, 0.7)))
    made.append(case("class_never_predicted", 3, random.integers(0, 3, 30), random.integers(0, 2, 30)))
    made.append(case("class_only_predicted", 3, random.integers(0, 2, 30), random.integers(0, 3, 30)))
    made.append(case("one_prediction_binary", 2, random.integers(0, 2, 25), np.zeros(25)))
    made.append(case("no_positive_at_all", 2, np.zeros(10), np.zeros(10)))
    made.append(case("all_right", 3, np.arange(12) % 3, np.arange(12) % 3))
    made.append(case("all_wrong", 2, np.arange(12) % 2, 1 - np.arange(12) % 2))
    made.append(case("one_row", 3, [2], [2]))
    return made


def make(minilm: Path, data: Path) -> None:
    warnings.filterwarnings("ignore", module="sklearn")
    write_json(
        GOLDEN / "metrics.json",
        {
            "made_by": made_by("metrics.py", SEED, {"absolute": 1e-12}, ("scikit-learn", "numpy")),
            "note": "confusion[i][j] counts rows of class i predicted as j; an undefined score is 0; "
            "macro_*_present averages only over classes that occur in truth or predicted",
            "cases": cases(),
        },
    )
