"""Pictures and files that a request brings or names: fetched, told by kind, converted."""
