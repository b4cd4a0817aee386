"""Builders of API calls. Pure: no sockets and no clocks. The clients send what they build."""
