"""Limits: how often a key, an organization, a network or a person may do something.

What is counted is a sliding window of slices (rules, window), in Redis for all processes together (shared) or in this one
for its share (limiter chooses). Exact from above: no window of the length that a rule names ever holds more than its quota.
"""
