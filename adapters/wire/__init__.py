"""One exchange with a provider: bytes out, bytes in, how much of them, and events made of them."""
