import {
  encodeBase64,
  formatNote,
  parseNote,
  signatureLine,
  signNote,
  VerifierKey,
  type SigningKey,
} from '@everseal/audit-core';
import { CAST, key } from '../cast.js';
import { invalid, type Bytes, type Case } from '../vector-file.js';

/**
 * What must not open although the text is right: the invalid cases that all notes in a log have in common (formats.md,
 * "Note entries carry exactly the signature lines listed here").
 * @param codeOfLongerText what refuses an empty line at the end of the text: the text's form or the signature,
 *   whichever that format looks at first
 */
export function noteCases(
  text: string,
  keys: readonly [SigningKey, ...SigningKey[]],
  codeOfLongerText: string,
): Case<{ note: Bytes }>[] {
  const note = signNote(text, keys);
  const lines = parseNote(note).signatures.map(({ line }) => line);
  const [first] = keys;
  const rest = lines.slice(1);
  const withFirst = (line: string): string => formatNote(text, [line, ...rest]);
  const payload = first.sign(Buffer.from(text));
  const elsewhere = new VerifierKey(`${first.name}x`, first.verifier.type, first.verifier.publicKey);
  const count = (name: string, added: string[], reason: string): Case<{ note: Bytes }> =>
    invalid(name, { note: formatNote(text, added) }, 'note.line-count', reason);
  const bad = (name: string, changed: Bytes, code: string, reason: string): Case<{ note: Bytes }> =>
    invalid(name, { note: changed }, code, reason);

  return [
    count('extra line by a stranger', [...lines, lineBy(CAST.stranger, text)], 'one line more than the format lists'),
    count(
      'extra line by a key in force',
      [...lines, lineBy(CAST.op2, text)],
      'a genuine signature that is not asked for',
    ),
    count(
      'extra line before the others',
      [lineBy(CAST.stranger, text), ...lines],
      'one line more than the format lists',
    ),
    count(
      'a cosignature added',
      [...lines, signatureLine(CAST.v1.verifier, Buffer.alloc(72))],
      'only checkpoints carry them',
    ),
    count('last line twice', [...lines, lines.at(-1) as string], 'the same line again is one line too many'),
    ...(keys.length > 1 ? pairCases(text, lines) : []),
    bad(
      'another name with the right key ID and signature',
      withFirst(`— ${elsewhere.name} ${encodeBase64(Buffer.concat([first.verifier.id, payload]))}`),
      'note.line-key',
      'a key is its name and its ID together',
    ),
    bad(
      'another name with the right key',
      withFirst(signatureLine(elsewhere, payload)),
      'note.line-key',
      'the signature verifies, but the key of that name is not listed',
    ),
    bad(
      'right name, key of a stranger',
      withFirst(lineBy(stranger(first), text)),
      'note.line-key',
      'the key ID is not one in force',
    ),
    bad(
      'right name and ID, signature by a stranger',
      withFirst(signatureLine(first.verifier, CAST.stranger.sign(Buffer.from(text)))),
      'note.signature',
      'it does not verify',
    ),
    bad(
      'signature of another text',
      withFirst(signatureLine(first.verifier, first.sign(Buffer.from(`${text}\n`)))),
      'note.signature',
      'a genuine signature of the key, over other bytes',
    ),
    bad(
      'signature with S + L',
      withFirst(signatureLine(first.verifier, raisedBy(payload))),
      'note.signature',
      'S of an Ed25519 signature must be below the group order (RFC 8032): else every signature has a second form',
    ),
    bad(
      'a line feed more before the signatures',
      note.replace('\n\n', '\n\n\n'),
      codeOfLongerText,
      'the text has one line more',
    ),
    bad('CR LF', note.replaceAll('\n', '\r\n'), 'note.control', 'a note holds no control character but the line feed'),
    bad('no line feed at the end', note.slice(0, -1), 'note.end', 'every signature line ends with one'),
    bad('no empty line', note.replace('\n\n', '\n'), 'note.separator', 'an empty line separates text and signatures'),
    bad(
      'text after the signatures',
      `${note}more\n`,
      'note.line-syntax',
      'after the empty line stand signature lines only',
    ),
    bad(
      'hyphen for the dash',
      withFirst((lines[0] as string).replace('—', '-')),
      'note.line-syntax',
      'the dash is U+2014',
    ),
    bad(
      'signature in URL-safe base64',
      withFirst(urlSafe(lines[0] as string)),
      'note.line-payload',
      'standard base64 only',
    ),
    bad(
      'not UTF-8',
      [{ text: note.slice(0, -1) }, { hex: 'c080' }, { text: '\n' }],
      'note.utf8',
      'a note is valid UTF-8 (here an overlong form)',
    ),
    bad(
      'longer than an entry',
      [{ text }, { text: 'x', times: 65_535 }, { text: note.slice(text.length) }],
      'note.size',
      'an entry has at most 65,535 bytes',
    ),
  ];
}

/** The order of Ed25519's group, little-endian, added to S: the same point equation, another spelling. */
function raisedBy(signature: Buffer): Buffer {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = BigInt(`0x${Buffer.from(signature.subarray(32).toReversed()).toString('hex')}`) + order;
  const raised = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').toReversed();
  return Buffer.concat([signature.subarray(0, 32), raised]);
}

function pairCases(text: string, lines: readonly string[]): Case<{ note: Bytes }>[] {
  const [one, two] = lines as [string, string];
  const pair = (name: string, order: string[], code: string, reason: string): Case<{ note: Bytes }> =>
    invalid(name, { note: formatNote(text, order) }, code, reason);
  return [
    pair('lines swapped', [two, one], 'note.line-key', 'the order is part of the format'),
    pair('first line twice', [one, one], 'note.line-key', 'the second line has to be by the other key'),
    pair('first line only', [one], 'note.line-count', 'two lines are needed'),
    pair('second line only', [two], 'note.line-count', 'two lines are needed'),
  ];
}

function lineBy(signer: SigningKey, text: string): string {
  return signatureLine(signer.verifier, signer.sign(Buffer.from(text)));
}

/** The stranger's key under the name that is asked for. */
function stranger(like: SigningKey): SigningKey {
  return key('stranger', like.name);
}

function urlSafe(line: string): string {
  const payload = line.slice(line.lastIndexOf(' '));
  return line.replace(payload, payload.replaceAll('+', '-').replaceAll('/', '_'));
}

/**
 * Cases whose text is wrong although its signatures are right: `lines` are put in the place of the lines of a good text
 * (line 1 is the kind), the rest stays, and the right keys sign.
 */
export function textCases(
  good: string,
  keys: readonly SigningKey[],
  cases: readonly [name: string, lines: Record<number, string | null>, code: string, reason: string][],
): Case<{ note: Bytes }>[] {
  return cases.map(([name, lines, code, reason]) =>
    invalid(name, { note: signNote(withLines(good, lines), keys) }, code, reason),
  );
}

/** A text with some lines replaced, or taken out by null; a line may hold line feeds. */
export function withLines(text: string, lines: Record<number, string | null>): string {
  return text
    .slice(0, -1)
    .split('\n')
    .map((line, i) => (i + 1 in lines ? lines[i + 1] : line))
    .filter((line) => line !== null)
    .map((line) => `${line}\n`)
    .join('');
}
