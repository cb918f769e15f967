/** A function that the model may call; its names and arguments stand in the manifest. */
export function tool(turn, name, { text = '' }) {
  return { words: text.split(/\s+/).filter(Boolean).length };
}
