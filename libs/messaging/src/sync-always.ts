/**
 * Asks the NATS servers whether they sync every message to disk before they acknowledge it. Without that setting a PubAck
 * means "written to the page cache", and a power cut takes acknowledged messages with it; no test with kill -9 can show
 * the difference, so the server's own word is asked for.
 *
 * Source: `$SYS.REQ.SERVER.PING.JSZ`, exported from the system account. Each JetStream server answers for itself;
 * `data.config.sync_always` is true with `sync_interval: always` and absent otherwise (seen with 2.15.1; `sync_interval`
 * itself shows two minutes either way).
 */
import type { NatsLink } from './connect.js';
import { isObject, objectAt, parseJsonObject, textAt } from './json-answer.js';
import type { MessagingError } from './messaging-error.js';

export interface ServerDurability {
  /** Server name. */
  server: string;
  version: string;
  syncAlways: boolean;
}

export interface DurabilityOptions {
  /** Milliseconds for the first answer; default 2,000. */
  timeoutMs?: number;
  /** Milliseconds of silence after which no further server of a cluster is waited for; default 250. */
  settleMs?: number;
}

const SUBJECT = '$SYS.REQ.SERVER.PING.JSZ';

/**
 * What every server that answers says about itself, at least one.
 * @throws MessagingError nats.timeout and others of a request, answer.malformed
 */
export function askDurability(
  link: NatsLink,
  { timeoutMs = 2_000, settleMs = 250 }: DurabilityOptions = {},
): Promise<ServerDurability[]> {
  return new Promise((resolve, reject) => {
    const servers: ServerDurability[] = [];
    let settle: NodeJS.Timeout | undefined;
    const end = (error?: MessagingError): void => {
      clearTimeout(settle);
      waiting.close();
      if (error === undefined) resolve(servers);
      else reject(error);
    };
    const waiting = link.inbox.open(SUBJECT, '{}', timeoutMs, undefined, {
      onMessage: ({ data }) => {
        try {
          servers.push(parseDurability(data));
        } catch (error) {
          return end(error as MessagingError);
        }
        clearTimeout(settle);
        settle = setTimeout(end, settleMs);
      },
      onFailure: (error) => (servers.length > 0 && error.code === 'nats.timeout' ? end() : end(error)),
    });
  });
}

/** @throws MessagingError answer.malformed */
export function parseDurability(bytes: Uint8Array): ServerDurability {
  const what = 'JSZ answer';
  const answer = parseJsonObject(bytes, what);
  const server = objectAt(answer, 'server', what);
  const config = objectAt(answer, 'data', what)['config'];
  return {
    server: textAt(server, 'name', what),
    version: textAt(server, 'ver', what),
    syncAlways: isObject(config) && config['sync_always'] === true,
  };
}
