/**
 * Reads one settings file: YAML 1.2, one document, into the type that a zod schema describes. Strict: duplicate and
 * unknown keys, custom tags and everything the schema does not allow are refused, and all problems are told at once,
 * each with its line, its path and what to do. Read once, at start; nothing is read from the environment.
 */
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { types } from 'node:util';
import { isMap, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import type { z } from 'zod';
import { codeOf } from './failure.js';
import { descriptionAt, namesAt, resolvePaths, settingsFields } from './settings.js';

/** Settings are a page or two; what is larger was named by mistake. */
const MAX_BYTES = 1024 * 1024;
/** A name with more wrong letters than this, or with half of them wrong, is not the one that was meant. */
const MAX_TYPOS = 3;

export interface ConfigProblem {
  /** 1-based line in the file; 0 when the problem has no place. */
  line: number;
  /** Dotted path of the field; '' for the file as a whole. */
  path: string;
  /** What is wrong and what to do. */
  message: string;
}

export class ConfigError extends Error {
  constructor(
    readonly code: 'config.unreadable' | 'config.yaml' | 'config.invalid',
    readonly file: string,
    readonly problems: readonly ConfigProblem[],
    options?: ErrorOptions,
  ) {
    super(render(file, problems), options);
    this.name = 'ConfigError';
  }
}

/**
 * @param file path of the YAML file
 * @param schema strict and documented, see settings.ts
 * @returns the parsed settings: defaults filled in, paths absolute
 * @throws ConfigError naming every problem
 */
export function readConfig<T>(file: string, schema: z.ZodType<T>): T {
  settingsFields(schema);
  const lines = new LineCounter();
  const document = parseYaml(file, readText(file), lines);
  const result = schema.safeParse(document.toJS({ maxAliasCount: 100 }));
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => problemsOf(issue, schema, document, lines));
    throw new ConfigError(
      'config.invalid',
      file,
      problems.sort((a, b) => a.line - b.line),
    );
  }
  return resolvePaths(schema, result.data, dirname(resolve(file)));
}

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_BYTES}: name the settings file`);
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = codeOf(cause) === 'ENOENT' ? 'there is no such file' : messageOf(cause);
    const message = `cannot be read: ${reason}`;
    throw new ConfigError('config.unreadable', file, [{ line: 0, path: '', message }], { cause });
  }
}

function parseYaml(file: string, text: string, lineCounter: LineCounter): Document.Parsed {
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true });
  const problems = [...document.errors, ...document.warnings].map((error) => ({
    line: lineCounter.linePos(error.pos[0]).line,
    path: '',
    message: error.message,
  }));
  if (problems.length > 0) throw new ConfigError('config.yaml', file, problems);
  return document;
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType, document: Document, lines: LineCounter) {
  if (issue.code === 'unrecognized_keys') {
    const known = namesAt(schema, issue.path);
    return issue.keys.map((key) => ({
      line: lineOf(document, [...issue.path, key], lines),
      path: dotted([...issue.path, key]),
      message: `unknown setting: ${suggestion(key, known)}`,
    }));
  }
  const description = descriptionAt(schema, issue.path);
  const missing = issue.code === 'invalid_type' && document.getIn(issue.path) === undefined;
  const what = missing ? 'missing: set it' : messageOfIssue(issue);
  return [
    {
      line: lineOf(document, issue.path, lines),
      path: dotted(issue.path),
      message: description === '' ? what : `${what}. ${description}`,
    },
  ];
}

/** A union's own message says nothing; its branches' messages do. */
function messageOfIssue(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') return lowerFirst(issue.message);
  const branches = issue.errors.flatMap((errors) => errors.map((error) => lowerFirst(error.message)));
  return [...new Set(branches)].join(', or ') || lowerFirst(issue.message);
}

/** Line of the deepest part of the path that stands in the file; for the last key, of the key itself. */
function lineOf(document: Document, path: readonly PropertyKey[], lines: LineCounter): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => String(item.key) === key);
      const range = (pair?.key as { range?: [number, number, number] } | undefined)?.range;
      if (range !== undefined) return lines.linePos(range[0]).line;
    }
    const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined;
    if (node?.range !== undefined) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function suggestion(key: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, typos: distance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.typos - b.typos);
  if (best !== undefined && best.typos <= Math.min(MAX_TYPOS, key.length / 2)) return `did you mean "${best.name}"?`;
  return known.length === 0 ? 'remove it' : `remove it; there is ${known.join(', ')}`;
}

/** Levenshtein distance; names are short. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
}

function render(file: string, problems: readonly ConfigProblem[]): string {
  const name = basename(file);
  const told = problems.map(({ line, path, message }) =>
    [line > 0 ? `${name}:${line}` : file, path, message].filter((part) => part !== '').join(': '),
  );
  return told.join('\n');
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function messageOf(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}
