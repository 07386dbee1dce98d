"""Real OpenAI clients against a real server process, with the fakes of the providers behind it."""
