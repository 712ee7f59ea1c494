"""The OpenAPI document equals the routes, and the routes keep what it says (faults, row 38)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from app.web.openapi import document
from tests.app.web.helpers import ADMIN_KEY, Edge, Person


def wrong_data_is_refused(context: Any, response: Any, case: Any) -> bool | None:
    """As schemathesis has it; what is longer than the server reads (414, 431) is refused too."""
    if response.status_code in (414, 431):
        return None
    return negative_data_rejection(context, response, case)


CHECKS = [
    allow_header_conformance,
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    wrong_data_is_refused,
    unsupported_method,
]


def operations(doc: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in doc["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_equals_the_routes(edge: Edge) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in edge.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    doc = edge.client.get("/openapi.json").json
    assert {(path, method) for path, method, _ in operations(doc)} == served
    assert doc == document(edge.app)


def test_the_document_is_whole(edge: Edge) -> None:
    doc = edge.client.get("/openapi.json").json
    assert doc["openapi"] == "3.1.0"
    for reference in references(doc):
        part: Any = doc
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
    names = [operation["operationId"] for _, _, operation in operations(doc)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(doc):
        assert operation["summary"]
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        statuses = set(operation["responses"])
        assert any(status.startswith("2") for status in statuses)
        assert "500" in statuses
        assert ("401" in statuses) == bool(operation["security"])
        assert ("requestBody" in operation) <= (method in {"POST", "PUT"})
        for status, response in operation["responses"].items():
            if status >= "4":
                assert set(response["content"]) == {"application/problem+json"}


def test_every_schema_is_a_schema_and_its_examples_fit(edge: Edge) -> None:
    doc = edge.client.get("/openapi.json").json
    examples = 0
    for name, schema in doc["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema)
        rooted = {"$ref": f"#/components/schemas/{name}", "components": doc["components"]}
        validator = jsonschema_rs.Draft202012Validator(rooted)
        for example in schema.get("examples", []):
            examples += 1
            validator.validate(example)
    assert examples >= 12


@pytest.mark.slow
@pytest.mark.faults(38)
def test_row_38_the_fuzzer_finds_no_5xx_and_nothing_undocumented(
    kindred: Edge, person: Person
) -> None:
    reply = person.say("hello")
    known = {
        "reply_id": reply["reply_id"],
        "conversation_id": reply["conversation_id"],
        "key": "generator",
        "name": "icon.svg",
    }
    headers = {"Authorization": f"Bearer {person.token}", "X-API-Key": ADMIN_KEY}
    schema = schemathesis.openapi.from_wsgi("/openapi.json", kindred.app)
    fuzzed = fuzz_all(schema, headers, known)
    assert fuzzed >= 33
    # Its token held until the last operation, which ended it.
    assert person("GET", "/v1/conversations").status_code == 401


# What ends the caller's own token comes last: behind it every answer is 401, and shows nothing.
ENDINGS = ("/v1/auth/revoke",)


def fuzz_all(
    schema: Any, headers: dict[str, str], known: dict[str, str], examples: int = 40
) -> int:
    """Fuzz every operation of a document but the erasure of whoever asks; how many there were."""
    found = schema.exclude(method="DELETE", path="/v1/me").get_all_operations()
    operations = sorted((one.ok() for one in found), key=lambda one: one.path in ENDINGS)
    assert operations[-1].path in ENDINGS
    for operation in operations:
        fuzz(operation, headers, known, examples)
    return len(operations)


def fuzz(
    operation: Any, headers: dict[str, str], known: dict[str, str], examples: int = 40
) -> None:
    """Fuzz one operation; `known`: ids that are there, by the parameter's name."""
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data(), mode=st.sampled_from(modes), real=st.booleans())
    def run(data: Any, mode: Any, real: bool) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if real and operation.method.upper() != "DELETE" and isinstance(case.path_parameters, dict):
            for name in set(case.path_parameters) & set(known):
                case.path_parameters[name] = known[name]
        # Judgements are refused one by one, in their results, and not as a whole.
        itemised = operation.path == "/admin/v1/reactions" and operation.method == "post"
        checks = [c for c in CHECKS if not (itemised and c is wrong_data_is_refused)]
        case.call_and_validate(headers=headers, checks=checks)

    run()
