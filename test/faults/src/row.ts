/**
 * A row of the fault matrix: what is done to a running installation under load, and what must come of it. Whatever the row, afterwards
 * all is well again, every accepted event is sealed once, and no alert was raised that the row does not name.
 */
import type { Stage } from './stage.js';

/** On which installation: `plain.yaml`, or `small.yaml` with its stores on small file systems. */
export type StageName = 'plain' | 'small';

/** What this machine must have. */
export type Need = 'mount' | 'strace';

/** The same with the protection off, which must fail: in the row itself, or in a spec by part of its file's name and its test's. */
export type Control = 'own' | readonly [file: string, test: RegExp];

export interface Done {
  /** What was seen, in a few words. */
  readonly seen: string;
  /** Services that may have ended by themselves, by id. */
  readonly stops?: readonly string[];
  /** What the row's own control has shown. */
  readonly control?: string;
}

interface Named {
  /** Number in the matrix; a letter behind it for a variant. */
  readonly row: string;
  readonly fault: string;
  readonly expected: string;
}

/** Done to real processes by the engine. */
export interface ActRow extends Named {
  readonly on: StageName;
  /** One of the quick subset. */
  readonly isQuick: boolean;
  /** Leaves so many events behind that other rows of its installation come before it. */
  readonly isLast?: true;
  readonly needs?: readonly Need[];
  /** Verdicts that must be raised. */
  readonly alerts?: readonly string[];
  /** Verdicts that may be raised. */
  readonly mayRaise?: readonly string[];
  readonly control: Control;
  /** Does it, and looks for what is special about it. Throws when that is not there. Everything must have been put right when it ends. */
  readonly act: (stage: Stage) => Promise<Done>;
}

/** Shown by specs, which stop processes and messages at points that nothing outside a process can meet. */
export interface SpecRow extends Named {
  /** Files with a pattern of full test names. */
  readonly specs: readonly (readonly [file: string, test: RegExp])[];
}

/** Not run, and why. */
export interface LeftOutRow extends Named {
  readonly notRun: string;
}

export type Row = ActRow | SpecRow | LeftOutRow;

/** What a service said, for a cell of the matrix: without who it is, and without paths. */
export function firstWords(said: string): string {
  const most = 100;
  return said
    .replace(/^.*?before it was ready: /, '')
    .replace(/\(log: .*$/, '')
    .replaceAll(/\/\S+/g, '…')
    .trim()
    .slice(0, most);
}

export function isAct(row: Row): row is ActRow {
  return 'act' in row;
}

export function isSpec(row: Row): row is SpecRow {
  return 'specs' in row;
}
