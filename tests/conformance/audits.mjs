// The audits of the GraphQL-over-HTTP specification, as npm `graphql-http` carries them.

import { serverAudits } from 'graphql-http';
import { httpUrl } from './lib/api.mjs';
import { check, note, run } from './lib/check.mjs';

await run(async () => {
  const counts = { ok: 0, notice: 0, warn: 0, error: 0 };
  for (const audit of serverAudits({ url: httpUrl, fetchFn: fetch })) {
    const { status, reason } = await audit.fn();
    counts[status] += 1;
    check(`${audit.id} ${audit.name}`, status === 'ok', `${status}: ${reason}`);
  }
  note(`${counts.ok} ok, ${counts.notice} notices, ${counts.warn} warnings, ${counts.error} errors`);
});
