/**
 * How the byte lexers of JSON (json-escape.ts, json-number.ts, utf8-sequence.ts) answer: the position after what they
 * read, or one of these two. They are kept apart because a reader that was given only the first part of a text has to
 * know whether more bytes could still make it right.
 */

/** The bytes do not follow the grammar, whatever comes after them. */
export const ILL_FORMED = -1;

/** The bytes end too early. */
export const CUT_SHORT = -2;
