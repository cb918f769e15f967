# uses: replace
class StreamFilter:
    """On the reply while it comes in: called where a trigger of the manifest was seen."""

    def __init__(self, turn):
        self.words = re.compile(r"\butili[sz]e\b", re.IGNORECASE)

    def push(self, chunk):
        return replace(self.words.sub("use", chunk))
