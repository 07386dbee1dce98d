"""Ollama, on this machine or another."""
