"""What clients speak: HTTP in, HTTP out."""
