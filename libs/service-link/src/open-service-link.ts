/** The NATS connection of a service: under its name in the policy, with a certificate that is renewed while it runs. */
import { connectNats, type NatsLink } from '@everseal/messaging';
import { identityOf, type Policy, type Service } from '@everseal/policy';
import { watchCertificate, type natsSettings, type ServiceContext, type ServiceSettings } from '@everseal/process';
import type { z } from 'zod';

/** Of a service's context what a connection needs. */
type LinkContext = Pick<ServiceContext<ServiceSettings>, 'settings' | 'logger' | 'stop'>;

/**
 * Connects. A server does not end a session whose certificate has expired, and the files are read at every connect: so a
 * renewed certificate means to connect again.
 *
 * @param nats the settings' NATS connection
 * @throws what the certificate's files say; MessagingError nats.unreachable
 */
export async function openServiceLink(
  { settings, logger, stop }: LinkContext,
  policy: Policy,
  service: Service,
  nats: z.output<typeof natsSettings>,
): Promise<NatsLink> {
  const { commonName, inboxPrefix } = identityOf(policy.domain, service, settings.name);
  const { servers, certFile, keyFile, caFile, firstConnectMs } = nats;
  let link: NatsLink | null = null;
  // Before the connection: a bad certificate then says itself what is wrong with it.
  const certificate = await watchCertificate(nats, 'NATS', logger, () => {
    logger.info({}, 'connecting to NATS with the renewed certificate');
    return link?.reconnect();
  });
  try {
    const tls = { certFile, keyFile, caFile };
    link = await connectNats({
      name: commonName,
      servers,
      tls,
      inboxPrefix: inboxPrefix!,
      logger,
      firstConnectMs,
      onClosed: stop,
    });
    return link;
  } catch (error) {
    certificate.stop();
    throw error;
  }
}
