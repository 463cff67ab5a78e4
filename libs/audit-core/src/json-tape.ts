/**
 * JsonTape: one strict pass over raw bytes that says whether they are one JSON text and where every value lies, without
 * building an object. What is sealed is the producer's bytes, so nothing here re-serialises; the tape only points
 * (json-node.ts).
 *
 * Accepted is exactly RFC 8259 in strict UTF-8 without a byte order mark, at most MAX_DEPTH containers deep
 * (a lone `{}` is depth 1). Everything else is a fault. What is JSON but can be read in two ways is a finding
 * (json-error.ts); names are compared after unescaping.
 *
 * A scan allocates nothing once the tape has met its largest input. The walk is iterative: hostile nesting costs a slot
 * in `open`, never a stack frame. Time is linear in the input, save for the sorting of large objects' names
 * (repeated-names.ts). A tape is valid until the next scan and as long as nobody writes to the bytes.
 */
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  DELETE,
  DIGIT,
  MINUS,
  OPEN_ARRAY,
  OPEN_OBJECT,
  PLAIN,
  QUOTE,
  skipSpace,
} from './json-bytes.js';
import { JsonError, type JsonFault, type JsonFinding } from './json-error.js';
import { escapeEnd, isLoneSurrogate, unescapeTo } from './json-escape.js';
import { END, ESCAPED, HASH, JsonKind, KIND, NEXT, START, STRIDE, UNUSUAL } from './json-node.js';
import { numberEnd, overflowsDouble } from './json-number.js';
import { CUT_SHORT } from './lexeme.js';
import { hashName, MemberNames } from './member-names.js';
import { firstRepeat } from './repeated-names.js';
import { multibyteEnd } from './utf8-sequence.js';

/** How many arrays and objects may be open at once. */
export const MAX_DEPTH = 32;

const { object: OBJECT, array: ARRAY, string: STRING, number: NUMBER, name: NAME } = JsonKind;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
const RESERVED = new MemberNames(['__proto__', 'constructor', 'prototype']);
/**
 * Plain strings of a text up to this size are slices of the text, which is decoded once: a slice costs an eighth of a
 * decoding (measured). A slice keeps its text alive, hence the bound.
 */
const MOST_SLICED_BYTES = 4_096;
const NOTHING = Buffer.alloc(0);

export class JsonTape {
  /** The first finding of the last scan, or null. */
  finding: JsonFinding | null = null;
  /** Whether any object of the last scan had a name twice; complete only when the scan ended without a fault. */
  repeatedName = false;
  /** The byte of the fault, or else of the first finding; meaningless without either. */
  offset = 0;

  private bytes: Buffer = NOTHING;
  private end = 0;
  private text: string | null = null;
  private fault: JsonFault | null = null;
  private nodes = new Int32Array(0);
  private top = 0;
  private flags = 0;
  private unescaped: Buffer = NOTHING;
  private unescapedEnd = 0;
  private names = new Int32Array(0);
  private hashes = new Int32Array(0);
  private readonly open = new Int32Array(MAX_DEPTH);
  private readonly compareNames = (a: number, b: number): number => this.compare(a, b);

  /**
   * Reads bytes [start, end) as one JSON value with white space around it; the root is node 0.
   * @throws JsonError on a fault, or else on the first finding.
   */
  scan(bytes: Uint8Array, start: number, end: number): void {
    const problem = this.report(bytes, start, end) ?? this.finding;
    if (problem !== null) throw new JsonError(problem, this.offset);
  }

  /** As `scan`, but never throws: answers the fault, or null and leaves `finding` and `repeatedName` to be read. */
  report(bytes: Uint8Array, start: number, end: number): JsonFault | null {
    const after = this.read(bytes, start, end);
    if (after < 0) return this.fault;
    const rest = skipSpace(bytes, after, end);
    if (rest < end) this.stop('json.trailing', rest);
    return this.fault;
  }

