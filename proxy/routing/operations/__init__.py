"""What may be asked of a provider, and which call of its adapter it becomes."""
