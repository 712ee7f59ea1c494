"""What Redis says when it does not do as asked: whose fault that is decides what becomes of it."""

from __future__ import annotations

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as TimedOut

from app.store.link.breaker import Outcome
from app.store.link.troubles import KINDS, REFUSED, kind_of, outcome_of


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL.", "busy"),
        ("UNKILLABLE Sorry the script already executed write commands", "busy"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", "denied"),
        ("NOAUTH Authentication required.", "denied"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "denied"),
        ("MOVED 3999 127.0.0.1:6381", "cluster"),
        ("ASK 3999 127.0.0.1:6381", "cluster"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "cluster"),
        ("CLUSTERDOWN Hash slot not served", "cluster"),
        ("LOADING Redis is loading the dataset in memory", "loading"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "disk-full"),
        ("MISCONF Redis is configured to save RDB snapshots", "disk"),
        ("NOREPLICAS Not enough good replicas to write.", "replicas"),
        ("MASTERDOWN Link with MASTER is down", "replicas"),
        ("READONLY You can't write against a read only replica.", "readonly"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "memory"),
        ("ERR Error running script: @user_script:1: -OOM command not allowed", "memory"),
        ("ERR user_script:12: attempt to compare nil with number", REFUSED),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", REFUSED),
    ],
)
def test_only_what_was_sent_is_refused_for_itself(said: str, kind: str) -> None:
    """All but REFUSED is trouble of the server's: what waits then is not to be put aside."""
    assert kind_of(BaseParser.parse_error(said)) == kind
    assert kind in KINDS


def test_what_speaks_against_the_server() -> None:
    assert outcome_of(kind_of(TimedOut("no answer"))) is Outcome.SLOW
    assert outcome_of(kind_of(Disconnected("reset"))) is Outcome.FAILED
    assert outcome_of("busy") is outcome_of("denied") is Outcome.FINE
