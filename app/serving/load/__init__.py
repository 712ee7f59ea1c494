"""How many candidates a request may have, who is let in, and how models share few cores."""
