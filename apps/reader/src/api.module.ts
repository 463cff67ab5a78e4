/** Nest's part of the read API: the routes over one handler, and the two HTTPS servers in front of it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Catch, Module, type ArgumentsHost, type DynamicModule, type ExceptionFilter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ServiceContext } from '@everseal/process';
import { ApiController } from './api.controller.js';
import type { ReaderSettings } from './config.js';
import type { Reply, Request } from './exchange.js';
import type { Listeners } from './listeners.js';
import { LogController } from './log.controller.js';
import { ReadApi } from './read-api.js';

@Module({ controllers: [LogController, ApiController] })
class ApiModule {
  static with(api: ReadApi): DynamicModule {
    return { module: ApiModule, providers: [{ provide: ReadApi, useValue: api }] };
  }
}

/** Whatever reaches no route, or a route in a way that it does not have. */
@Catch()
class NoRoute implements ExceptionFilter {
  constructor(private readonly api: ReadApi) {}

  catch(_error: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    return this.api.absent(http.getRequest<Request>(), http.getResponse<Reply>());
  }
}

/** The API, not listening yet. */
export async function createApi(
  api: ReadApi,
  listeners: Listeners,
  nest: ServiceContext<ReaderSettings>['nest'],
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    // The path is ours to read as it came; nobody sends a body.
    bodyLimit: 1_024,
    routerOptions: { maxParamLength: 512 },
    serverFactory: (handler: (request: IncomingMessage, response: ServerResponse) => void) => listeners.create(handler),
  } as unknown as ConstructorParameters<typeof FastifyAdapter>[0]);
  const app = await NestFactory.create<NestFastifyApplication>(ApiModule.with(api), adapter, nest);
  app.useGlobalFilters(new NoRoute(api));
  return app;
}
