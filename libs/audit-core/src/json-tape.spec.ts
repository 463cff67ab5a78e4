import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { JsonError } from './json-error.js';
import { jsonText, mutated, readSlowly } from './json.fixture.js';
import { JsonKind } from './json-node.js';
import { JsonTape, MAX_DEPTH } from './json-tape.js';
import { hashName } from './member-names.js';

type Case = { name: string; text?: string; base64?: string; outcome: string; offset?: number };
const vectors = JSON.parse(readFileSync(new URL('../vectors/json.json', import.meta.url), 'utf8')) as { cases: Case[] };
const bytesOf = (c: Case): Buffer => (c.base64 === undefined ? Buffer.from(c.text!) : Buffer.from(c.base64, 'base64'));

/** What `scan` says: accepted, or the code and the byte. */
function outcome(
  tape: JsonTape,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): { outcome: string; offset?: number } {
  try {
    tape.scan(bytes, start, end);
    return { outcome: 'accepted' };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { outcome: error.code, offset: error.offset - start };
  }
}

/** Whether all that the tape says, kinds, byte ranges, names and strings, is what JSON.parse made of the text. */
function isSame(tape: JsonTape, bytes: Buffer, node: number, expected: unknown): boolean {
  const range = bytes.toString('utf8', tape.startOf(node), tape.endOf(node));
  if (range !== range.trim() || JSON.stringify(JSON.parse(range)) !== JSON.stringify(expected)) return false;
  const kind = tape.kind(node);
  if (kind === JsonKind.string) return tape.stringValue(node) === expected;
  if (kind === JsonKind.array) {
    const [element] = expected as unknown[];
    const first = tape.firstElement(node);
    return first < 0 ? element === undefined : isSame(tape, bytes, first, element);
  }
  if (kind !== JsonKind.object) return JSON.parse(tape.rawText(node)) === expected;
  const members = new Map(Object.entries(expected as object));
  for (let name = tape.firstName(node); name >= 0; name = tape.nextName(node, name)) {
    const text = tape.nameText(name);
    if (!members.has(text) || !isSame(tape, bytes, tape.valueOf(name), members.get(text))) return false;
    members.delete(text);
  }
  return members.size === 0;
}

const NAMES = ['a', 'b', 'id', '', 'é', '__proto__', 'constructor', 'a/b'];
const encoded = (text: fc.Arbitrary<string>) => text.map((t) => Buffer.from(t));

