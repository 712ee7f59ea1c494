"""Whether this installation made a backup: its manifest is signed under the master key.

Whoever can write where backups lie could else put a key of administrators into the data, or let a
token lead to somebody else's texts, and would have them after the next restore. The signature is of
the manifest, which has the hash of every file; the key that signs follows from the master key, and
of former masters the key store remembers theirs. Releases before this one did not sign.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from app.store.sealing.wrapping import Signer
from scripts.backups.files import Backup, BackupError, statement


def require_signed(backup: Backup, signers: Mapping[str, Signer], *, unsigned: bool) -> None:
    """Refuse a backup that none of these signed.

    Args:
        signers: by the fingerprints of their master keys; whose backups of that kind are taken.
        unsigned: take one without any signature, and say what that means; never one with a wrong
            signature.

    Raises:
        BackupError: one line that says what is wrong.
    """
    manifest = backup.manifest
    what = f"the {manifest.kind} of {manifest.made}"
    signer = signers.get(manifest.master)
    if signer is None:
        raise BackupError(
            f"{what} were sealed under another master key; put that one back first "
            "(KINDRED_MASTER_KEY, or var/master_key)"
        )
    if not manifest.signature:
        if not unsigned:
            raise BackupError(
                f"{what} have no signature: an earlier release made them, or somebody else. "
                "Nothing was put back (scripts/restore --help says what --unsigned means)"
            )
        print(
            f"UNSIGNED: nothing tells whether {what} are as they were made. Whoever could write "
            "where they lay may have added keys of administrators, or let their own token lead to "
            "somebody else's texts. They are taken on your word that nobody could.",
            file=sys.stderr,
        )
    elif not signer.signed(statement(manifest), manifest.signature):
        raise BackupError(
            f"{what} do not have the signature of this master key: {backup.folder} was altered, "
            "or somebody else made it. Nothing was put back"
        )
