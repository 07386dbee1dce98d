"""The way of a request through a door: HTTP in, HTTP out, whatever the protocol."""
