"""The definitions, as slow float64 loops: what the package is held against."""

import math

import numpy as np


def distances(rows, others=None, distance="cosine"):
    """d_ij by two loops over plain Python floats (complex rows welcome)."""
    rows = np.asarray(rows)
    wide = np.complex128 if np.iscomplexobj(rows) else np.float64
    rows = rows.astype(wide)
    others = rows if others is None else np.asarray(others).astype(wide)
    table = np.zeros((len(rows), len(others)))
    for i, x in enumerate(rows):
        for j, z in enumerate(others):
            if distance == "sqeuclidean":
                table[i, j] = float((np.abs(x - z) ** 2).sum())
                continue
            lengths = np.linalg.norm(x) * np.linalg.norm(z)
            # 1 - cos = |u - v|^2 / 2 loses nothing for close directions
            if lengths == 0:
                table[i, j] = 1.0
            else:
                gap = x / np.linalg.norm(x) - z / np.linalg.norm(z)
                table[i, j] = float((np.abs(gap) ** 2).sum()) / 2
    return table


def log_sum_exp(values):
    if not values:
        return -math.inf
    largest = max(values)
    return largest + math.log(math.fsum(math.exp(v - largest) for v in values))


def row_losses(
    rows,
    labels,
    temperature=1.0,
    distance="cosine",
    refs=None,
    ref_labels=None,
    ignore_index=-100,
    table=None,
):
    """(losses, anchors): the loss of each row, and which rows have one."""
    own = refs is None
    table = distances(rows, refs, distance) if table is None else table
    labels = [int(label) for label in labels]
    others = labels if own else [int(label) for label in ref_labels]
    losses, anchors = [], []
    for i, label in enumerate(labels):
        partners, rest = [], []
        for j, other in enumerate(others):
            if (own and i == j) or other == ignore_index:
                continue
            (partners if other == label else rest).append(-table[i, j] / temperature)
        anchor = label != ignore_index and bool(partners)
        anchors.append(anchor)
        loss = 0.0
        if anchor and rest:
            gap = log_sum_exp(rest) - log_sum_exp(partners)
            loss = max(gap, 0) + math.log1p(math.exp(-abs(gap)))
        losses.append(loss)
    return np.array(losses), np.array(anchors, dtype=bool)


def loss(rows, labels, **settings):
    """The mean over the anchors, 0 without any."""
    losses, anchors = row_losses(rows, labels, **settings)
    return float(losses[anchors].mean()) if anchors.any() else 0.0


def pair_gradient(table, labels, temperature):
    """d loss / d d_ij from the closed form (q_ij - p_ij) / (T |A|), full batch."""
    labels = np.asarray(labels)
    size = len(labels)
    gradient = np.zeros((size, size))
    anchors = 0
    for i in range(size):
        same = [j for j in range(size) if j != i and labels[j] == labels[i]]
        if not same:
            continue
        anchors += 1
        logits = {j: -table[i, j] / temperature for j in range(size) if j != i}
        all_sum = log_sum_exp(list(logits.values()))
        same_sum = log_sum_exp([logits[j] for j in same])
        for j, logit in logits.items():
            p = math.exp(logit - all_sum)
            q = math.exp(logit - same_sum) if j in same else 0.0
            gradient[i, j] = (q - p) / temperature
    return gradient / max(anchors, 1)


def sqeuclidean_gradient(rows, labels, temperature):
    """d loss / d rows for the squared Euclidean distance, by the chain rule."""
    rows = np.asarray(rows, dtype=np.float64)
    pairs = pair_gradient(distances(rows, None, "sqeuclidean"), labels, temperature)
    both = pairs + pairs.T
    return 2 * (both.sum(1, keepdims=True) * rows - both @ rows)


def cosine_gradient(rows, labels, temperature):
    """d loss / d rows for the cosine distance, by the chain rule; zero rows get 0."""
    rows = np.asarray(rows, dtype=np.float64)
    pairs = pair_gradient(distances(rows), labels, temperature)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(length > 0, length, 1)
    pull = -(pairs + pairs.T) @ unit
    tangent = pull - (pull * unit).sum(1, keepdims=True) * unit
    return np.where(length > 0, tangent / np.where(length > 0, length, 1), 0)