describe('JsonTape', () => {
  const tape = new JsonTape();

  it.each(vectors.cases)('vector: $name', (c) => {
    const { outcome: expected, offset } = c;
    expect(outcome(tape, bytesOf(c))).toEqual(
      expected === 'accepted' ? { outcome: expected } : { outcome: expected, offset },
    );
  });

  it('reads a range of a buffer and never looks beyond it', () => {
    for (const c of vectors.cases) {
      const bytes = bytesOf(c);
      // Digits, quotes and brackets around it would change what a scan beyond the range sees.
      for (const around of ['"', '1', ']', '}', '\\']) {
        const whole = Buffer.concat([Buffer.from(around), bytes, Buffer.from(around)]);
        expect(outcome(tape, whole, 1, 1 + bytes.length)).toEqual(outcome(new JsonTape(), bytes));
      }
    }
  });

  it('reads any Uint8Array, not only a Buffer', () => {
    const bytes = new Uint8Array(Buffer.from('xx{"é":"\u20ac"}')).subarray(2);
    tape.scan(bytes, 0, bytes.length);
    expect(tape.stringValue(tape.valueOf(tape.firstName(0)))).toBe('€');
  });

  it('accepts exactly what JSON.parse and the slow checks accept', () => {
    const bytes = fc.oneof(encoded(jsonText(NAMES)), mutated(encoded(jsonText(NAMES))));
    const seen = { accepted: 0, finding: 0, fault: 0 };
    fc.assert(
      fc.property(bytes, (text) => {
        const slow = readSlowly(text);
        const fault = tape.report(text, 0, text.length);
        // A text that the slow reader cannot read is a fault here, and the other way round, depth aside.
        expect(fault === null || fault === 'json.depth').toBe(slow !== null);
        if (slow === null) return void seen.fault++;
        expect(fault === 'json.depth').toBe(slow.depth > MAX_DEPTH);
        expect(tape.repeatedName).toBe(slow.repeatedName);
        const isClean = !(slow.repeatedName || slow.reservedName || slow.loneSurrogate || slow.overflow);
        expect(tape.finding === null).toBe(isClean);
        if (!slow.repeatedName && !slow.loneSurrogate) expect(isSame(tape, text, 0, slow.value)).toBe(true);
        seen[isClean ? 'accepted' : 'finding']++;
      }),
      { numRuns: 2_000 },
    );
    // The property says nothing when the texts are all of one sort.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  it('accepts every proper text of fast-check and refuses it cut anywhere', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.nat(), (text, at) => {
        const bytes = Buffer.from(text);
        const slow = readSlowly(bytes)!;
        const isOdd = slow.repeatedName || slow.reservedName || slow.loneSurrogate;
        expect(outcome(tape, bytes).outcome === 'accepted').toBe(!isOdd);
        if (text.startsWith('{') || text.startsWith('[') || text.startsWith('"')) {
          expect(tape.report(bytes, 0, at % bytes.length)).toBe('json.end');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('says json.end for every proper beginning of an object, whatever stands at the cut', () => {
    const text = Buffer.from(
      '{"a\\u0062é€😀":[true,false,null,-1.5e-7,0,{"":"\\ud83d\\ude00\\n"}],"n":-12.25E+3,"s":"\\\\"}',
    );
    tape.scan(text, 0, text.length);
    for (let end = 0; end < text.length; end++) expect(tape.report(text, 0, end)).toBe('json.end');
  });

  it('reads value after value with scanNext and looks at nothing behind', () => {
    const text = Buffer.from(' {"a":1} , [2]x');
    expect(tape.scanNext(text, 0, text.length)).toBe(8);
    expect([tape.startOf(0), tape.endOf(0)]).toEqual([1, 8]);
    expect(tape.scanNext(text, 10, text.length)).toBe(14);
    expect(() => tape.scanNext(text, 14, text.length)).toThrow(
      expect.objectContaining({ code: 'json.token', offset: 14 }),
    );
    expect(() => tape.scanNext(text, 10, 13)).toThrow(expect.objectContaining({ code: 'json.end', offset: 13 }));
  });

  it('reports the fault of hostile nesting without a stack overflow', () => {
    const deep = Buffer.alloc(1_000_000, '[');
    expect(tape.report(deep, 0, deep.length)).toBe('json.depth');
    expect(tape.offset).toBe(MAX_DEPTH);
  });

  it('keeps nothing of one scan in the next', () => {
    fc.assert(
      fc.property(
        fc.array(mutated(encoded(jsonText(NAMES))), { maxLength: 5 }),
        encoded(jsonText(NAMES)),
        (before, text) => {
          for (const bytes of before) tape.report(bytes, 0, bytes.length);
          expect(outcome(tape, text)).toEqual(outcome(new JsonTape(), text));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('control: what reading without these checks makes of the same bytes', () => {
  const read = (text: string | Buffer): unknown => JSON.parse(text.toString());

  it('json.name-repeated: the last value stands, the first is gone', () => {
    expect(read('{"amount":1,"amount":1000}')).toEqual({ amount: 1000 });
  });

  it('json.surrogate: two different ids become the same bytes', () => {
    expect(read('"\\ud800"')).not.toBe(read('"\\udfff"'));
    expect(Buffer.from(read('"\\ud800"') as string)).toEqual(Buffer.from(read('"\\udfff"') as string));
  });

  it('json.utf8: two different byte strings become the same text', () => {
    expect(read(Buffer.from('"\xff"', 'latin1'))).toBe(read(Buffer.from('"\xfe"', 'latin1')));
  });

  it('json.number-overflow: the number comes out as null', () => {
    expect(JSON.stringify(read('{"amount":1e400}'))).toBe('{"amount":null}');
  });

  it('json.name-reserved: a copied member sets the prototype', () => {
    expect(Object.assign({}, read('{"__proto__":{"admin":true}}'))).toHaveProperty('admin', true);
  });
});

describe('repeated names in large objects', () => {
  const tape = new JsonTape();
  const object = (names: readonly string[]) => Buffer.from(`{${names.map((name) => `${name}:0`).join(',')}}`);

  it('finds a repeat at any two places of objects around the size where the method changes', () => {
    for (const size of [2, 3, 15, 16, 17, 18, 33, 40]) {
      const names = Array.from({ length: size }, (_, i) => `"n${i}"`);
      expect(outcome(tape, object(names))).toEqual({ outcome: 'accepted' });
      for (let later = 1; later < size; later++) {
        for (let earlier = 0; earlier < later; earlier++) {
          const text = object(names.with(later, later % 2 === 0 ? names[earlier]! : `"\\u006e${earlier}"`));
          const { outcome: code, offset } = outcome(tape, text);
          const place = text.toString('utf8', 0, offset).split(',').length - 1;
          if (code !== 'json.name-repeated' || place !== later)
            throw new Error(`${earlier}, ${later}: ${code} at ${place}`);
        }
      }
    }
  });

  it('tells names apart that were made to collide, and still finds the repeat among them', () => {
    const names = collidingNames();
    const hashes = new Set(names.map((name) => hashName(Buffer.from(name), 0, name.length)));
    expect([new Set(names).size, hashes.size]).toEqual([1024, 1]);
    const quoted = names.map((name) => `"${name}"`);
    expect(object(quoted).length).toBeLessThan(61_440);
    expect(outcome(tape, object(quoted))).toEqual({ outcome: 'accepted' });
    expect(outcome(tape, object([...quoted, quoted[700]!])).outcome).toBe('json.name-repeated');
  });
});

/**
 * 1,024 different names of one length and one FNV-1a hash, as an attacker would make them: ten pairs of endings, each
 * pair leading from the state before it to one and the same state.
 */
function collidingNames(): string[] {
  const pairs =
    'zmZeD|IFt7F EDH52|ejDTc hlwuH|PTHFj BrLoF|uE97I KG2vW|XnmIa 8PsgE|kkaUG mJKJb|MTCWS sguV7|fL2ea 1YEdE|CkKO6 dzRNN|acUIn';
  let names = [''];
  for (const pair of pairs.split(' '))
    names = names.flatMap((start) => pair.split('|').map((ending) => start + ending));
  return names;
}
