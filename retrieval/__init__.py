"""The response bank and its FAISS index; lists, strings and numpy arrays cross the border."""
