# nginx of Debian 12 with the gateway's module and agwctl. Built by the scripts that everybody uses.
FROM debian:12-slim AS build
WORKDIR /src
COPY scripts/install-deps scripts/install-deps
RUN scripts/install-deps build
COPY . .
RUN scripts/build release module agwctl

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx ca-certificates \
        libcjose0 libjansson4 libsimdjson14 libhiredis0.14 libcurl4 libpcre2-8-0 libssl3 libstdc++6 libyaml-0-2 tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -m 700 /var/lib/nginx/agent
COPY --from=build /src/build/release/ngx_http_agent_gateway_module.so /usr/lib/nginx/modules/
COPY --from=build /src/build/release/agwctl /usr/local/bin/
COPY conf/examples/ /usr/share/doc/agent-gateway/examples/
RUN install -d /usr/local/share/man/man1 /usr/share/bash-completion/completions /usr/local/share/zsh/site-functions \
    && agwctl man >/usr/local/share/man/man1/agwctl.1 \
    && agwctl completion bash >/usr/share/bash-completion/completions/agwctl \
    && agwctl completion zsh >/usr/local/share/zsh/site-functions/_agwctl
RUN printf 'load_module modules/ngx_http_agent_gateway_module.so;\n' >/etc/nginx/modules-enabled/50-agent-gateway.conf
# Mount a configuration at /etc/nginx/nginx.conf (or conf.d/), the policy, the secrets, and a volume for the audit log.
VOLUME ["/var/lib/nginx/agent", "/var/log/nginx"]
EXPOSE 8080 8443
STOPSIGNAL SIGQUIT
CMD ["nginx", "-e", "/dev/stderr", "-g", "daemon off;"]
