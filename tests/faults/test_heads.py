"""What the head of a request may not do: choose another path, name another site, end in a 500."""

from __future__ import annotations

import pytest

from tests.faults.service import Service

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "Script_Name", "PATH_INFO"])
def test_no_header_says_which_path_is_asked_for(service: Service, name: str) -> None:
    # A proxy on this machine that closes /metrics sees /x/metrics, and would let it through.
    assert service.call("GET", "/x/metrics", headers={name: "/x"}).status == 404
    assert service.call("GET", "/livez", headers={name: "/elsewhere"}).status == 200


def test_a_redirect_stays_on_this_site(service: Service) -> None:
    answer = service.call("GET", "/admin", headers={"Host": "evil.example"})
    assert answer.status == 308
    assert answer.headers["location"] == "/admin/"
    assert "evil" not in answer.text


@pytest.mark.faults(29)
@pytest.mark.parametrize("sent", ["Basic \xff", "Basic !", 'Digest a="', "Bearer \xff.\xff.\xff"])
def test_an_authorization_that_nobody_can_read_is_401(service: Service, sent: str) -> None:
    answer = service.call("GET", "/v1/conversations", headers={"Authorization": sent})
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
