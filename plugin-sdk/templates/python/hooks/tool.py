def tool(turn, name, arguments):
    """A function that the model may call; its names and arguments stand in the manifest."""
    return {"words": len(arguments.get("text", "").split())}
