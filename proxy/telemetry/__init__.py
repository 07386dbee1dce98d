"""What monitors see."""
