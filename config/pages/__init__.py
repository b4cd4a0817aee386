"""What browsers need besides the apps' own pages.

The platform admin, the API reference, error pages, the Content-Security-Policy, and middleware that
API calls skip.
"""
