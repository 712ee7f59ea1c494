"""Training of the linear text readers (models/text_reader.py): labelled texts, fit, thresholds."""
