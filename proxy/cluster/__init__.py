"""What several servers agree on while they run, over Valkey."""
