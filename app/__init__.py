"""Kindred's application: web, dialog, serving, store and experiments, wired by `app.factory`."""
