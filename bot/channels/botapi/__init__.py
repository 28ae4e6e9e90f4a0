"""How a bot hears from a server of the Bot API, by polling or by webhook, whatever library it calls it with."""
