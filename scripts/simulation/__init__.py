"""Simulated people who chat with the real service: does it learn what they like?"""
