"""What several kinds of providers need to translate a request or an answer."""
