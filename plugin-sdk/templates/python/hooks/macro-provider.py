def macro_provider(turn, name, arguments):
    """The text of a macro; None leaves it as it was written."""
    return arguments[0].upper() if arguments else None
