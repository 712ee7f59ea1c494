"""The engine that owns the models, and its parts.

`batching/`: many callers through one model. `load/`: how much each request may have. `versions/`:
which models are loaded. `screens/`: the learned readers beside them.
"""
