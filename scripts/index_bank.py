"""Builds the index of the response bank where it is missing or stale; `--force` builds it anew."""

from __future__ import annotations

import argparse
import shutil
import sys

from app.errors import StartupError
from app.serving.versions.indexing import load_retriever
from app.serving.versions.loading import load_encoder
from app.settings import load_settings


def main() -> int:
    """Parse, build, say which version stands."""
    parser = argparse.ArgumentParser(prog="scripts/build_index", description=__doc__)
    parser.add_argument("--force", action="store_true", help="also when the index is up to date")
    options = parser.parse_args()
    try:
        settings = load_settings()
        if options.force:
            shutil.rmtree(settings.var_dir / "index", ignore_errors=True)
        encoder = load_encoder(settings)
        retriever = load_retriever(settings, encoder)
    except StartupError as error:
        print(f"scripts/build_index: {error.detail}", file=sys.stderr)
        return 1
    print(f"index {retriever.version} in {settings.var_dir / 'index'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
