"""Training of the sentence reader (models/sentence_reader.py): noise, batches, fit, the stack."""
