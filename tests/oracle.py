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
    temperature=0.1,
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


def pair_gradient(table, labels, temperature, ref_labels=None, ignore_index=-100):
    """d loss / d d_ij from the closed form (q_ij - p_ij) / (T |A|)."""
    own = ref_labels is None
    labels = [int(label) for label in labels]
    others = labels if own else [int(label) for label in ref_labels]
    gradient, anchors = np.zeros((len(labels), len(others))), 0
    for i, label in enumerate(labels):
        logits = {
            j: -table[i, j] / temperature
            for j, other in enumerate(others)
            if other != ignore_index and not (own and i == j)
        }
        same = [j for j in logits if others[j] == label]
        if label == ignore_index or not same:
            continue
        anchors += 1
        all_sum = log_sum_exp(list(logits.values()))
        same_sum = log_sum_exp([logits[j] for j in same])
        for j, logit in logits.items():
            p = math.exp(logit - all_sum)
            q = math.exp(logit - same_sum) if j in same else 0.0
            gradient[i, j] = (q - p) / temperature
    return gradient / max(anchors, 1)


def gradients(rows, labels, temperature, distance="cosine", refs=None, **settings):
    """d loss / d rows, d refs (`None` without any) and d T, by the chain rule.

    Of real rows; a row of zeros gets 0 for the cosine distance.
    """
    rows = np.asarray(rows, dtype=np.float64)
    others = rows if refs is None else np.asarray(refs, dtype=np.float64)
    table = distances(rows, others, distance)
    pairs = pair_gradient(table, labels, temperature, **settings)
    if distance == "sqeuclidean":
        forces = 2 * pairs[:, :, None] * (rows[:, None] - others)  # (N, M, D)
        of_rows, of_others = forces.sum(1), -forces.sum(0)
    else:
        (u, a), (v, b) = directions(rows), directions(others)
        of_rows, of_others = across(-pairs @ v, u) / a, across(-pairs.T @ u, v) / b
    of_temperature = -(pairs * table).sum() / temperature
    if refs is None:
        return of_rows + of_others, None, of_temperature
    return of_rows, of_others, of_temperature


def directions(rows):
    """Unit rows, and the lengths; (0, inf) for a row of zeros."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    length = np.where(length > 0, length, np.inf)
    return rows / length, length


def across(gradient, unit):
    """What is perpendicular to the unit row."""
    return gradient - (gradient * unit).sum(1, keepdims=True) * unit


def sqeuclidean_gradient(rows, labels, temperature):
    """d loss / d rows for the squared Euclidean distance."""
    return gradients(rows, labels, temperature, "sqeuclidean")[0]


def cosine_gradient(rows, labels, temperature):
    """d loss / d rows for the cosine distance."""
    return gradients(rows, labels, temperature, "cosine")[0]
