"""What an owner sees and does, by page or command."""
