"""Domain pretraining: a language model's own objectives, continued on conversations."""
