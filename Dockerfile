# syntax=docker/dockerfile:1
# A node in a small image: built in one stage, run in another that has no compiler.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay with the builder; the program is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && install -D target/release/counterfoil /out/counterfoil

FROM debian:bookworm-slim
# curl is for health checks: whoever runs the image asks /readyz with it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/counterfoil --create-home counterfoil
COPY --from=build /out/counterfoil /usr/local/bin/counterfoil
USER counterfoil
WORKDIR /var/lib/counterfoil
VOLUME /var/lib/counterfoil
# For clients, and for peers.
EXPOSE 8080 4001
# A kill loses nothing that was acknowledged, but a stop lets requests finish.
STOPSIGNAL SIGTERM
ENTRYPOINT ["counterfoil"]
CMD ["--help"]
