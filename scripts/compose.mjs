/**
 * `node scripts/compose.mjs [folder]`: writes certificates, keys and configs for docker-compose.yml, by default into .everseal-compose, and
 * says how to go on. May be run again: it renews certificates that are due and keeps everything else.
 */
import path from 'node:path';
import { ROOT, runScript, setup, SetupFailure } from './setup.mjs';

await runScript(async () => {
  const dir = path.resolve(process.argv[2] ?? path.join(ROOT, '.everseal-compose'));
  setup({ nats: false });
  const { describeFailure, prepareContainers } = await import('../dist/libs/local/src/index.js');
  try {
    for (const notice of await prepareContainers(dir, path.join(ROOT, 'everseal.yaml'))) console.log(`note: ${notice}`);
  } catch (error) {
    throw new SetupFailure(describeFailure(error), { cause: error });
  }
  console.log(`certificates, keys and configs are in ${dir}; next:`);
  console.log(`  docker compose --env-file ${path.relative(process.cwd(), path.join(dir, '.env'))} up --build`);
});
