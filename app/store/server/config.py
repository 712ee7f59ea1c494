"""What the private Redis is started with: its configuration, and the memory that it may take."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_MEMORY_SHARE = 0.5
_GROUPS, _OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_CONFIG = """\
# Written at every start; change nothing here.
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
logfile {log}
databases 16
# What was acknowledged is on the disk.
appendonly yes
appendfsync always
aof-load-truncated yes
save ""
# A value that was made elsewhere (DUMP, RESTORE) is looked through before it is taken.
sanitize-dump-payload clients
# What was kept is never thrown out for what comes later: beyond the bound nothing is taken.
maxmemory-policy noeviction
maxmemory {memory}
"""


def config_text(socket: Path, folder: Path, log: Path, memory: int) -> str:
    """The file of its configuration; `memory`: bytes that its data may take."""
    return _CONFIG.format(
        socket=_quoted(socket), folder=_quoted(folder), log=_quoted(log), memory=memory
    )


def memory_max(groups: Path = _GROUPS, own: Path = _OWN_GROUP) -> int:
    """Bytes that the data may take; a server that was ended for want of memory serves nobody.

    Half of the machine's memory, or of the least that a control group of this process, or one
    around it, may have: the models and a rewrite of the append-only file need the other half.

    Args:
        groups, own: where control groups (v2) are, and the file that names this process's.
    """
    allowed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        name = own.read_text("ascii").strip().rpartition("::")[2].strip("/")
    except (OSError, ValueError):
        name = ""
    for folder in (groups / name, *(groups / name).parents):
        with contextlib.suppress(OSError, ValueError):  # "max", or no such file
            allowed = min(allowed, int((folder / "memory.max").read_text("ascii")))
        if folder == groups:
            break
    return int(_MEMORY_SHARE * allowed)


def _quoted(path: Path) -> str:
    """A path as redis.conf reads it."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
