/**
 * The headers of a submit request (bad-input.md rows 2 and 24 to 27). One of them means something here, `Content-Type`. The
 * others are not looked at, save those that would change what the body is: `ce-*` (CloudEvents' binary mode, where
 * attributes stand in headers, which nothing would seal) and `Content-Encoding`. Whatever a client names `Nats-…` ends here:
 * nothing of a request's headers is ever sent on.
 */
import { Refused } from '@everseal/audit-core';
import { headerBytes } from '@everseal/messaging';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';

/** As NATS counts them: from `NATS/1.0` to the empty line. */
export const MAX_HEADER_BYTES = 4_096;

/** Visible ASCII and spaces; the client library has cut the value at line ends. */
const VALUE = /^[\x20-\x7e]*$/;
const NAME = /^[\x21-\x39\x3b-\x7e]+$/;

/**
 * The request's content type, undefined when it has none.
 * @throws Refused request.malformed
 */
export function contentTypeOf(message: Msg): string | undefined {
  const size = headerBytes(message);
  if (size > MAX_HEADER_BYTES) throw malformed(`the headers have ${size} bytes, at most ${MAX_HEADER_BYTES} are read`);
  const headers = decoded(message);
  if (headers === undefined) return undefined;
  let contentType: string | undefined;
  for (const name of headers.keys()) {
    const values = headers.values(name);
    if (!NAME.test(name) || !values.every((value) => VALUE.test(value))) {
      throw malformed('a header has bytes beyond printable ASCII');
    }
    const lower = name.toLowerCase();
    if (lower.startsWith('ce-')) {
      throw malformed('CloudEvents in headers (binary mode) are not taken: send the whole event as JSON in the body');
    }
    if (lower === 'content-encoding') throw malformed('encoded bodies are not taken: send the JSON as it is');
    if (lower !== 'content-type') continue;
    if (contentType !== undefined || values.length !== 1) throw malformed('there is more than one Content-Type');
    contentType = values[0];
  }
  return contentType;
}

/** The client library decodes when asked, and throws for what its own side would not send, a line feed in a value for example. */
function decoded(message: Msg): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch (cause) {
    throw new Refused('request.malformed', 'the headers cannot be read', null, { cause });
  }
}

function malformed(text: string): Refused {
  return new Refused('request.malformed', text);
}
