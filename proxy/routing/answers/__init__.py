"""An answer on its way to the client: where it begins, what is mended and what is noted of it."""
