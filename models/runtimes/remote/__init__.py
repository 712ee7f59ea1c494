"""Models behind HTTP: the contracts of `models.contracts`, kept by asking a service.

    RemoteEncoder    POST /embed                                      text-embeddings-inference
    RemoteReranker   POST /rerank                                     text-embeddings-inference
    RemoteGenerator  POST /v1/completions or /v1/chat/completions     vLLM, OpenAI

Each holds a `Client` (several requests at once, one deadline, what may be repeated, a `Breaker`)
over an `Endpoint`; what goes wrong is a `RemoteError`, drawn in `errors`.
"""

from models.runtimes.remote.breaker import Breaker
from models.runtimes.remote.client import Client
from models.runtimes.remote.encoder import RemoteEncoder
from models.runtimes.remote.endpoint import Endpoint
from models.runtimes.remote.errors import RemoteError
from models.runtimes.remote.generator import Dialect, RemoteGenerator
from models.runtimes.remote.reranker import RemoteReranker

__all__ = [
    "Breaker",
    "Client",
    "Dialect",
    "Endpoint",
    "RemoteEncoder",
    "RemoteError",
    "RemoteGenerator",
    "RemoteReranker",
]
