/** Before all specs: a folder for what is made once and copied (cluster-template.ts). Removed by jest-teardown.mjs. */
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export default function setup() {
  const folder = mkdtempSync(path.join(tmpdir(), 'everseal-templates-'));
  chmodSync(folder, 0o711);
  process.env.EVERSEAL_TEST_TEMPLATES = folder;
}
