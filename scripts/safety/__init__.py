"""The learned reader of the input screen: its training, and the measuring of the screens."""
