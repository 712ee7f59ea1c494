"""Training of the sentence encoder on pairs of texts (Reimers and Gurevych 2019)."""
