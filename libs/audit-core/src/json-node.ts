/**
 * The nodes of a JsonTape: four 32-bit numbers each, in document order in one Int32Array.
 *
 *     [0] kind and flags   [1] start   [2] end   [3] of a value: the node after its subtree; of a name: its hash
 *
 * A node's handle is the place of its first number, so that the root is 0; -1 is no node. A member of an object is a name
 * node followed by its value's nodes. start and end are byte offsets into the scanned buffer: of the whole value, its
 * quotes and brackets included, and of a name without its quotes. Those of an escaped name are offsets into the tape's
 * `unescaped`, where its decoded bytes are.
 */

/** What a node is. */
export const JsonKind = { object: 1, array: 2, string: 3, number: 4, true: 5, false: 6, null: 7, name: 8 } as const;
export type JsonKind = (typeof JsonKind)[keyof typeof JsonKind];

export const STRIDE = 4;
export const START = 1;
export const END = 2;
export const NEXT = 3;
export const HASH = 3;

/** The bits of the kind; beside them, how the bytes of a string or name differ from its text. */
export const KIND = 0x0f;
export const ESCAPED = 0x10;
/** Bytes beyond ASCII, or DEL. */
export const UNUSUAL = 0x20;
