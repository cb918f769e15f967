// uses: config, note
/** Before the prompt is made: notes and variables go in. */
export function beforePrompt(turn, history) {
  const text = config().text ?? `${turn.character?.name} stays in character.`;
  return [note(text, { position: 'in-chat', depth: 1, role: 'system' })];
}
