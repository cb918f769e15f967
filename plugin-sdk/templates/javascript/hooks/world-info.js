// uses: activate
/** While lore is chosen: entries come in, and are kept out. */
export function worldInfo(turn, history, candidates) {
  const said = history.map((message) => message.text.toLowerCase()).join('\n');
  const titled = candidates.filter(({ active, title }) => !active && title && said.includes(title.toLowerCase()));
  return { activations: titled.map(({ id }) => activate(id)) };
}
