# The operator's image. Any builder will do: docker build -t hostport-operator:0.1.0 .
# The node agent's: docker build --target agent -t hostport-agent:0.1.0 .
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/hostport \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=1
RUN pip install --no-cache-dir --root-user-action=ignore uv==0.13.9
WORKDIR /src
# The dependencies first: they change less often than the code, and their layer is kept.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project
COPY README.md LICENSE ./
COPY operator/ operator/
RUN uv sync --locked --no-dev --no-editable

FROM python:${PYTHON}-slim AS common
LABEL org.opencontainers.image.title="hostport-operator" \
      org.opencontainers.image.description="Hands out hostPorts on Kubernetes: never the same one twice, and it can say who has yours." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing but the environment: no uv, no sources. Its interpreter is the one of this stage, at the same path.
COPY --from=build /opt/hostport /opt/hostport
ENV PATH=/opt/hostport/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
ENTRYPOINT ["hostport"]

# The node agent, and `hostport trace`: the same with the tools that print a node's rules. It runs as root.
FROM common AS agent
RUN apt-get update \
    && apt-get install --yes --no-install-recommends conntrack iptables nftables \
    && rm -rf /var/lib/apt/lists/*
CMD ["agent"]

FROM common AS operator
# A number, because the kubelet can't tell by a name that a user is not root.
USER 65532:65532
EXPOSE 8081 9095
CMD ["run"]
