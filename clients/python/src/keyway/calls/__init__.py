"""Every call of the API, made of what was asked: no sockets, no clocks. The clients send them."""
