/**
 * JSON messages between services and in answers to producers (formats.md, "Receipt and refusal", "Messages between
 * services"): one JSON object in UTF-8, read by value. Order of members, white space and unknown members mean nothing;
 * what a member holds is as strict as anywhere else. Nothing is signed in this form: what has to be trusted inside
 * carries its own signature or hash.
 *
 * `MessageReader` reads one object and gives every failing check the code `<format>.<member>`; members of objects
 * inside it have their parent's name in front, `<format>.keys-note`. For the message as a whole:
 * - `<format>.size`  longer than its bound; nothing was read
 * - `<format>.json`  not one JSON object in UTF-8 (a byte order mark is not JSON)
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { isCount } from './decimal.js';
import { FormatError } from './format-error.js';
import { HASH_BYTES, type Hash } from './hash.js';
import { decodeUtf8 } from './utf8.js';

export class MessageReader {
  private constructor(
    private readonly format: string,
    private readonly prefix: string,
    private readonly members: Record<string, unknown>,
  ) {}

  /**
   * @param format prefix of the error codes
   * @throws FormatError `<format>.size`, `<format>.json`
   */
  static parse(format: string, bytes: Uint8Array, maxBytes: number): MessageReader {
    if (bytes.length > maxBytes) {
      throw new FormatError(`${format}.size`, `the ${format} has ${bytes.length} bytes, at most ${maxBytes} are read`);
    }
    const value = parseJson(bytes);
    if (!isObject(value)) throw new FormatError(`${format}.json`, `the ${format} is not one JSON object in UTF-8`);
    return new MessageReader(format, '', value);
  }

  /** True when the member is there, null included. */
  has(name: string): boolean {
    return Object.hasOwn(this.members, name);
  }

  text(name: string): string {
    const value = this.own(name);
    return typeof value === 'string' ? value : this.fail(name, 'is not a string');
  }

  /** An integer, 0 ≤ n < 2^53. */
  count(name: string): number {
    const value = this.own(name);
    return isNumber(value) ? value : this.fail(name, 'is not an integer of 0 to 2^53 − 1');
  }

  countOrNull(name: string): number | null {
    return this.own(name) === null ? null : this.count(name);
  }

  flag(name: string): boolean {
    const value = this.own(name);
    return typeof value === 'boolean' ? value : this.fail(name, 'is neither true nor false');
  }

  /** A list of base64 hashes, at most `most` of them. */
  hashes(name: string, most: number): Hash[] {
    const hashes = this.list(name);
    if (hashes.length > most) return this.fail(name, `holds ${hashes.length} hashes, at most ${most} are read`);
    return hashes.map((hash) => {
      if (typeof hash !== 'string') return this.fail(name, 'holds something else than base64 hashes');
      return this.check(name, () => decodeBase64(hash, HASH_BYTES));
    });
  }

  /** A list of strings, at most `most` of them. */
  texts(name: string, most: number): string[] {
    const texts = this.list(name);
    if (texts.length > most) return this.fail(name, `holds ${texts.length} texts, at most ${most} are read`);
    return texts.map((text) =>
      typeof text === 'string' ? text : this.fail(name, 'holds something else than strings'),
    );
  }

  object(name: string): MessageReader {
    const value = this.own(name);
    if (!isObject(value)) return this.fail(name, 'is not an object');
    return new MessageReader(this.format, `${this.prefix}${name}-`, value);
  }

  /** A list of objects; codes of their members begin with `name`. */
  objects(name: string): MessageReader[] {
    return this.list(name).map((value) => {
      if (!isObject(value)) return this.fail(name, 'holds something else than objects');
      return new MessageReader(this.format, `${this.prefix}${name}-`, value);
    });
  }

  /** A list of pairs of integers, 0 ≤ n < 2^53. */
  pairs(name: string): [number, number][] {
    return this.list(name).map((pair): [number, number] => {
      if (!Array.isArray(pair) || pair.length !== 2) return this.fail(name, 'holds something else than pairs');
      const [first, last]: unknown[] = pair;
      return isNumber(first) && isNumber(last)
        ? [first, last]
        : this.fail(name, 'holds a pair that is not of integers');
    });
  }

  /** Runs a check on the value of a member, so that what it throws has this format's code. */
  check<T>(name: string, check: () => T): T {
    try {
      return check();
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(this.code(name), `${this.prefix}${name} of the ${this.format}: ${cause.message}`, {
        cause,
      });
    }
  }

  /** Refuses the value of a member. */
  fail(name: string, problem: string): never {
    throw new FormatError(this.code(name), `${this.prefix}${name} of the ${this.format} ${problem}`);
  }

  private list(name: string): unknown[] {
    const value = this.own(name);
    return Array.isArray(value) ? value : this.fail(name, 'is not a list');
  }

  private own(name: string): unknown {
    return this.has(name) ? this.members[name] : this.fail(name, 'is missing');
  }

  private code(name: string): string {
    return `${this.format}.${this.prefix}${name}`;
  }
}

/** The value of one JSON text in UTF-8, undefined when the bytes are none. */
export function parseJson(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && isCount(value);
}

/** Hashes as a JSON list of base64 texts, each made by `textOf`. */
export function hashList(hashes: readonly Hash[], textOf: (hash: Hash) => string = encodeBase64): string {
  return hashes.length === 0 ? '[]' : `["${hashes.map(textOf).join('","')}"]`;
}
