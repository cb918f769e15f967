// uses: replace
/** On the reply while it comes in: called where a trigger of the manifest was seen. */
export class StreamFilter {
  push(chunk) {
    return replace(chunk.replace(/\butili[sz]e\b/gi, 'use'));
  }
}
