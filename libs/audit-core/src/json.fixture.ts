/**
 * For the tests of JSON: a slow second reader that shares no code with JsonTape (TextDecoder, JSON.parse, and a token
 * list for what JSON.parse does not tell), and makers of good, odd and broken JSON texts.
 */
import * as fc from 'fast-check';

/** What the slow reader says of a JSON text; null where the bytes are none. */
export type SlowReading = {
  value: unknown;
  depth: number;
  repeatedName: boolean;
  reservedName: boolean;
  loneSurrogate: boolean;
  overflow: boolean;
};

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/gs;
const RESERVED = ['__proto__', 'constructor', 'prototype'];

/** Reads the bytes of one JSON text; its depth is not bounded, so give it no hostile nesting. */
export function readSlowly(bytes: Uint8Array): SlowReading | null {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const reading = { depth: 0, repeatedName: false, reservedName: false, loneSurrogate: false, overflow: false };
  const open: (Set<string> | null)[] = [];
  const tokens = text.match(TOKEN) ?? [];
  for (const [i, token] of tokens.entries()) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token.startsWith('"')) {
      const content = JSON.parse(token) as string;
      if (Buffer.from(content).toString() !== content) reading.loneSurrogate = true;
      const names = open.at(-1);
      if (tokens[i + 1] !== ':' || !names) continue;
      if (names.has(content)) reading.repeatedName = true;
      if (RESERVED.includes(content)) reading.reservedName = true;
      names.add(content);
    } else if (/^[-0-9]/.test(token) && Math.abs(Number(token)) === Infinity) reading.overflow = true;
    reading.depth = Math.max(reading.depth, open.length);
  }
  return { value, ...reading };
}

/** How one UTF-16 unit or character may be spelled inside a JSON string. */
function spell(character: string, style: number): string {
  const isLone = /\p{Surrogate}/u.test(character);
  if (style === 0 && !isLone) return JSON.stringify(character).slice(1, -1);
  if (style === 1 && character === '/') return '\\/';
  const units = Array.from({ length: character.length }, (_, i) =>
    character.charCodeAt(i).toString(16).padStart(4, '0'),
  );
  return units.map((unit) => `\\u${style === 2 ? unit.toUpperCase() : unit}`).join('');
}

const CHARACTERS = [
  ...Array.from('ab/"\\é€😀\u007f'),
  '\0',
  '\n',
  '\ufeff',
  '\u2028',
  '\uffff',
  '\ud800',
  '\udfff',
  '\ud83d',
  '\ude00',
];

/** A JSON string in a random spelling; `texts` are favoured contents. */
export function jsonString(...texts: string[]): fc.Arbitrary<string> {
  const content = fc.oneof(
    { weight: 2, arbitrary: fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 4 }) },
    ...(texts.length > 0 ? [{ weight: 4, arbitrary: fc.constantFrom(...texts).map((text) => Array.from(text)) }] : []),
  );
  return fc
    .tuple(content, fc.array(fc.constantFrom(0, 0, 0, 0, 1, 2), { minLength: 1, maxLength: 5 }))
    .map(([characters, styles]) => `"${characters.map((c, i) => spell(c, styles[i % styles.length]!)).join('')}"`);
}

const space = fc.constantFrom('', '', '', '', ' ', '\n', '\t', '\r\n', '  ');
const number = fc.constantFrom(
  '0',
  '-0',
  '1.0',
  '12',
  '9007199254740993',
  '-3e2',
  '1E+9',
  '1e-400',
  '1e308',
  '1e309',
  '1e400',
);

/** A JSON text, now and then with a finding; member names come often from `names`. */
export function jsonText(names: readonly string[], texts: readonly string[] = []): fc.Arbitrary<string> {
  const { value } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      fc.oneof(jsonString(...texts), number, fc.constantFrom('true', 'false', 'null')),
      tie('object'),
      tie('array'),
    ),
    object: fc
      .tuple(space, fc.array(fc.tuple(jsonString(...names), space, tie('value'), space), { maxLength: 6 }))
      .map(([s, members]) => `{${s}${members.map(([n, a, v, b]) => `${n}${a}:${b}${v}${a}`).join(`,${s}`)}}`),
    array: fc
      .tuple(space, fc.array(tie('value'), { maxLength: 4 }))
      .map(([s, elements]) => `[${s}${elements.join(`${s},${s}`)}${s}]`),
  }));
  return fc.tuple(space, value, space).map((parts) => parts.join(''));
}

const BYTES = Buffer.from(
  '"\\{}[]:,0-9.eE+tfn \n\r/u\0\x1f\x7f\x80\xbf\xc0\xc2\xe0\xed\xa0\xf0\xf4\xff\xef\xbb',
  'latin1',
);

/** The bytes with one to four places set, inserted, removed, cut off or copied elsewhere. */
export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  const act = fc.tuple(fc.nat(5), fc.nat(), fc.nat(), fc.constantFrom(...BYTES));
  return fc.tuple(bytes, fc.array(act, { minLength: 1, maxLength: 4 })).map(([original, acts]) => {
    let out = Buffer.from(original);
    for (const [kind, a, b, byte] of acts) {
      const at = a % (out.length + 1);
      const length = 1 + (b % 8);
      const rest = out.subarray(at);
      if (kind === 0 && at < out.length) out[at] = byte;
      else if (kind === 1) out = Buffer.concat([out.subarray(0, at), Buffer.of(byte), rest]);
      else if (kind === 2) out = Buffer.concat([out.subarray(0, at), rest.subarray(length)]);
      else if (kind === 3) out = Buffer.from(out.subarray(0, at));
      else if (kind === 4)
        out = Buffer.concat([out.subarray(0, at), out.subarray(b % (out.length + 1)).subarray(0, 12), rest]);
      else if (at < out.length) out[at] = out[at]! ^ (1 << (b % 8));
    }
    return out;
  });
}
