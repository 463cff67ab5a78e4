# Everseal's services in one image (target service), and nats-server with a data folder that an ordinary user may write (target nats).
# Node 24 for its OpenSSL: post-quantum key exchange.

FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY .swcrc nest-cli.json tsconfig.json ./
COPY apps apps
COPY libs libs
RUN rm -rf dist && npx nest build --all && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-trixie-slim AS service
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY scripts/healthcheck.mjs scripts/
# A new volume takes over this mode, so that it can be written by the user that the container runs as.
RUN install -d -m 1777 /everseal/state
# Freed buffers go back to the system: docs/decisions/0133-freed-buffers.md.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=262144 MALLOC_TRIM_THRESHOLD_=1048576
USER node
ENTRYPOINT ["node", "--enable-source-maps"]

FROM nats:2.14.6-alpine AS nats
RUN install -d -m 1777 /data
USER 1000
ENTRYPOINT []
