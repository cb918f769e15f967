/** On what is to be published: `info`, `warn` or `reject`, each with a text. */
export function listingValidate({ summary = '' }) {
  return summary.length < 20 ? [{ tag: 'warn', val: 'The summary is short.' }] : [];
}
