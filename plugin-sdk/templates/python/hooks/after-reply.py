# uses: annotate
def after_reply(turn, history, user, reply):
    """After a reply was stored."""
    return [annotate("words", len(reply.text.split()))]
