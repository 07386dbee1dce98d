"""What a refusal says, whoever refuses: of the account, of the model, of how long to wait."""
