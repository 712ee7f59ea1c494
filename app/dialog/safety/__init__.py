"""The input screen: what must be answered with care or a boundary before any model is asked.

reader      InputScreen: the rules, and two learned readers beside them
verdict     how what the three say is weighed, where the sentence reader answers
messages    Reading: what a message speaks of (care/protocol.py answers it)
crisis/     danger of suicide or self-harm: oneself, another, a loss
abuse, minors, tricks    the other things that rules look for
families, words          how phrases are written, and the one spelling they are written in
"""

from app.dialog.safety.messages import Danger, Reading, Trick, is_crisis
from app.dialog.safety.reader import InputScreen

__all__ = ["Danger", "InputScreen", "Reading", "Trick", "is_crisis"]
