/**
 * Tokens of clients that have no certificate, as their hashes: who reads the file cannot use them. One a line:
 *
 *     <name> <expires> <ledger>[,<ledger>…] <SHA-256 of the token, 64 lower-case hex digits>
 *     dashboard 2027-01-31T00:00:00.000Z main,system 9f86d081…
 *
 * Names as in the policy, times as in the log, empty lines and lines that begin with `#` aside. A token is 32 random bytes or
 * more in base64url, so one round of SHA-256 is enough: there is nothing to guess.
 */
import { timingSafeEqual } from 'node:crypto';
import { FormatError, parseLedgerName, parseName, parseTimestamp, sha256 } from '@everseal/audit-core';
import type { Client } from './client.js';

const MOST_BYTES = 262_144;
const MOST_TOKENS = 1_000;
const MOST_LEDGERS = 64;
const HASH = /^[0-9a-f]{64}$/;
const TOKEN = /^[A-Za-z0-9_-]{43,256}$/;
const BEARER = /^Bearer ([A-Za-z0-9_-]+)$/;

interface Token extends Client {
  /** Milliseconds since 1970; from then on it is nobody's. */
  readonly expires: number;
  readonly hash: Buffer;
}

export class TokenList {
  private constructor(private readonly tokens: readonly Token[]) {}

  static readonly none = new TokenList([]);

  /** @throws FormatError `tokens.*`, naming the line */
  static parse(text: string): TokenList {
    if (Buffer.byteLength(text) > MOST_BYTES) throw new FormatError('tokens.size', `more than ${MOST_BYTES} bytes`);
    const tokens = text.split('\n').flatMap((line, i) => (/^(?:#|$)/.test(line) ? [] : [parseLine(line, i + 1)]));
    if (tokens.length > MOST_TOKENS) throw new FormatError('tokens.count', `more than ${MOST_TOKENS} tokens`);
    for (const [i, { id, hash }] of tokens.entries()) {
      const twice = tokens.findIndex((other) => other.id === id || other.hash.equals(hash)) < i;
      if (twice) throw new FormatError('tokens.twice', `${id}, or its hash, stands there twice`);
    }
    return new TokenList(tokens);
  }

  get size(): number {
    return this.tokens.length;
  }

  /**
   * Who presents an `Authorization` header; null for nobody: no such token, or an expired one. Compares with every token, each
   * in constant time, so that how long it takes says nothing about any.
   * @param now milliseconds since 1970
   */
  clientOf(authorization: string, now: number): Client | null {
    const token = BEARER.exec(authorization)?.[1] ?? '';
    const hash = sha256(Buffer.from(token));
    const found = this.tokens.filter((one) => timingSafeEqual(one.hash, hash));
    const [client] = TOKEN.test(token) ? found : [];
    return client !== undefined && now < client.expires ? client : null;
  }
}

function parseLine(line: string, number: number): Token {
  const [name = '', expires = '', ledgers = '', hash = '', ...rest] = line.split(' ');
  const named = ledgers.split(',');
  try {
    if (rest.length > 0 || !HASH.test(hash)) {
      throw new FormatError('tokens.line', 'four fields are needed: name, expiry, ledgers, SHA-256 in 64 hex digits');
    }
    if (named.length > MOST_LEDGERS) throw new FormatError('tokens.line', `more than ${MOST_LEDGERS} ledgers`);
    return {
      id: `token/${parseName(name)}`,
      expires: parseTimestamp(expires),
      ledgers: named.map(parseLedgerName),
      hash: Buffer.from(hash, 'hex'),
    };
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError('tokens.line', `line ${number}: ${cause.message}`, { cause });
  }
}
