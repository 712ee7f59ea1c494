"""A time as people type it."""

from __future__ import annotations

import argparse
import re
import time
from datetime import UTC, datetime

_AGO = re.compile(r"(\d+(?:\.\d+)?)([dhm])")
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0}


def unix_seconds(text: str) -> float:
    """Unix seconds of an ISO date or time (UTC unless it says otherwise), or of `7d`, `12h`, `30m`.

    Raises:
        argparse.ArgumentTypeError: neither, or before 1970.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time() - float(ago[1]) * _SECONDS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a date or time (2026-01-31) nor an age (7d, 12h, 30m)"
        ) from None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if seconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is before 1970")
    return seconds
