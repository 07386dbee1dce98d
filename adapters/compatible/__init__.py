"""What all share who speak OpenAI's wire: how answers and refusals read, how requests are put."""
