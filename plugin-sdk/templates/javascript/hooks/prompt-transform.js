// uses: replaceText
/** On the prompt as it would be sent; what is stored stays as it is. */
export function promptTransform(turn, prompt) {
  return prompt
    .map(({ id, text }) => ({ id, text, tidy: text.replace(/[ \t]+$/gm, '') }))
    .filter(({ text, tidy }) => tidy !== text)
    .map(({ id, tidy }) => replaceText(id, tidy));
}
