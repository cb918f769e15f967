// Requests to the hosts that the owner has permitted. Only for extensions with a permission `http:…`.

import { send } from 'tavern:extension/http@0.1.0';

/**
 * Sends a request and waits for the answer. `auth` is the name of a secret that the host puts in; an object as
 * `body` is sent as JSON. A request that gets no answer throws `{ tag: 'timeout' }` and the like.
 */
export function request(url, { method = 'GET', headers = {}, body, auth, timeoutMs = 0 } = {}) {
  const json = body !== undefined && typeof body !== 'string';
  const pairs = Object.entries(json ? { 'content-type': 'application/json', ...headers } : headers);
  const answer = send({
    method,
    url,
    headers: pairs.map(([key, value]) => ({ key, value: String(value) })),
    body: new TextEncoder().encode(json ? JSON.stringify(body) : (body ?? '')),
    auth,
    timeoutMs,
  });
  const text = () => new TextDecoder().decode(answer.body);
  return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text()) };
}
