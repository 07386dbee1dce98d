"""An answer on its way to the client: where it begins, what is mended in it, what is told of it."""
