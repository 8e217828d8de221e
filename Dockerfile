# SPDX-License-Identifier: Apache-2.0
# The image of manifests/operator.yaml: the operator, with the permission set of its service account.
#   docker build -t aranya:0.1.0 .
FROM denoland/deno:2.9.6
WORKDIR /app
COPY deno.json deno.lock main.ts agent.ts ./
COPY lib ./lib
RUN deno cache main.ts agent.ts
ENV DENO_V8_FLAGS=--optimize-for-size
USER deno
ENTRYPOINT ["deno", "run", "--no-prompt", "-P=operator-pod", "main.ts"]
CMD ["--mode", "operator"]
