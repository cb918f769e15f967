# uses: replace_text
def prompt_transform(turn, prompt):
    """On the prompt as it would be sent; what is stored stays as it is."""
    tidy = ((message, re.sub(r"[ \t]+$", "", message.text, flags=re.MULTILINE)) for message in prompt)
    return [replace_text(message.id, text) for message, text in tidy if text != message.text]
