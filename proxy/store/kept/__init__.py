"""What is kept over a restart, a matter a file."""
