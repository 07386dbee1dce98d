"""Keys that the owner makes for others, and what each may still ask and spend."""
