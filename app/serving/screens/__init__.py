"""The learned readers that messages and machines' lines pass."""
