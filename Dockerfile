# SPDX-License-Identifier: Apache-2.0
# The first stage is a machine on which somebody types `make install`; the second has what that put there and the shared
# libraries it links to: no compiler, no npm. Packages are named in tools/packages alone.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates make
WORKDIR /src
# Set-up first: it is repeated only when these files change.
COPY Makefile package.json package-lock.json ./
COPY tools/packages tools/deps.sh tools/node.sh tools/npm-engines.cjs tools/
RUN make deps DEPS='build node'
COPY . .
RUN make install DEPS='build node' DESTDIR=/image PREFIX=/usr
RUN sed -n 's/^image: *//p' tools/packages >/image/packages

FROM debian:bookworm-slim
COPY --from=build /image/packages /tmp/packages
RUN apt-get update && \
    apt-get install --yes --no-install-recommends $(cat /tmp/packages) && \
    rm -rf /var/lib/apt/lists/* /tmp/packages
COPY --from=build /image/usr /usr
ENTRYPOINT ["/usr/bin/bpfsvc"]
CMD ["run"]
