"""Which provider answers, and what happens when one does not."""
