"""Names of models on a hub: `owner/name`, or `owner/name@commit`, which never changes."""

from __future__ import annotations

import re

DEFAULT_REVISION = "main"
_NAME = re.compile(r"^(?P<name>[^@]+)@(?P<revision>[A-Za-z0-9][A-Za-z0-9._-]*)$")


def split_revision(hub_id: str) -> tuple[str, str]:
    """The name and the revision to load: the one after the `@`, else the hub's newest.

    A commit's hash (7 to 40 hexadecimal digits) pins the very files; a branch or a tag can move.
    """
    match = _NAME.match(hub_id)
    return (match["name"], match["revision"]) if match else (hub_id, DEFAULT_REVISION)
