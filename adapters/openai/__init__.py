"""Any server that speaks as OpenAI does; what differs among them is a row of `profiles.py`."""
