/** The certificate with which a service logs in somewhere: renewed files are taken up while it runs. */
import { MaterialWatch, type MaterialFiles } from '@everseal/tls';
import type { Logger } from './logger.js';

/**
 * Starts to watch it. A renewal that cannot be used is logged, and the certificate of before goes on.
 * @param server whose client it is, for the log: `NATS`, `Postgres`
 * @param onRenewed what fails in it is logged
 * @throws what loading the files throws
 */
export async function watchCertificate(
  files: MaterialFiles,
  server: string,
  logger: Pick<Logger, 'error'>,
  onRenewed: () => void | Promise<void>,
): Promise<MaterialWatch> {
  const material = await MaterialWatch.open(files, 'client', Date.now);
  material.listen({
    onRenewed,
    onProblem: (err) => logger.error({ err }, `${server} client certificate: ${err.message}`),
  });
  material.start();
  return material;
}
