/**
 * Verifiers as their answers over NATS show them, for specs of what the sealer makes of answers. How a real one comes to
 * its answers is tested in apps/verifier.
 */

import {
  cosign,
  formatHoldAnswer,
  parseAddCheckpoint,
  parseHoldRequest,
  parseNote,
  type Hash,
  type SigningKey,
} from '@everseal/audit-core';
import type { Answer } from './checkpoint-ledger.js';

export interface AnsweringVerifier {
  /** The root that it derives for a size; null when it does not hold so much. Without it: no answer. */
  readonly derives?: (size: number) => Hash | null;
  /** The newest checkpoint that it says it cosigned. */
  readonly cosigned?: string;
  /** Cosigns whatever it is asked to with this key, or `cosigns` instead. */
  readonly key?: SigningKey;
  readonly cosigns?: string;
  /** Answers holds with these bytes instead. */
  readonly says?: string;
}

/** The `ask` of a sealer whose verifiers these are, by name. */
export function answersOf(verifiers: Readonly<Record<string, AnsweringVerifier>>) {
  return (subject: string, body: Uint8Array): Promise<Answer | null> => {
    const name = subject.slice(subject.lastIndexOf('.') + 1);
    const verifier = verifiers[name];
    const answer = verifier && (subject.startsWith('audit.hold.') ? held(verifier, body) : cosigned(verifier, body));
    return Promise.resolve(answer ?? null);
  };
}

function held({ derives, cosigned: checkpoint = '', says }: AnsweringVerifier, body: Uint8Array): Answer | null {
  if (says !== undefined) return { status: null, data: Buffer.from(says) };
  if (!derives) return null;
  const size = parseHoldRequest(body);
  const root = size === 0 ? Buffer.alloc(32) : derives(size);
  const answer = root ? { size, root, checkpoint } : { size: size - 1, root: Buffer.alloc(32), checkpoint };
  return { status: null, data: formatHoldAnswer(answer) };
}

function cosigned({ key, cosigns }: AnsweringVerifier, body: Uint8Array): Answer | null {
  if (!key) return null;
  const text = cosigns ?? parseNote(parseAddCheckpoint(body).checkpoint).text;
  return { status: '200', data: Buffer.from(`${cosign(text, key, 1_767_225_600)}\n`) };
}
