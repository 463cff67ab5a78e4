/** After all specs: what jest-setup.mjs made is gone again. */
import { rmSync } from 'node:fs';

export default function teardown() {
  rmSync(process.env.EVERSEAL_TEST_TEMPLATES, { recursive: true, force: true });
}
