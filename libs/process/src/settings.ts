/**
 * How settings are declared: zod schemas in which every object is strict and every field says, in `.describe`, what it
 * is, in which unit, and what happens otherwise. This file reads such a schema back as a list of fields, so that error
 * messages and the reference for operators come from the same words, and refuses schemas that are not documented.
 *
 * A path field (`filePath`) may be relative; it then starts at the folder of the settings file, so that an installation
 * can be moved as a whole.
 */
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';

export interface SettingsField {
  /** Dotted path; `[]` stands for each item of a list, `<name>` for each key of a map. */
  path: string;
  /** As JSON Schema says it: string, integer, number, boolean, or the allowed values joined by `|`. */
  type: string;
  required: boolean;
  /** JSON text of the default; undefined when there is none. */
  default: string | undefined;
  description: string;
}

/** The part of JSON Schema that zod gives for settings. */
interface SchemaNode {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  properties?: Record<string, SchemaNode>;
  required?: string[];
  additionalProperties?: SchemaNode | boolean;
  items?: SchemaNode;
  anyOf?: SchemaNode[];
  filePath?: boolean;
}

/** A path of a file or folder. @param description what stands there */
export function filePath(description: string): z.ZodString {
  return z
    .string()
    .min(1)
    .meta({ filePath: true, description: `Path, relative to this file. ${description}` });
}

/**
 * Every field of a schema, in its order.
 * @throws Error when an object is not strict or a field has no description: a bug of ours, found at the first start
 */
export function settingsFields(schema: z.ZodType): SettingsField[] {
  const fields: SettingsField[] = [];
  collect(nodeOf(schema), '', true, fields);
  return fields;
}

/** The field names allowed at a path, for "did you mean". Items of lists and maps are looked into by any key. */
export function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let nodes = [nodeOf(schema)];
  for (const key of path) nodes = nodes.flatMap((node) => step(node, String(key)));
  return nodes.flatMap((node) => alternatives(node).flatMap((one) => Object.keys(one.properties ?? {})));
}

/** The description of the field at a path; '' when there is none. */
export function descriptionAt(schema: z.ZodType, path: readonly PropertyKey[]): string {
  let nodes = [nodeOf(schema)];
  for (const key of path) nodes = nodes.flatMap((node) => step(node, String(key)));
  return nodes.map((node) => node.description ?? '').find((text) => text !== '') ?? '';
}

/** Parsed settings with every `filePath` made absolute. */
export function resolvePaths<T>(schema: z.ZodType<T>, value: T, folder: string): T {
  return resolveNode(nodeOf(schema), value, folder) as T;
}

function nodeOf(schema: z.ZodType): SchemaNode {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode;
}

function alternatives(node: SchemaNode): SchemaNode[] {
  return node.anyOf === undefined ? [node] : node.anyOf.flatMap(alternatives);
}

function step(node: SchemaNode, key: string): SchemaNode[] {
  return alternatives(node).flatMap((one) => {
    const next = one.properties?.[key] ?? one.items ?? one.additionalProperties;
    return typeof next === 'object' ? [next] : [];
  });
}

function collect(node: SchemaNode, path: string, required: boolean, fields: SettingsField[]): void {
  const branches = alternatives(node).filter(hasFields);
  // What is (or may be) a plain value, or a list or map of plain values, is described as a whole.
  if (branches.length < alternatives(node).length) fields.push(field(node, path, required));
  for (const branch of branches) {
    if (branch.properties !== undefined) collectObject(branch, path, fields);
    else if (branch.items !== undefined) collect(branch.items, `${path}[]`, true, fields);
    else collect(branch.additionalProperties as SchemaNode, path === '' ? '<name>' : `${path}.<name>`, true, fields);
  }
}

function hasFields(node: SchemaNode): boolean {
  return alternatives(node).some(
    (part) =>
      part.properties !== undefined ||
      (part.items !== undefined && hasFields(part.items)) ||
      (typeof part.additionalProperties === 'object' && hasFields(part.additionalProperties)),
  );
}

function collectObject(node: SchemaNode, path: string, fields: SettingsField[]): void {
  if (node.additionalProperties !== false) throw new Error(`settings ${path || '(top)'}: use z.strictObject`);
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    const required = (node.required ?? []).includes(name);
    collect(child, path === '' ? name : `${path}.${name}`, required, fields);
  }
}

function field(node: SchemaNode, path: string, required: boolean): SettingsField {
  if (node.description === undefined) throw new Error(`settings ${path}: add .describe with unit and default`);
  const types = alternatives(node).map((part) => part.enum?.join('|') ?? part.type ?? 'any');
  return {
    path,
    type: types.join('|'),
    required,
    default: node.default === undefined ? undefined : JSON.stringify(node.default),
    description: node.description,
  };
}

function resolveNode(node: SchemaNode, value: unknown, folder: string): unknown {
  const parts = alternatives(node);
  if (typeof value === 'string') {
    return parts.some((part) => part.filePath) && !isAbsolute(value) ? resolve(folder, value) : value;
  }
  if (Array.isArray(value)) {
    return value.map((item) => step(node, '').reduce((one, next) => resolveNode(next, one, folder), item as unknown));
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    step(node, name).reduce((one, next) => resolveNode(next, one, folder), item as unknown),
  ]);
  return Object.fromEntries(entries) as unknown;
}
