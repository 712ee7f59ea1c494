"""Many callers' items through one model, a batch at a time; nothing here knows a model."""
