"""The head of a request: no more of it is read than anybody needs.

The server takes a hundred headers of eight kilobytes; to take apart a list of types or cookies of
that length would hold everybody up for a second, and is done before anybody knows who asks.
"""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import RequestHeaderFieldsTooLarge

CHARS_MAX = 16 * 1024  # of all headers: a token of ours has 4,096, a browser's cookies as many
_CONTENT_TYPE = "CONTENT_TYPE"  # WSGI names it without the prefix of the others
_PREFIX = "HTTP_"


def require_short() -> None:
    """Refuse a request whose headers have more than `CHARS_MAX` characters in all.

    Raises:
        RequestHeaderFieldsTooLarge: 431.
    """
    length = sum(
        len(value)
        for name, value in request.environ.items()
        if name.startswith(_PREFIX) or name == _CONTENT_TYPE
    )
    if length > CHARS_MAX:
        raise RequestHeaderFieldsTooLarge(
            f"The headers may have at most {CHARS_MAX} characters in all."
        )
