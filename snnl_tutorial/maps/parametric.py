"""A network that makes a map of its own, by t-SNE's objective. (chapter 15)"""

from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from snnl_tutorial.datasets.load import check_seed
from snnl_tutorial.learning.evaluation import as_array
from snnl_tutorial.loss.batch import check_embeddings, check_others
from snnl_tutorial.loss.checks import check_choice, check_integer, check_real
from snnl_tutorial.loss.distance import squared_euclidean_distance
from snnl_tutorial.loss.soft_nearest_neighbor import soft_nearest_neighbor_loss
from snnl_tutorial.maps.repeat import MapNetwork, scaling_of_rows
from snnl_tutorial.maps.tsne import (
    check_map_rows,
    check_perplexity,
    import_opentsne,
)

FORMS = ("infonce", "kl")


class ParametricMap:
    r"""t-SNE whose points are the outputs of a network, so that it places any row.

    Pairs (i, j) of neighbors are drawn by t-SNE's P, as many as a batch has; the places
    of all others in the batch stand for the rest. With the Cauchy kernel
    :math:`w_{ij} = 1 / (1 + |u_i - u_j|^2)` the loss of a batch is one of

    .. math:: \text{InfoNCE: } -\log \frac{w_{ij}}{\sum_{k \ne i} w_{ik}}, \qquad
              \text{KL: } -\log w_{ij} + \log \sum_{k \ne l} w_{kl}

    averaged over its pairs. The first is the soft nearest neighbor loss of the places,
    with "drawn as a pair" for "same class", at T = 1 and the distance
    :math:`\log(1 + |u_i - u_j|^2)`. The second is t-SNE's divergence but for a
    constant, with the sum over all pairs taken in the batch. (Parametric t-SNE: van der
    Maaten, 2009.)

    Args:
        hidden: width of each hidden layer, with ReLU.
        form: `"infonce"` or `"kl"`.
        perplexity: to how many neighbors a row looks.
        steps: updates of the weights.
        batch_size: pairs of a step.
        learning_rate: of Adam; it falls to 0 as a cosine.
        seed: of the first weights and the pairs.
        verbose: whether to show a progress bar, if stderr is a terminal.

    Raises:
        ValueError: an unknown form, a number out of range.
        TypeError: a number of a wrong type.

    Example:
        >>> rows = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
        >>> parametric = ParametricMap(hidden=(32,), steps=20).fit(rows)
        >>> parametric.transform(rows[:3]).shape
        torch.Size([3, 2])

    Derived in chapter 15.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (256, 256, 256),
        form: str = "infonce",
        perplexity: float = 30.0,
        steps: int = 2000,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
        verbose: bool = True,
    ) -> None:
        check_choice(form, FORMS, "form")
        self.hidden = hidden
        self.form = form
        self.perplexity = check_real(perplexity, "perplexity", least=1)
        self.steps = check_integer(steps, "steps", least=1)
        self.batch_size = check_integer(batch_size, "batch_size", least=2)
        self.learning_rate = check_real(learning_rate, "learning_rate", least=0)
        self.seed = check_seed(seed)
        self.verbose = verbose

    def fit(self, rows: Tensor) -> "ParametricMap":
        """Train a network on these rows, (N, D) real floating."""
        check_map_rows(rows, "rows")
        check_perplexity(self.perplexity, len(rows))
        self.scaling = scaling_of_rows(rows, "columns")
        torch.manual_seed(self.seed)
        self.network = MapNetwork(rows.shape[1], self.hidden, "relu", "linear").to(rows)
        optimizer = torch.optim.Adam(self.network.parameters(), self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        scaled, neighbors = self.scaling.apply(rows), NeighborPairs(rows, self)
        silent = None if self.verbose else True  # None: tqdm looks for a terminal
        for _ in tqdm(range(self.steps), "parametric map", leave=False, disable=silent):
            pairs = neighbors.draw(self.batch_size).to(rows.device)
            loss = pair_loss(self.network(scaled[pairs.flatten()]), self.form)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return self

    @torch.no_grad()
    def transform(self, rows: Tensor, batch_size: int = 10_000) -> Tensor:
        """Place rows, (M, D) of the kind of the fitted ones: (M, 2) on the CPU."""
        if not hasattr(self, "network"):
            raise ValueError("this map is not fitted; call fit first")
        check_others(rows, self.scaling.offset, "rows", "the fitted rows")
        check_embeddings(rows, "rows")
        parts = rows.split(check_integer(batch_size, "batch_size", least=1))
        return torch.cat([self.network(self.scaling.apply(x)).cpu() for x in parts])


class NeighborPairs:
    """Pairs of rows, drawn by t-SNE's probabilities P."""

    def __init__(self, rows: Tensor, settings: ParametricMap) -> None:
        p = import_opentsne().affinity.PerplexityBasedNN(
            as_array(rows, "rows"),
            settings.perplexity,
            n_jobs=1,
            random_state=settings.seed,
        )
        table = p.P.tocoo()
        self.pairs = torch.stack([torch.from_numpy(x).long() for x in table.coords])
        self.cumulated = torch.from_numpy(table.data).double().cumsum(dim=0)
        self.generator = torch.Generator().manual_seed(settings.seed)

    def draw(self, count: int) -> Tensor:
        """(2, count) int64: rows, and a neighbor of each."""
        chance = torch.rand(count, generator=self.generator, dtype=torch.float64)
        drawn = torch.searchsorted(self.cumulated, chance * self.cumulated[-1])
        return self.pairs[:, drawn.clamp(max=self.pairs.shape[1] - 1)]


def cauchy_distance(rows: Tensor, others: Tensor) -> Tensor:
    """log(1 + d): exp(-this) is the Cauchy kernel."""
    return squared_euclidean_distance(rows, others).log1p()


def pair_loss(places: Tensor, form: str) -> Tensor:
    """The loss of (2 B, 2) places, of which i and B + i are a pair, 0-d."""
    pair = torch.arange(len(places) // 2, device=places.device).repeat(2)
    if form == "infonce":
        return soft_nearest_neighbor_loss(
            places, pair, temperature=1.0, distance=cauchy_distance
        )
    logits = -cauchy_distance(places, places)
    same = pair == pair[:, None]  # each with itself, too
    attraction = logits[same].sum() / len(places)  # log w of a place with itself is 0
    return logits.masked_fill(same, -torch.inf).logsumexp(dim=(0, 1)) - attraction
