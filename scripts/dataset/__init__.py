"""The data of learning: the streams as a sealed Parquet dataset, and what comes from elsewhere.

schema.py      the columns                        manifest.py  what counts as exported, the lock
rows.py        a stream entry as a row            parts.py     files that appear whole or not at all
people.py      people by keyed hash, their keys   exporter.py  streams → parts → manifest → trim
erasure.py     who goes, and which files          reader.py    rows → examples, logged impressions

lines.py       JSON lines and CSV of any make     dialogs.py    records → dialogs
importing.py   the loop, counts, rejects          judgements.py records → examples
"""
