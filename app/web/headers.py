"""What every response says to browsers, unless it says otherwise itself (OWASP Secure Headers)."""

from __future__ import annotations

import re

from flask import Request, Response

_FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "usb",
)
_DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in _FEATURES),
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_ITEMS = tuple(_DEFAULTS.items())
_ORIGIN = re.compile(r"\A(?:\w+://[^/?]*)?/*")
# A year of https only (RFC 6797); of this name alone, since its sisters may not be ours.
_HSTS = "max-age=31536000"


def stay(response: Response) -> None:
    """Keep a redirect, which only leads to the one spelling of a path, within this origin.

    Werkzeug writes the Host that was sent into it.
    """
    there = response.headers.get("Location")
    if there is None or not 300 <= response.status_code < 400:
        return
    response.data = b""
    response.headers.pop("Content-Type", None)
    # One slash: with two at its beginning the rest would name a host.
    response.headers["Location"] = _ORIGIN.sub("/", there, count=1)


def secure(response: Response, request: Request) -> None:
    """Add the headers that are not there yet; HSTS only where the request came by https."""
    given = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - pairs otherwise
    for name, value in _ITEMS:
        if name.lower() not in given:
            response.headers.add(name, value)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = _HSTS
