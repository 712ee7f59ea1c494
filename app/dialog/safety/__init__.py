"""The input screen: what must be answered with care or a boundary before any model is asked."""

from app.dialog.safety.messages import Alarm, Reading, is_crisis, screen

__all__ = ["Alarm", "Reading", "is_crisis", "screen"]
