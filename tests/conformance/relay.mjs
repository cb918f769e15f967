// relay-compiler on the committed schema: connections, `node` refetches, mutations that edit connections, subscriptions.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { check, run } from './lib/check.mjs';

const folder = new URL('./relay/', import.meta.url);
const artifacts = new URL('./.cache/relay/', import.meta.url);

await run(async () => {
  rmSync(artifacts, { recursive: true, force: true });
  mkdirSync(artifacts, { recursive: true });
  const compiler = createRequire(import.meta.url).resolve('relay-compiler/cli.js');
  let complaint = '';
  try {
    execFileSync(process.execPath, [compiler, '--output', 'quiet-with-errors', 'relay.config.json'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    complaint = `${error.stdout}${error.stderr}`;
  }
  check('the compiler accepts every operation', complaint === '', complaint);
  for (const name of ['GalleryQuery', 'GalleryPaginationQuery', 'GalleryCardRefetchQuery', 'ChatQuery', 'ChatPaginationQuery', 'ChatSendMutation', 'ChatReplySubscription']) {
    check(`${name} was compiled`, existsSync(new URL(`${name}.graphql.js`, artifacts)));
  }
  const refetch = new URL('GalleryCardRefetchQuery.graphql.js', artifacts);
  check('a fragment is refetched through node(id:)', existsSync(refetch) && readFileSync(refetch, 'utf8').includes('"name": "node"'));
});
