"""A stock Django project with the peers in it: what somebody gets who follows their documentation."""
