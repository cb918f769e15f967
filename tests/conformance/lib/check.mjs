// How a script says what it found: one line per check, an exit code, nothing hidden.

import { basename } from 'node:path';
import { inspect } from 'node:util';

const script = basename(process.argv[1], '.mjs');
let passed = 0;
let failed = 0;

/** Prints the outcome of one check; a failed one does not stop the script. */
export function check(name, holds, detail = '') {
  if (holds) passed += 1;
  else failed += 1;
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${script}: ${name}${holds || detail === '' ? '' : ` (${detail})`}`);
  return holds;
}

/** Prints what is worth knowing but proves nothing. */
export function note(text) {
  console.log(`       ${script}: ${text}`);
}

/** Runs a script's checks. A script that throws, hangs or checks nothing has failed. */
export async function run(checks, { seconds = 120 } = {}) {
  const watchdog = setTimeout(() => finish(new Error(`not finished after ${seconds} s`)), seconds * 1000);
  try {
    await checks();
    finish();
  } catch (error) {
    finish(error);
  }

  function finish(error) {
    clearTimeout(watchdog);
    if (error) {
      failed += 1;
      console.log(`FAILED ${script}: ${inspect(error)}`);
    }
    console.log(`${script}: ${passed} checks passed, ${failed} failed`);
    // Clients under test may hold sockets open; the verdict does not wait for them.
    process.exit(failed === 0 && passed > 0 ? 0 : 1);
  }
}