  /**
   * Reads the one value that starts at or after `start` and returns the position after it; what follows is not
   * looked at. `json.end` means that the value goes on at `end`.
   * @throws JsonError as `scan`.
   */
  scanNext(bytes: Uint8Array, start: number, end: number): number {
    const after = this.read(bytes, start, end);
    const problem = this.fault ?? this.finding;
    if (problem !== null) throw new JsonError(problem, this.offset);
    return after;
  }

  kind(node: number): JsonKind {
    return (this.nodes[node]! & KIND) as JsonKind;
  }

  /** Where the value's bytes begin in the scanned buffer; its quotes and brackets belong to it. */
  startOf(node: number): number {
    return this.nodes[node + START]!;
  }

  /** Where the value's bytes end, exclusive. */
  endOf(node: number): number {
    return this.nodes[node + END]!;
  }

  /** The first name of an object, or -1: for no members, for another kind of value, and for -1. */
  firstName(object: number): number {
    if (object < 0 || this.kind(object) !== OBJECT) return -1;
    return this.nextName(object, object);
  }

  /** The name after `name` (its value's subtree skipped), or -1 after the last. */
  nextName(object: number, name: number): number {
    const next = name === object ? object + STRIDE : this.nodes[name + STRIDE + NEXT]!;
    return next < this.nodes[object + NEXT]! ? next : -1;
  }

  /** The value of a name. */
  valueOf(name: number): number {
    return name + STRIDE;
  }

  /** Which of `names` this name is, by its place in their list; -1 for none. */
  nameIndex(name: number, names: MemberNames): number {
    const { nodes } = this;
    const source = nodes[name]! & ESCAPED ? this.unescaped : this.bytes;
    return names.find(nodes[name + HASH]!, source, nodes[name + START]!, nodes[name + END]!);
  }

  /** The first element of an array, or -1: for an empty one, for another kind of value, and for -1. */
  firstElement(array: number): number {
    if (array < 0 || this.kind(array) !== ARRAY) return -1;
    return array + STRIDE < this.nodes[array + NEXT]! ? array + STRIDE : -1;
  }

  /** True when a string is printable ASCII without an escape, so that its bytes are its text. */
  isPlain(string: number): boolean {
    return (this.nodes[string]! & (ESCAPED | UNUSUAL)) === 0;
  }

  /** The bytes of a value as they stand, one character a byte; for numbers. */
  rawText(node: number): string {
    return this.bytes.toString('latin1', this.startOf(node), this.endOf(node));
  }

  /** A member name, unescaped, lone surrogates as U+FFFD. */
  nameText(name: number): string {
    const source = this.nodes[name]! & ESCAPED ? this.unescaped : this.bytes;
    return source.toString('utf8', this.startOf(name), this.endOf(name));
  }

  /** The text of a string, unescaped; may hold lone surrogates when `finding` was let pass. */
  stringValue(string: number): string {
    const flags = this.nodes[string]!;
    const start = this.nodes[string + START]!;
    const end = this.nodes[string + END]!;
    // The grammar is proven, so JSON.parse cannot fail; it is the one unescaper that everybody agrees with.
    if (flags & ESCAPED) return JSON.parse(this.bytes.toString('utf8', start, end)) as string;
    if (flags & UNUSUAL) return this.bytes.toString('utf8', start + 1, end - 1);
    const textStart = this.startOf(0);
    const textEnd = this.endOf(0);
    if (textEnd - textStart > MOST_SLICED_BYTES) return this.bytes.toString('latin1', start + 1, end - 1);
    this.text ??= this.bytes.toString('latin1', textStart, textEnd);
    return this.text.slice(start + 1 - textStart, end - 1 - textStart);
  }

  private read(bytes: Uint8Array, start: number, end: number): number {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = end;
    this.text = null;
    this.fault = null;
    this.finding = null;
    this.repeatedName = false;
    this.top = 0;
    this.unescapedEnd = 0;
    this.reserve(end - start);
    const mark = end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf;
    return mark ? this.stop('json.bom', start) : this.walk(start);
  }

