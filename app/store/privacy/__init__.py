"""What people may ask of what is kept of them, and how it ends."""
