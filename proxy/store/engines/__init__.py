"""The databases themselves: SQLite's file, every other, and the tables and their history."""
