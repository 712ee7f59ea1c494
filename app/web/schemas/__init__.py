"""What goes in and out over HTTP: one file for each kind of thing, as the blueprints have it."""
