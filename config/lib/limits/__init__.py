"""Rate limits: how often a key, an organization, a network or a user may do something.

A sliding window of slices (rules, window) counts either in Redis for all processes together
(shared) or in this process for its share (limiter chooses). Never too generous: no window of the
length that a rule names ever holds more than its quota.
"""
