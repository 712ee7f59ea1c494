"""What the installed packages are: pinned, hashed, and looked up for known weaknesses.

pins.py      the requirements files and the locks, read
locking.py   locks made anew from the requirements (./scripts/lock)
audit.py     every pin looked up, what is allowed and until when (./scripts/audit)
"""
