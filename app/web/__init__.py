"""HTTP only: one blueprint a file, with its schemas, auth and problem+json."""
