/**
 * What the verifier last saw of each endpoint, for comparison over restarts: <stateDir>/posture.json. It is a help and no
 * evidence: what was seen stands in the system ledger. Lost or damaged, the next scan begins a new one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { replaceFile } from '@everseal/process';
import type { Grade } from '@everseal/tls-posture';
import { z } from 'zod';

const remembered = z.record(
  z.string(),
  z.strictObject({
    grade: z.enum(['F', 'T', 'M', 'E', 'D', 'C', 'B', 'A-', 'A', 'A+']),
    /** Public key of the trusted issuer (SPKI, SHA-256, hex); '' when none was seen yet. */
    issuer: z.string(),
    /** Of what was last written into the system ledger. */
    written: z.string(),
  }),
);

export interface RememberedEndpoint {
  grade: Grade;
  issuer: string;
  written: string;
}

export class PostureMemory {
  private readonly endpoints: Map<string, RememberedEndpoint>;

  constructor(private readonly file: string) {
    this.endpoints = new Map(Object.entries(read(file)));
  }

  of(url: string): RememberedEndpoint | null {
    return this.endpoints.get(url) ?? null;
  }

  remember(url: string, endpoint: RememberedEndpoint): void {
    this.endpoints.set(url, endpoint);
  }

  /** @throws system errors of the disk */
  save(): void {
    replaceFile(this.file, JSON.stringify(Object.fromEntries(this.endpoints)));
  }
}

function read(file: string): Record<string, RememberedEndpoint> {
  if (!existsSync(file)) return {};
  try {
    return remembered.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}
