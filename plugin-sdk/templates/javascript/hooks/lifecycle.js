// uses: invalidConfig
/** Whether the settings can be worked with; the schema is kept anyway. */
export const lifecycle = {
  validateConfig({ text }) {
    if (text !== undefined && text.trim() === '') throw invalidConfig('text: say something, or leave it out');
  },
};
