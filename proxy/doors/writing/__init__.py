"""What several doors write alike: answers in one piece, calls, blocks that begin and end."""
