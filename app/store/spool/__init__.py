"""What was promised while Redis was away: kept on this machine's disk, then told to Redis."""
