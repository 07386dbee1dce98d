"""Pictures and files that a request brings or names: fetched, their kind found out, converted."""
