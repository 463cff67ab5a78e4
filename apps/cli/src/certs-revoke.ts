/**
 * `everseal certs revoke`: a certificate was stolen, and its name goes on. The policy's generation of the name is raised, so that
 * what the thief has names nobody any more, and a new certificate with a new key is issued where the authority is here. It is in
 * force when the servers have the rendered configs; somebody who is gone for good is removed from the policy instead.
 *
 * Why no revocation list: docs/decisions/0113-revocation-by-name.md.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { DevPki } from '@everseal/pki';
import { identitiesOf, parsePolicy, raiseGeneration } from '@everseal/policy';
import { replaceFile } from '@everseal/process';
import { policyPath } from './access.js';
import { pkiFolder, type CertsOptions } from './certs-folder.js';
import { usage } from './cli-failure.js';
import type { SettingsPlace } from './settings-file.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';

export async function revokeCertificate(
  context: Context,
  place: SettingsPlace,
  name: string,
  options: CertsOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const file = policyPath(place, options);
  if (!existsSync(file)) throw usage(`${file} does not exist: name the policy with --policy`);
  const text = readFileSync(file, 'utf8');
  const known = identitiesOf(parsePolicy(text, file));
  const identity = known.find(({ folder }) => folder === name);
  const raised = identity && raiseGeneration(text, file, identity);
  if (!raised) throw usage(`the policy has no "${name}": there is ${known.map(({ folder }) => folder).join(', ')}`);
  replaceFile(file, raised.text, statSync(file).mode & 0o777);
  terminal.line(`${file}: generation ${raised.generation} of ${name}`);
  const folder = pkiFolder({ dir: place.dir }, options);
  if (DevPki.isIn(folder)) {
    const after = identitiesOf(parsePolicy(raised.text, file)).filter(
      (one) => known.find((before) => before.folder === one.folder)?.uri !== one.uri,
    );
    const pki = await DevPki.open(folder, context.now, { newKeys: true });
    for (const one of after) terminal.line((await pki.ensureClient(one)).certFile);
  } else {
    terminal.note(`have your authority issue it: everseal access show ${name} says what stands in it`);
  }
  terminal.note('the old certificate is good until the servers know: everseal access render, both files in place,');
  terminal.note(
    'SIGHUP to nats-server (twice) and Postgres, the deploy step, and a restart of the readers for an auditor',
  );
  return EXIT.ok;
}
