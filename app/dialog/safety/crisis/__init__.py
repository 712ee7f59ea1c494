"""Danger of suicide or self-harm, seen by rules: of oneself, of another, a loss.

`means` and `despair` are the phrases, `asides` what turns one aside, `rules` reads a message.
"""
