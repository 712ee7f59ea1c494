"""Row 38 at the real service: a fuzzer over its document, through gunicorn and over the network.

The same fuzzer without a network, and longer: `tests/app/web/test_openapi.py`. Texts and schedules:
`tests/app/web/test_text.py`, `tests/app/serving/batching/test_batcher_schedules.py`.
"""

from __future__ import annotations

import pytest
import schemathesis

from tests.app.web.test_openapi import fuzz_all
from tests.faults.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.faults(38)]

EXAMPLES = 12  # of each operation


def test_row_38_the_fuzzer_finds_no_5xx_and_nothing_undocumented(service: Service) -> None:
    worker, token = service.worker_pid, service.guest()
    reply = service.chat(token, "hello there").json
    known = {
        "reply_id": reply["reply_id"],
        "conversation_id": reply["conversation_id"],
        "key": "fuzzed",
        "name": "icon.svg",
    }
    headers = {"Authorization": f"Bearer {token}", "X-API-Key": service.admin_key}
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    unforeseen = service.log().count("unforeseen")
    assert fuzz_all(schema, headers, known, EXAMPLES) >= 33
    assert service.call("GET", "/v1/conversations", token).status == 401  # let in until the last
    assert service.log().count("unforeseen") == unforeseen
    assert service.worker_pid == worker
    other = service.guest()
    assert service.chat(other, "and now?").json["degraded"] is False
