"""scripts/keys as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.settings import Settings
from app.store.access.api_keys import Scope, split
from app.store.store import Store
from app.telemetry import Metrics

ROOT = Path(__file__).parents[2]


def keys(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KINDRED_")}
    environment = {
        **kept,
        "REDIS_URL": settings.redis_url,
        "KINDRED_VAR_DIR": str(settings.var_dir),
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "keys"), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_keys_life(settings: Settings, store: Store) -> None:
    made = keys(settings, "create", "a lab", "--scope", "infer", "--scope", "operate")
    assert made.returncode == 0, made.stderr
    text = made.stdout.strip()  # alone, so that it can be piped to where secrets are kept
    prefix, digest = split(text) or ("", "")
    record = store.api_keys.find(prefix)
    assert record.scopes == {Scope.INFER, Scope.OPERATE}

    rotated = keys(settings, "rotate", prefix, "--overlap-hours", "1").stdout.strip()
    assert rotated != text
    listed = keys(settings, "list").stdout
    assert prefix in listed
    assert "two secrets hold" in listed
    for secret in (text, rotated):
        assert secret.split(".")[1] not in listed
    assert store.api_keys.find(prefix).holds(digest, record.created_at + 60)

    session_id, _ = store.sessions.open(prefix, digest)
    revoked = keys(settings, "revoke", prefix)
    assert revoked.returncode == 0
    assert "sessions ended with it: 1" in revoked.stdout
    assert store.sessions.use(session_id) is None
    assert store.api_keys.find(prefix).revoked_at is not None


def test_what_cannot_be_done_is_one_line(settings: Settings, store: Store) -> None:
    for arguments in (("revoke", "kindred_none"), ("rotate", "kindred_none"), ("logout", "x")):
        answer = keys(settings, *arguments)
        assert answer.returncode == 1
        assert answer.stderr.startswith("scripts/keys: There is no key")
        assert len(answer.stderr.splitlines()) == 1
    assert keys(settings, "create", "x", "--scope", "everything").returncode == 2


def test_the_master_key_is_replaced_by_command(settings: Settings, store: Store) -> None:
    person = store.people.create()
    path = settings.var_dir / "master_key"
    old = path.read_text()
    store.close()
    done = keys(settings, "rotate-master")
    assert done.returncode == 0, done.stderr
    assert f"the new master key, which is in {path}" in done.stdout
    assert path.read_text() != old
    for secret in (old, path.read_text()):
        assert secret.strip() not in done.stdout + done.stderr
    again = Store.open(settings, Metrics())
    assert again.ring.peek(person.user_id) is not None
    again.close()
