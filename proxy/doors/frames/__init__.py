"""What a protocol's bytes come in: events, lines, arrays, forms with files."""
