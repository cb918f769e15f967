# uses: config, note
def before_prompt(turn, history):
    """Before the prompt is made: notes and variables go in."""
    text = config().get("text", f"{turn.character.name if turn.character else 'Everybody'} stays in character.")
    return [note(text, position="in-chat", depth=1, role="system")]
