"""Who may answer a request, in which order, and who may not and why."""
