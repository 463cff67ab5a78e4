/**
 * What a statement is, without what it must not give away: its text with every literal and comment taken out, and what it does to what.
 *
 * A password in SQL is a string literal, in one of its spellings: '…', E'…', U&'…', $tag$…$tag$. So are texts of comments, connection
 * strings and bodies of functions; none of them is needed to say who changed what. Comments are taken out because anything may stand
 * there. Where it cannot be known how a literal goes on, because that depends on a setting (a backslash in front of a quote) or because
 * it does not end, everything behind its beginning is taken out.
 *
 * Source: PostgreSQL 18, "SQL Syntax", "Lexical Structure".
 */

export interface SqlOutline {
  /** One line; `'...'` stands for a literal. */
  readonly text: string;
  /** What each of the statements does, as far as it changes the schema, roles or grants: `alter.role`, `create.table`, `grant`. */
  readonly actions: readonly string[];
}

const LITERAL = "'...'";

const SPACE = /[\s\v]+/y;
const LINE_COMMENT = /--[^\n\r]*/y;
// Unrolled loops: one step of the matcher for a run of ordinary characters, so that a long literal exhausts no stack.
const QUOTED_NAME = /(?:[uU]&)?"[^"]*(?:""[^"]*)*"/y;
const PLAIN = /(?:[bBxXnN]|[uU]&)?'([^']*(?:''[^']*)*)'/y;
const ESCAPED = /[eE]'[^'\\]*(?:(?:\\[\s\S]|'')[^'\\]*)*'/y;
const DOLLAR = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /\.?\d[\w.]*/y;
/** A name or literal that does not end where it should. */
const BEGINS_LITERAL = /(?:[eEbBxXnN]|[uU]&)?['"]/y;

const VERBS = new Set([
  'create',
  'alter',
  'drop',
  'grant',
  'revoke',
  'comment',
  'security',
  'reassign',
  'import',
  'do',
]);
const OBJECTS = new Set(
  `access aggregate cast collation column constraint conversion database domain event extension foreign function group index label language
   large materialized operator owned policy procedure publication role routine rule schema sequence server statistics subscription system
   table tablespace text transform trigger type user view`.split(/\s+/),
);
/** The object stands within so many words behind the verb: CREATE OR REPLACE TEMPORARY RECURSIVE VIEW. */
const WORDS_BETWEEN = 5;

/** @param sql of any length: time grows with it, and no more is kept of it than it has */
export function outlineSql(sql: string): SqlOutline {
  const tokens = tokensOf(sql);
  const text = tokens.join('').trim();
  return { text, actions: [...new Set(statementsIn(tokens).flatMap(actionOf))] };
}

/** Words, names and signs as they are, one space for any white space, and LITERAL. */
function tokensOf(sql: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < sql.length;) {
    const [token, end] = tokenAt(sql, at);
    if (token !== ' ' || tokens.at(-1) !== ' ') tokens.push(token);
    at = end;
  }
  return tokens;
}

/** The token that begins at `at`, and where it ends. */
function tokenAt(sql: string, at: number): [token: string, end: number] {
  const end = (pattern: RegExp): number | null => {
    pattern.lastIndex = at;
    return pattern.test(sql) ? pattern.lastIndex : null;
  };
  const space = end(SPACE) ?? end(LINE_COMMENT);
  if (space !== null) return [' ', space];
  if (sql.startsWith('/*', at)) return [' ', endOfComment(sql, at)];
  const literal = end(ESCAPED) ?? endOfPlain(sql, at) ?? endOfDollar(sql, at);
  if (literal !== null) return [LITERAL, literal];
  const name = end(QUOTED_NAME) ?? (end(BEGINS_LITERAL) === null ? (end(WORD) ?? end(NUMBER)) : null);
  if (name !== null) return [sql.slice(at, name), name];
  return end(BEGINS_LITERAL) === null ? [sql[at]!, at + 1] : [LITERAL, sql.length];
}

/** Comments nest. */
function endOfComment(sql: string, at: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at;
  let depth = 0;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}

function endOfPlain(sql: string, at: number): number | null {
  PLAIN.lastIndex = at;
  const found = PLAIN.exec(sql);
  if (found === null) return null;
  // With standard_conforming_strings off the literal would go on behind such a quote.
  return found[1]!.includes('\\') ? sql.length : PLAIN.lastIndex;
}

function endOfDollar(sql: string, at: number): number | null {
  DOLLAR.lastIndex = at;
  const tag = DOLLAR.exec(sql)?.[0];
  if (tag === undefined) return null;
  const close = sql.indexOf(tag, DOLLAR.lastIndex);
  return close === -1 ? sql.length : close + tag.length;
}

function statementsIn(tokens: readonly string[]): string[][] {
  const statements: string[][] = [[]];
  for (const token of tokens) {
    if (token === ';') statements.push([]);
    else if (token !== ' ') statements.at(-1)!.push(token);
  }
  return statements;
}

function actionOf(statement: readonly string[]): string[] {
  const [verb, ...rest] = statement.slice(0, 1 + WORDS_BETWEEN).map((word) => word.toLowerCase());
  if (verb === undefined || !VERBS.has(verb)) return [];
  const object = rest.find((word) => OBJECTS.has(word));
  return [object === undefined || verb === 'grant' || verb === 'revoke' ? verb : `${verb}.${object}`];
}
