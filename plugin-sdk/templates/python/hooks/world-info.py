# uses: activate
def world_info(turn, history, candidates):
    """While lore is chosen: entries come in, and are kept out."""
    said = "\n".join(message.text.lower() for message in history)
    titled = (entry for entry in candidates if not entry.active and entry.title)
    return [activate(entry.id) for entry in titled if entry.title.lower() in said]
