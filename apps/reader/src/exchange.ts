/** What of a request and its answer this app uses, whatever the HTTP framework. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

export interface Request {
  readonly raw: IncomingMessage & { readonly socket: TLSSocket };
  /** Decoded parts of the path. */
  readonly params: unknown;
}

export interface Reply {
  code(status: number): this;
  headers(values: Readonly<Record<string, string>>): this;
  send(body?: Buffer | string): unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | string;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** What every answer says: TLS for a year, no guessing of types. */
const ALWAYS = { 'strict-transport-security': 'max-age=31536000', 'x-content-type-options': 'nosniff' };

export function sendAnswer(reply: Reply, { status, headers, body }: Answer): void {
  reply
    .code(status)
    .headers({ ...ALWAYS, ...headers })
    .send(body);
}

/** A JSON answer, which no cache keeps. */
export function jsonAnswer(body: object, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { 'content-type': JSON_TYPE, 'cache-control': 'no-store', ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}
