"""A stock Django project with the peers, set up as their documentation says."""
