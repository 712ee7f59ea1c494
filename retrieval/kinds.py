"""Which FAISS index a number of rows gets: a table of kinds, pure.

Each is the simplest that answers within the hub's milliseconds at its size; the figures behind
the bounds stand in docs/retrieval.md.

    flat   compares with every row: exact, no build
    hnsw   a graph of near neighbours over full vectors (Malkov and Yashunin, 2016)
    ivf    inverted lists (Jégou, Douze and Schmid, 2011); rows as 4-bit codes that are scanned,
           and in 8 bits a dimension that decide
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FLAT_ROWS = 10_000  # up to here every row is compared
GRAPH_ROWS = 300_000  # up to here a graph, in full precision; beyond it lists
GPU_FLAT_ROWS = 2_000_000  # 3 GB at 384 dimensions; a GPU compares them all within the time
_LISTS_PER_ROOT = 8  # lists for each √rows, rounded to a power of two
_SAMPLE_PER_LIST = 32  # rows that k-means learns each list from
_KEPT = 60  # rows that the codes find for each one wanted
_PROBES_MAX = 768  # lists of a search: with more, 10⁷ rows take twice as long for 0.004 of recall


@dataclass(frozen=True, slots=True)
class Kind:
    """How rows are indexed and searched.

    Attributes:
        factory: FAISS's description of the index (`faiss.index_factory`).
        search: its search parameters, `name=value,…` (`faiss.ParameterSpace`); empty for none.
        lists: the number of inverted lists; 0 where there are none.
        gpu: whether FAISS can search it on a GPU.
    """

    name: str
    factory: str
    search: str = ""
    lists: int = 0
    gpu: bool = False

    @property
    def sample(self) -> int:
        """How many rows it is trained from; 0 where nothing is learned from the rows."""
        return self.lists * _SAMPLE_PER_LIST

    @property
    def refined(self) -> bool:
        """Whether the rows stand a second time beside the lists, in their order."""
        return "Refine" in self.factory


FLAT = Kind("flat", "Flat", gpu=True)
HNSW = Kind("hnsw", "HNSW32", "efSearch=128")


def ivf(lists: int, dimension: int, probes: int, kept: int = _KEPT) -> Kind:
    """Inverted lists of 4-bit codes, of which a search reads the `probes` nearest.

    The codes, one for every 4 dimensions (product quantisation scanned in registers; André,
    Kermarrec and Le Scouarnec, 2015), find `kept` rows for each one wanted; 8-bit copies of the
    rows say which of these are the nearest. The centroids are scanned as such codes too: where
    hundreds of lists are wanted, a graph over them takes several times as long.
    """
    each = next(n for n in (4, 2, 1) if dimension % n == 0)
    codes = f"PQ{dimension // each}x4fs"
    search = f"nprobe={probes},k_factor_rf={kept}"
    return Kind("ivf", f"IVF{lists}({codes}),{codes},Refine(SQ8)", search, lists)


def gpu_ivf(lists: int, probes: int) -> Kind:
    """Inverted lists of 8-bit rows: what FAISS has on GPUs, where neither graph nor codes are."""
    return Kind("ivf-gpu", f"IVF{lists},SQ8", f"nprobe={probes}", lists, gpu=True)


def lists_for(rows: int) -> int:
    """The power of two nearest to 8·√rows."""
    return 1 << round(math.log2(_LISTS_PER_ROOT * math.sqrt(max(1, rows))))


def probes_for(lists: int) -> int:
    """How many lists a search reads for recall@10 ≥ 0.95."""
    return min(lists // 20, _PROBES_MAX)


def kind_for(rows: int, dimension: int, *, gpu: bool = False) -> Kind:
    """The kind for a matrix (rows, dimension), searched on a GPU or by one CPU thread."""
    if rows <= (GPU_FLAT_ROWS if gpu else FLAT_ROWS):
        return FLAT
    if rows <= GRAPH_ROWS and not gpu:
        return HNSW
    lists = lists_for(rows)
    probes = probes_for(lists)
    return gpu_ivf(lists, probes) if gpu else ivf(lists, dimension, probes)
