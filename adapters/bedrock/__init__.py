"""Models on AWS Bedrock, by its Converse API."""
