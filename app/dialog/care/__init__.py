"""What Kindred owes people whatever the models do: help in a crisis, honesty about itself, pauses.

`regions` (where to find help), `texts` (what is said), `protocol` (when), `notices` (what stands
beside a reply), `tally` (what is counted for the yearly report).
"""
