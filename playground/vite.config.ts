import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const server = process.env.TAVERN_URL ?? 'http://127.0.0.1:4000'

export default defineConfig({
  base: '/playground/',
  plugins: [vue()],
  define: { __VUE_OPTIONS_API__: false },
  build: {
    target: 'es2022',
    // Inlined assets would be data: URLs, and the polyfill an inline script: the content security policy refuses both.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The explorer, loaded on its first visit, carries an editor and the whole of graphql-js.
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: {
      '/graphql': { target: server, ws: true },
      '/objects': { target: server },
    },
  },
  test: { include: ['test/**/*.test.ts'] },
})
