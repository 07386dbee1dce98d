"""The usage log: its rows, what they cost, and what is asked of them."""
