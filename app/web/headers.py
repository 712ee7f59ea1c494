"""What every response says to browsers, unless it says otherwise itself (OWASP Secure Headers)."""

from __future__ import annotations

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
# A year of https only (RFC 6797); of this name alone, since its sisters may not be ours.
_HSTS = "max-age=31536000"


def secure(response: Response, request: Request) -> None:
    """Add the headers that are not there yet; HSTS only where the request came by https."""
    given = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - pairs otherwise
    for name, value in _ITEMS:
        if name.lower() not in given:
            response.headers.add(name, value)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = _HSTS
