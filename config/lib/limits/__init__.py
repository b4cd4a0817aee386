"""Rate limits for keys, organizations, networks and people.

Counts are kept in sliding windows of slices (`rules`, `window`). `limiter` counts in Redis for all
processes together (`shared`), or in this process for its share. A limit is never exceeded: no
window of a rule's length ever holds more than its quota.
"""
