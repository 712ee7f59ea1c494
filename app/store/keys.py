"""Every Redis key name, once.

All keys of a person and their partition's streams share the hash tag `{pNN}`, so that one script
touches one slot of a Redis Cluster. Names carry ids and digests only, never a text.

| key | type | holds |
|---|---|---|
| `person:<user>` | hash | generation, state (live, erased), created; seen, since, sealed traits |
| `conversations:<user>` | zset | conversation ids by time of the last turn |
| `conversation:<id>` | hash | user, times, seq, tokens; sealed feeling and marks |
| `turns:<id>` | list | `<seq> <tokens> <turn id> <sealed turn>`, in order |
| `facts:<user>` | hash | digest of the slot → `<created> <fact id> <sealed fact>` |
| `tastes:<user>` | hash | reply id → `<created> <sealed taste>` |
| `recent:<user>` | list | Kindred's last lines to this person, sealed, newest first |
| `impression:<reply>` | hash | ids, variants, reaction; sealed body and comment |
| `idempotency:<digest>` | hash | fingerprint, state, lease, attempt, saved turn or sealed answer |
| `owned:<user>` | zset | names of the person's other keys by time of expiry, for erasure |
| `events` | stream | every impression, reaction, judgement and feeling of the partition |
| `safety:<year-month>` | hash | `<day>:<event>` → how often; of nobody, so kept longer |
| `safety:writer:<id>` | string | the last batch of counts that a process has added |
| `reactions` | stream | the reactions and judgements of `events` again, under the same ids |
| `withdrawn` | zset | ids of entries that erasures took out of `events`, by their milliseconds |
| `subject:<digest>` | string | the person whom an identity provider calls so (keyed digest) |
| `key:<prefix>` | hash | an API key: name, scopes, digest of the secret, times |
| `session:<digest>` | hash | an administrator's session: key, digest of its secret, times |
"""

from __future__ import annotations

import hashlib

from app.store import ids

PREFIX = "kindred:"
FLAG_DEFINITIONS = f"{PREFIX}{{flags}}:definitions"
FLAG_STATES = f"{PREFIX}{{flags}}:states"
FLAG_VERSION = f"{PREFIX}{{flags}}:version"
PARTITIONS = f"{PREFIX}{{meta}}:partitions"  # the largest number of partitions ever used
ERASED = f"{PREFIX}{{meta}}:erased"  # names of the erasures that this data has seen, by time
SAFETY = f"{PREFIX}{{safety}}:"  # counts of the yearly report; no person is behind them
RESTORING = f"{PREFIX}{{meta}}:restoring"  # while a backup is being put back
JUDGES = f"{PREFIX}{{meta}}:judges"  # source of judgements → its pseudo-person
API_KEYS = f"{PREFIX}{{access}}:keys"  # prefixes of the API keys by time of making


def api_key(prefix: str) -> str:
    """The record of an API key."""
    return f"{PREFIX}{{access}}:key:{prefix}"


def session(name: str) -> str:
    """The record of an administrator's session; `name` is the digest of its id."""
    return f"{PREFIX}{{access}}:session:{name}"


def sessions(key: str) -> str:
    """The sessions of an API key by time of their end."""
    return f"{PREFIX}{{access}}:sessions:{key}"


def subject(partition: int, name: str) -> str:
    """Who an identity provider's subject is here; `name` is a keyed digest of it."""
    return f"{PREFIX}{{p{partition:02x}}}:subject:{name}"


def events(partition: int) -> str:
    """The stream of everything that happened in a partition."""
    return f"{PREFIX}{{p{partition:02x}}}:events"


def reactions(partition: int) -> str:
    """The stream of reactions and judgements only, for listing."""
    return f"{PREFIX}{{p{partition:02x}}}:reactions"


def withdrawn(partition: int) -> str:
    """The ids of the entries that erasures took out of the stream of events."""
    return f"{PREFIX}{{p{partition:02x}}}:withdrawn"


def idempotency(partition: int, owner: str, name: str) -> str:
    """The record of one caller's key; the caller's own string is digested, as it may say much."""
    digest = hashlib.sha256(f"{owner}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{PREFIX}{{p{partition:02x}}}:idempotency:{digest}"


class PersonKeys:
    """The keys of one person (NotFound where the id is malformed)."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.partition = ids.partition_of(user_id)
        self._tag = f"{PREFIX}{{p{self.partition:02x}}}:"
        self.person = f"{self._tag}person:{user_id}"
        self.conversations = f"{self._tag}conversations:{user_id}"
        self.facts = f"{self._tag}facts:{user_id}"
        self.tastes = f"{self._tag}tastes:{user_id}"
        self.recent = f"{self._tag}recent:{user_id}"
        self.owned = f"{self._tag}owned:{user_id}"
        self.events = events(self.partition)
        self.reactions = reactions(self.partition)

    def conversation(self, conversation_id: str) -> str:
        """The hash of one conversation."""
        return f"{self._tag}conversation:{conversation_id}"

    def turns(self, conversation_id: str) -> str:
        """The list of one conversation's turns."""
        return f"{self._tag}turns:{conversation_id}"

    def impression(self, reply_id: str) -> str:
        """The hash of one impression."""
        return f"{self._tag}impression:{reply_id}"

    def idempotency(self, name: str) -> str:
        """The record of one of the person's own idempotency keys."""
        return idempotency(self.partition, self.user_id, name)
