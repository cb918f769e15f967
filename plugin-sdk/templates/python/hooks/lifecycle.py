# uses: invalid_config
def validate_config(config):
    """Whether the settings can be worked with; the schema is kept anyway."""
    if "text" in config and not config["text"].strip():
        raise invalid_config("text: say something, or leave it out")
