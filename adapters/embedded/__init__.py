"""A small model that runs beside the server, in a process of its own."""
