"""Copies of the data and of the keys, apart from each other, and how they are put back.

files.py          a folder that appears whole, with hashes and counts
signatures.py     whether this installation made it
records.py        what is in it
backup_run.py     scripts/backup
restore_run.py    scripts/restore
retention.py      what lies in files for too long
retention_run.py  scripts/retention
"""
