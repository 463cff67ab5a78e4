/**
 * The YAML side of the policy: text to plain values, and from a place in those values back to its line.
 *
 * Accepted is one YAML 1.2 document (core schema) of maps with string keys, lists, strings, numbers, booleans and nulls.
 * Aliases, anchors, tags, merge keys and repeated keys are refused: each lets one line mean something that stands elsewhere.
 */
import { isAlias, isMap, isNode, isScalar, LineCounter, parseDocument, visit, type Document, type Node } from 'yaml';
import type { z } from 'zod';
import { PolicyError, type PolicyCode, type PolicyProblem } from './policy-error.js';

export type Path = readonly PropertyKey[];

/** A problem found in the values, before its line is known. */
export interface ValueProblem {
  code: PolicyCode;
  path: Path;
  message: string;
}

export interface YamlValues {
  value: unknown;
  /** Gives a problem its line. */
  locate(problem: ValueProblem): PolicyProblem;
  /** The error for values that are not of the expected shape. */
  shapeError(issues: z.core.$ZodIssue[]): PolicyError;
}

/** Parses one document; throws PolicyError `policy.yaml`. */
export function readYaml(text: string, file: string): YamlValues {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    strict: true,
    stringKeys: true,
    uniqueKeys: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const problems = [...document.errors, ...document.warnings].map(({ pos, message }) => ({ at: pos[0], message }));
  const [first, ...rest] = [...problems, ...indirections(document)].map(({ at, message }): PolicyProblem => ({
    code: 'policy.yaml',
    line: lines.linePos(at).line,
    path: '',
    message,
  }));
  if (first !== undefined) throw new PolicyError(file, [first, ...rest]);
  const locate = (problem: ValueProblem): PolicyProblem => ({
    code: problem.code,
    line: lineOf(document, lines, problem.path),
    path: showPath(problem.path),
    message: problem.message,
  });
  return {
    value: document.toJS(),
    locate,
    shapeError: (issues) => {
      const [one, ...more] = issues.flatMap((issue) => shapeProblems(document, issue)).map(locate);
      if (one === undefined) throw new Error('shapeError was called without an issue');
      return new PolicyError(file, [one, ...more]);
    },
  };
}

function indirections(document: Document): { at: number; message: string }[] {
  const found: { at: number; message: string }[] = [];
  visit(document, {
    Node(_key, node) {
      const at = node.range?.[0] ?? 0;
      if (isAlias(node)) found.push({ at, message: `the alias *${node.source} is not allowed: write the value out` });
      else if (node.anchor !== undefined) found.push({ at, message: `the anchor &${node.anchor} is not allowed` });
      else if (node.tag !== undefined) found.push({ at, message: `the tag ${node.tag} is not allowed` });
    },
  });
  return found;
}

function shapeProblems(document: Document, issue: z.core.$ZodIssue): ValueProblem[] {
  const code: PolicyCode = 'policy.shape';
  if (issue.code === 'unrecognized_keys') {
    const message = 'there is no such field: remove it or correct its name';
    return issue.keys.map((key) => ({ code, path: [...issue.path, key], message }));
  }
  if (issue.code === 'invalid_type' && issue.path.length > 0 && !document.hasIn(issue.path)) {
    return [{ code, path: issue.path, message: `this field is missing: add it (${issue.expected})` }];
  }
  return [{ code, path: issue.path, message: issue.message }];
}

function showPath(path: Path): string {
  return path.reduce<string>((shown, part) => {
    if (typeof part === 'number') return `${shown}[${part}]`;
    return shown === '' ? String(part) : `${shown}.${String(part)}`;
  }, '');
}

/** The line of the key or list item a path ends at; of its nearest existing parent when it is missing. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  let node: Node | null = document.contents;
  let at = node?.range?.[0] ?? 0;
  for (const part of path) {
    const key = isMap(node) ? node.items.find((item) => isScalar(item.key) && item.key.value === part)?.key : undefined;
    const next: unknown =
      isNode(node) && 'get' in node && typeof node.get === 'function' ? node.get(part, true) : undefined;
    const place = isNode(key) ? key : next;
    if (!isNode(place)) break;
    at = place.range?.[0] ?? at;
    node = isNode(next) ? next : null;
  }
  return lines.linePos(at).line;
}
