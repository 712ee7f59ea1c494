"""The dialog pipeline: how one message is answered. Read `pipeline.py` first."""
