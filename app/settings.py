"""Typed settings from the environment (`KINDRED_*`, and `REDIS_URL`), validated at start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import StartupError

Milliseconds = Annotated[int, Field(ge=1, le=60_000)]


class Settings(BaseSettings):
    """All that can be configured; every field is the variable `KINDRED_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="KINDRED_", extra="ignore", frozen=True)

    # Where things are
    var_dir: Path = Path("var")
    data_dir: Path = Path("data")
    artifacts_dir: Path = Path("artifacts")
    redis_url: str = Field(default="", validation_alias="REDIS_URL")
    keystore_url: str = ""  # empty: sqlite in var/keys; or another Redis: redis://…
    partitions: int = Field(default=64, ge=1, le=256)
    redis_timeout_ms: Milliseconds = 2_000
    redis_max_mb: int = Field(default=0, ge=0, le=16_777_216)  # of the private one; 0: half of all
    redis_wait_seconds: float = Field(default=30.0, ge=0, le=600)  # for it, at the start
    redis_replicas: int = Field(default=0, ge=0, le=8)  # that must have what is acknowledged
    redis_replica_ms: Milliseconds = 200  # how long they are waited for
    redis_trusted: bool = False  # accept a managed Redis that does not show its configuration

    # What is kept
    turns_max: int = Field(default=60, ge=4, le=1_000)  # turns of one conversation
    turn_tokens_max: int = Field(default=4_000, ge=200, le=100_000)
    conversations_max: int = Field(default=200, ge=1, le=10_000)
    facts_max: int = Field(default=100, ge=0, le=1_000)
    tastes_max: int = Field(default=32, ge=0, le=256)
    retention_days: float = Field(default=90.0, gt=0, le=3_650)  # of conversations and memories
    reaction_days: float | None = Field(default=None, gt=0)  # of replies and reactions
    export_days: float | None = Field(default=None, gt=0)  # of days in var/dataset
    opened_days: float = Field(default=7.0, gt=0, le=365)  # of files with people's texts in clear
    reject_days: float = Field(default=30.0, gt=0, le=3_650)  # of what an import refused
    log_days: float = Field(default=30.0, gt=0, le=3_650)
    backup_days: float = Field(default=30.0, gt=0, le=365)  # of copies of the data
    key_backup_days: float = Field(default=7.0, gt=0, le=365)  # of copies of the keys: short-lived
    idempotency_hours: float = Field(default=24.0, ge=24.0, le=720)
    spool_mb: int = Field(default=16, ge=1, le=1_024)  # of one worker, while Redis is away
    spool_entries: int = Field(default=100_000, ge=1, le=1_000_000)
    events_max: int = Field(default=100_000, ge=1_000)  # entries of one partition's stream

    # Models
    generator: str = ""  # path, hub id, or a service's URL; empty: artifacts/generator
    reranker: str = ""
    encoder: str = ""
    runtime: Literal["auto", "openvino", "torch", "onnx"] = "auto"  # auto: by device and CPU
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    threads: int = Field(default=0, ge=0, le=256)  # of each model; 0: from the cores and workers
    workers: int = Field(default=1, ge=1, le=64)  # processes; gunicorn.conf.py sets it
    batching: Literal["auto", "coalesce", "single"] = "auto"  # auto: by device
    concurrency: Literal["auto", "free", "turns"] = "auto"  # of the models on the cores
    cache_mb: int = Field(default=64, ge=0, le=65_536)  # of one worker, vectors and scores; 0: none
    context_tokens: int = Field(default=100, ge=16, le=900)
    new_tokens: int = Field(default=40, ge=1, le=100)
    temperature: float = Field(default=0.6, gt=0, le=2)
    logprob_min: float = Field(default=-1.5, le=0)  # nats a token, below: kept back as unsure
    top_p: float = Field(default=0.9, gt=0, le=1)
    top_k: int = Field(default=40, ge=0, le=1_000)
    screens: Literal["required", "optional"] = "required"  # the readers of artifacts_dir

    # Models behind HTTP: where generator, reranker or encoder is an http(s) URL
    generator_key: str = Field(default="", repr=False)  # sent as a Bearer token, to each its own
    reranker_key: str = Field(default="", repr=False)
    encoder_key: str = Field(default="", repr=False)
    remote_model: str = ""  # of the generator's service; empty: the one that it has
    remote_form: Literal["completions", "chat"] = "completions"
    remote_extensions: bool = False  # it takes vLLM's top_k and repetition_penalty
    remote_logprobs: bool = True  # it gives log-probabilities; logprob_min screens by them
    remote_version: str = ""  # of the encoder's and reranker's weights, where it tells none
    remote_timeout_ms: Milliseconds = 400

    # Answering
    chat_deadline_ms: Milliseconds = 800
    gather_deadline_ms: Milliseconds = 450
    rank_deadline_ms: Milliseconds = 200
    finish_deadline_ms: Milliseconds = 50
    reaction_deadline_ms: Milliseconds = 500  # then the spool takes it
    latency_objective_ms: Milliseconds | None = None  # of 95 % of replies; none: chat_deadline_ms
    retrieval_k: int = Field(default=10, ge=1, le=100)
    candidates_max: int = Field(default=10, ge=0, le=32)
    candidates_pinned: int | None = Field(default=None, ge=0, le=32)
    exploration: float = Field(default=0.05, ge=0, le=0.5)
    notice_hours: float = Field(default=3.0, gt=0, le=3)  # of talk between break reminders
    in_flight_max: int = Field(default=256, ge=1, le=10_000)  # requests of one worker
    hang_seconds: float = Field(default=20.0, ge=0.5, le=600)  # of a batch: the worker is replaced

    # People and administrators
    guests: bool = True
    guest_limit_per_minute: int = Field(default=120, ge=1, le=100_000)
    message_limit_per_minute: int = Field(default=1_200, ge=1, le=100_000)  # of one person
    person_in_flight_max: int = Field(default=32, ge=1, le=10_000)  # messages of one at once
    address_limit_per_minute: int = Field(default=6_000, ge=1, le=1_000_000)  # messages of one
    request_limit_per_minute: int = Field(default=3_000, ge=1, le=100_000)  # others, of one person
    export_limit_per_minute: int = Field(default=3, ge=1, le=1_000)  # of one person
    wrong_key_limit_per_minute: int = Field(default=10, ge=1, le=1_000)  # API keys, of one address
    token_hours: float = Field(default=24.0 * 30, gt=0, le=24 * 366)
    metrics_open: bool = True  # false: /metrics asks for a key with the scope operate
    admin_key: str = Field(default="", repr=False)  # empty: made once, in var/admin_key
    jwt_secret: str = Field(default="", repr=False)  # empty: made once, in var/jwt_secret
    jwks_url: str = ""  # of an identity provider whose tokens are accepted too
    jwks_file: Path | None = None  # its keys as a file instead
    jwt_issuer: str = ""  # what its tokens say in iss, exactly
    jwt_audience: str = ""  # what its tokens name in aud, alone or among others
    jwt_algorithms: str = "RS256"  # of RS256, PS256, ES256; several with commas
    master_key: str = Field(default="", repr=False)  # empty: made once, in var/master_key
    proxies: int = Field(default=0, ge=0, le=5)  # trusted proxies in front (X-Forwarded-For)

    # HTTP
    message_chars_max: int = Field(default=2_000, ge=1, le=20_000)
    body_bytes_max: int = Field(default=256 * 1024, ge=1_024, le=16 * 1024 * 1024)
    body_seconds_max: float = Field(default=10.0, gt=0, le=120)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def generator_path(self) -> str:
        """Where the generator is: a folder or a hub id."""
        return self.generator or str(self.artifacts_dir / "generator")

    @property
    def reranker_path(self) -> str:
        """Where the reranker is: a folder or a hub id."""
        return self.reranker or str(self.artifacts_dir / "reranker")

    @property
    def kept_reaction_days(self) -> float:
        """Days that replies and reactions are kept: no longer than the key that opens them."""
        return min(self.reaction_days or self.retention_days, self.retention_days)

    @property
    def kept_export_days(self) -> float:
        """Days that exported rows are kept: no longer than the key that opens them."""
        return min(self.export_days or self.retention_days, self.retention_days)

    @property
    def retention_seconds(self) -> int:
        """How long a conversation is kept after its last turn."""
        return int(self.retention_days * 86_400)


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        StartupError: one line that names each variable that is wrong, and why.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = str(item["loc"][0])
            variable = name if name.isupper() else f"KINDRED_{name.upper()}"
            problems.append(f"{variable}: {item['msg']} (got {item.get('input')!r})")
        raise StartupError("; ".join(problems)) from None
