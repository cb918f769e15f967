// Runs every script against the server at BASE_URL and says, last, how it went. Names as arguments select scripts.

import { spawnSync } from 'node:child_process';

const all = ['sdl', 'relay', 'audits', 'end_to_end', 'ws', 'sse', 'apollo', 'disconnects'];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all;
const failed = [];
let checks = 0;
for (const script of chosen) {
  const started = performance.now();
  const { status, stdout } = spawnSync(process.execPath, [`${script}.mjs`], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  process.stdout.write(stdout);
  console.log(`${script}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  checks += stdout.split('\n').filter((line) => line.startsWith('ok ')).length;
  if (status !== 0) failed.push(script);
}
console.log(`conformance: ${chosen.length - failed.length} of ${chosen.length} scripts passed, ${checks} checks${failed.length ? `; failed: ${failed.join(', ')}` : ''}`);
process.exit(failed.length ? 1 : 0);