  /** Room for the worst case, so that the walk needs no checks: a node takes a byte, a member at least four. */
  private reserve(size: number): void {
    if (this.nodes.length >= size * STRIDE) return;
    const room = 2 ** Math.ceil(Math.log2(size));
    this.nodes = new Int32Array(room * STRIDE);
    this.names = new Int32Array(room / 4 + 1);
    this.hashes = new Int32Array(room / 4 + 1);
    this.unescaped = Buffer.alloc(room);
  }

  /** Reads one value and all that is in it; returns the position after it, or -1 with the fault set. */
  private walk(from: number): number {
    const { bytes, end, open, nodes } = this;
    let depth = 0;
    let at = from;
    for (;;) {
      // A value is due.
      at = skipSpace(bytes, at, end);
      if (at >= end) return this.stop('json.end', end);
      const first = bytes[at]!;
      if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
        if (depth === MAX_DEPTH) return this.stop('json.depth', at);
        open[depth++] = this.top;
        this.push(first === OPEN_OBJECT ? OBJECT : ARRAY, at, at);
        at = skipSpace(bytes, at + 1, end);
        // Not empty: its first name or element is due. (At the end of the bytes either way says so.)
        if (bytes[at] !== (first === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY) || at >= end) {
          if (first === OPEN_OBJECT) at = this.name(at);
          if (at < 0) return -1;
          continue;
        }
      } else {
        at = this.scalar(first, at);
        if (at < 0) return -1;
      }
      // A value has ended: close what ends with it, until a comma calls for the next one.
      for (;;) {
        if (depth === 0) return at;
        at = skipSpace(bytes, at, end);
        if (at >= end) return this.stop('json.end', end);
        const parent = open[depth - 1]!;
        const inObject = nodes[parent] === OBJECT;
        const byte = bytes[at++]!;
        if (byte === COMMA) {
          if (inObject) at = this.name(skipSpace(bytes, at, end));
          if (at < 0) return -1;
          break;
        }
        if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return this.stop('json.token', at - 1);
        nodes[parent + END] = at;
        nodes[parent + NEXT] = this.top;
        if (inObject) this.checkNames(parent);
        depth--;
      }
    }
  }

  /** Reads a name and its colon. */
  private name(at: number): number {
    const { bytes, end } = this;
    if (at >= end) return this.stop('json.end', end);
    if (bytes[at] !== QUOTE) return this.stop('json.token', at);
    const after = this.string(at);
    if (after < 0) return -1;
    this.pushName(at + 1, after - 1);
    const colon = skipSpace(bytes, after, end);
    if (colon >= end) return this.stop('json.end', end);
    return bytes[colon] === COLON ? colon + 1 : this.stop('json.token', colon);
  }

  private pushName(start: number, end: number): void {
    let source = this.bytes;
    let from = start;
    let to = end;
    if (this.flags & ESCAPED) {
      source = this.unescaped;
      from = this.unescapedEnd;
      to = this.unescapedEnd = unescapeTo(this.unescaped, from, this.bytes, start, end);
    }
    const hash = hashName(source, from, to);
    this.push(NAME | this.flags, from, to);
    this.nodes[this.top - STRIDE + HASH] = hash;
    if (RESERVED.find(hash, source, from, to) >= 0) this.note('json.name-reserved', start - 1);
  }

  private scalar(first: number, at: number): number {
    if (first === QUOTE) {
      const after = this.string(at);
      if (after >= 0) this.push(STRING | this.flags, at, after);
      return after;
    }
    if (first === MINUS || DIGIT[first] === 1) return this.number(at);
    if (first === TRUE[0]) return this.literal(at, TRUE, JsonKind.true);
    if (first === FALSE[0]) return this.literal(at, FALSE, JsonKind.false);
    if (first === NULL[0]) return this.literal(at, NULL, JsonKind.null);
    return this.stop('json.token', at);
  }

  private literal(at: number, text: Buffer, kind: JsonKind): number {
    for (let i = 1; i < text.length; i++) {
      if (at + i >= this.end) return this.stop('json.end', this.end);
      if (this.bytes[at + i] !== text[i]) return this.stop('json.token', at + i);
    }
    this.push(kind, at, at + text.length);
    return at + text.length;
  }

  /** Reads the string whose opening quote is at `at`; returns the position after its closing quote; sets `flags`. */
  private string(at: number): number {
    const { bytes, end } = this;
    this.flags = 0;
    let i = at + 1;
    for (;;) {
      while (i < end && PLAIN[bytes[i]!] === 1) i++;
      if (i >= end) return this.stop('json.end', end);
      const byte = bytes[i]!;
      if (byte === QUOTE) return i + 1;
      if (byte < 0x20) return this.stop('json.control', i);
      if (byte === BACKSLASH) i = this.escape(i);
      else {
        this.flags |= UNUSUAL;
        i = byte === DELETE ? i + 1 : this.taken(multibyteEnd(bytes, i, end), 'json.utf8', i);
      }
      if (i < 0) return -1;
    }
  }

  private escape(at: number): number {
    this.flags |= ESCAPED;
    const after = this.taken(escapeEnd(this.bytes, at, this.end), 'json.escape', at);
    if (after >= 0 && isLoneSurrogate(this.bytes, at, after)) this.note('json.surrogate', at);
    return after;
  }

  private number(at: number): number {
    const after = this.taken(numberEnd(this.bytes, at, this.end), 'json.number', at);
    if (after < 0) return -1;
    if (overflowsDouble(this.bytes, at, after)) this.note('json.number-overflow', at);
    this.push(NUMBER, at, after);
    return after;
  }

  /** A lexer's answer (lexeme.ts) as a position, or -1 with the fault set. */
  private taken(answer: number, fault: JsonFault, at: number): number {
    if (answer >= 0) return answer;
    return answer === CUT_SHORT ? this.stop('json.end', this.end) : this.stop(fault, at);
  }

  private push(kind: number, start: number, end: number): void {
    const { nodes, top } = this;
    nodes[top] = kind;
    nodes[top + START] = start;
    nodes[top + END] = end;
    nodes[top + NEXT] = this.top = top + STRIDE;
  }

  private checkNames(object: number): void {
    const { nodes, names, hashes, top } = this;
    let count = 0;
    for (let name = object + STRIDE; name < top; name = nodes[name + STRIDE + NEXT]!) {
      names[count] = name;
      hashes[count++] = nodes[name + HASH]!;
    }
    const repeat = count < 2 ? -1 : firstRepeat(names, hashes, count, this.compareNames);
    if (repeat < 0) return;
    this.repeatedName = true;
    this.note('json.name-repeated', this.startOf(this.valueOf(repeat)));
  }

  /** Any total order of names does; the hash first, so that bytes are read only when it is equal. */
  private compare(a: number, b: number): number {
    const { nodes } = this;
    const byHash = nodes[a + HASH]! - nodes[b + HASH]!;
    if (byHash !== 0) return byHash;
    const startA = nodes[a + START]!;
    const startB = nodes[b + START]!;
    const length = nodes[a + END]! - startA;
    const byLength = length - (nodes[b + END]! - startB);
    if (byLength !== 0) return byLength;
    const sourceA = nodes[a]! & ESCAPED ? this.unescaped : this.bytes;
    const sourceB = nodes[b]! & ESCAPED ? this.unescaped : this.bytes;
    for (let i = 0; i < length; i++) {
      const byByte = sourceA[startA + i]! - sourceB[startB + i]!;
      if (byByte !== 0) return byByte;
    }
    return 0;
  }

  private note(finding: JsonFinding, at: number): void {
    if (this.finding !== null) return;
    this.finding = finding;
    this.offset = at;
  }

  private stop(fault: JsonFault, at: number): -1 {
    this.fault = fault;
    this.offset = at;
    return -1;
  }
}
